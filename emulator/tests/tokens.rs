//! What `$cbs` takes, and how long what it grants lasts.

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventhubs_emulator::Emulator;
use fe2o3_amqp::link::{DetachError, LinkStateError, RecvError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::Data;
use support::*;
use tokio::time::timeout;

const EH1: &str = "sb://localhost/eh1";
const SAS: &str = "servicebus.windows.net:sastoken";

fn now() -> i64 {
    in_an_hour() - 3600
}

fn jwt(audience: &str, expiry: i64) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let claims = encode(&format!(r#"{{"aud":"{audience}","exp":{expiry}}}"#));
    format!("{header}.{claims}.{}", encode("unverified"))
}

async fn put_jwt(client: &mut Client, token: &str) -> (i32, String) {
    let request = [("operation", "put-token"), ("type", "jwt"), ("name", EH1)];
    let (status, text, _) = client.request("$cbs", &request, token).await;
    (status, text)
}

#[tokio::test]
async fn what_is_no_put_token_is_a_bad_request_that_says_what_is_missing() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let token = sas_token(EH1, KEY_NAME, KEY, in_an_hour());
    let long = format!("{EH1}/{}", "x".repeat(2048));
    let requests: [(&[(&str, &str)], &str); 6] = [
        (&[("type", SAS), ("name", EH1)], "The operation"),
        (&[("operation", "put-token"), ("type", SAS)], "The name"),
        (
            &[("operation", "put-token"), ("type", SAS), ("name", "")],
            "The name",
        ),
        (
            &[("operation", "put-token"), ("type", SAS), ("name", &long)],
            "The name",
        ),
        (&[("operation", "put-token"), ("name", EH1)], "The type"),
        (
            &[("operation", "put-token"), ("type", "saml"), ("name", EH1)],
            "The type",
        ),
    ];
    for (request, said) in requests {
        let (status, text, _) = client.request("$cbs", request, &token).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.starts_with(said), "{text}");
    }
    assert_eq!(
        client.sender_refusal("eh1").await.0,
        "amqp:unauthorized-access"
    );
}

#[tokio::test]
async fn links_end_when_the_token_they_live_by_expires() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let expiry = now() + 3;
    let token = sas_token(EH1, KEY_NAME, KEY, expiry);
    assert_eq!(client.put_token(EH1, &token).await.0, 202);
    let mut sender = client.sender("eh1").await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let error = match timeout(PATIENCE, sender.on_detach()).await.unwrap() {
        DetachError::RemoteClosedWithError(error) => error,
        other => panic!("{other:?}"),
    };
    let (condition, text) = told(&error);
    assert_eq!(condition, "amqp:unauthorized-access");
    assert_eq!(
        untracked(&text),
        "Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: 'sb://emulatorNs1.servicebus.windows.net/eh1'."
    );
    match timeout(PATIENCE, receiver.recv::<Data>()).await.unwrap() {
        Err(RecvError::LinkStateError(LinkStateError::RemoteClosedWithError(error))) => {
            assert_eq!(told(&error).0, "amqp:unauthorized-access");
        }
        other => panic!("{other:?}"),
    }
    assert!(now() >= expiry, "not before its time");
    assert!(emulator.receivers("eh1").is_empty(), "its place is free");
}

#[tokio::test]
async fn jwts_are_refused_unless_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let token = jwt("https://eventhubs.azure.net", in_an_hour());
    let (status, text) = put_jwt(&mut client, &token).await;
    assert_eq!(status, 401);
    assert!(text.contains("no JSON web tokens"), "{text}");
    assert_eq!(
        client.sender_refusal("eh1").await.0,
        "amqp:unauthorized-access"
    );
}

#[tokio::test]
async fn jwts_asked_for_open_what_they_are_put_for() {
    let emulator = Emulator::builder().accept_jwts().start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let token = jwt("https://eventhubs.azure.net/", in_an_hour());
    assert_eq!(put_jwt(&mut client, &token).await.0, 202);
    client.sender("eh1").await;
    client.receiver(0, ReceiverOptions::default()).await;
    let hub = [("type", "com.microsoft:eventhub"), ("name", "eh1")];
    assert_eq!(client.read(&hub).await.0, 200);
}

#[tokio::test]
async fn a_jwt_that_is_expired_or_for_another_service_is_refused_even_when_asked_for() {
    let emulator = Emulator::builder().accept_jwts().start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    for (token, said) in [
        (
            jwt("https://eventhubs.azure.net", 1_000_000),
            "ExpiredToken: ",
        ),
        (
            jwt("https://storage.azure.com", in_an_hour()),
            "InvalidAudience: ",
        ),
        ("nonsense".to_owned(), "MalformedToken: "),
    ] {
        let (status, text) = put_jwt(&mut client, &token).await;
        assert_eq!(status, 401);
        assert!(text.starts_with(said), "{text}");
    }
}
