//! What the nodes `$cbs` and `$management` answer, and what tokens open.

mod support;

use eventhubs_emulator::{Emulator, HubConfig};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::primitives::{Array, Value};
use support::*;

const HUB: [(&str, &str); 2] = [("type", "com.microsoft:eventhub"), ("name", "EH1")];

fn field(body: &Value, name: &str) -> Value {
    let Value::Map(map) = body else {
        panic!("a map was expected: {body:?}")
    };
    map.get(&Value::String(name.to_owned()))
        .cloned()
        .unwrap_or_else(|| panic!("{name} is missing"))
}

fn partition(id: &str) -> [(&str, &str); 3] {
    [
        ("type", "com.microsoft:partition"),
        ("name", "eh1"),
        ("partition", id),
    ]
}

#[tokio::test]
async fn hub_properties_have_the_services_keys_and_types() {
    let hub = HubConfig::new("eh1").with_partitions(3);
    let emulator = Emulator::builder().hub(hub).start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let (status, description, body) = client.read(&HUB).await;
    assert_eq!((status, description.as_str()), (200, "OK"));
    assert_eq!(field(&body, "name"), Value::String("eh1".to_owned()));
    assert_eq!(
        field(&body, "type"),
        Value::String("com.microsoft:eventhub".to_owned())
    );
    assert!(matches!(field(&body, "created_at"), Value::Timestamp(_)));
    assert_eq!(field(&body, "partition_count"), Value::Int(3));
    let ids = ["0", "1", "2"].map(|id| Value::String(id.to_owned()));
    assert_eq!(
        field(&body, "partition_ids"),
        Value::Array(Array::from(ids.to_vec()))
    );
    assert!(matches!(
        field(&body, "georeplication_factor"),
        Value::Int(_)
    ));
}

#[tokio::test]
async fn partition_properties_follow_what_is_sent() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let (status, _, body) = client.read(&partition("1")).await;
    assert_eq!(status, 200);
    assert_eq!(field(&body, "partition"), Value::String("1".to_owned()));
    assert_eq!(field(&body, "begin_sequence_number"), Value::Long(0));
    assert_eq!(
        field(&body, "last_enqueued_sequence_number"),
        Value::Long(-1)
    );
    assert_eq!(
        field(&body, "last_enqueued_offset"),
        Value::String("-1".to_owned())
    );
    assert_eq!(field(&body, "is_partition_empty"), Value::Bool(true));
    field(&body, "begin_sequence_number_epoch");
    field(&body, "last_enqueued_sequence_number_epoch");
    let mut sender = client.sender("eh1/Partitions/1").await;
    send(&mut sender, batch(None, ["a", "b"].map(event))).await;
    let (_, _, body) = client.read(&partition("1")).await;
    let last = &emulator.received("eh1")[1];
    assert_eq!(
        field(&body, "last_enqueued_sequence_number"),
        Value::Long(1)
    );
    assert_eq!(
        field(&body, "last_enqueued_offset"),
        Value::String(last.offset.clone())
    );
    assert!(matches!(
        field(&body, "last_enqueued_time_utc"),
        Value::Timestamp(_)
    ));
    assert_eq!(field(&body, "is_partition_empty"), Value::Bool(false));
}

#[tokio::test]
async fn what_is_not_there_or_not_understood_is_said_so() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let audience = "sb://localhost/";
    client
        .put_token(audience, &sas_token(audience, KEY_NAME, KEY, in_an_hour()))
        .await;
    let (status, text, _) = client
        .read(&[("type", "com.microsoft:eventhub"), ("name", "nowhere")])
        .await;
    assert_eq!(status, 404);
    assert!(text.contains("could not be found"), "{text}");
    let (status, text, _) = client.read(&partition("4")).await;
    assert_eq!(status, 400);
    assert!(
        text.starts_with("The specified partition is invalid"),
        "{text}"
    );
    let (status, ..) = client
        .read(&[("type", "com.microsoft:queue"), ("name", "eh1")])
        .await;
    assert_eq!(status, 400);
    let (status, ..) = client
        .request("$management", &[("operation", "DELETE")], "")
        .await;
    assert_eq!(status, 400);
    let (status, ..) = client
        .request("$cbs", &[("operation", "take-token")], "")
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_wrong_key_and_an_expired_token_are_refused_and_open_nothing() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let audience = "amqps://localhost/eh1";
    let forged = sas_token(audience, KEY_NAME, "another key", in_an_hour());
    let (status, text) = client.put_token(audience, &forged).await;
    assert_eq!(status, 401);
    assert!(text.starts_with("InvalidSignature"), "{text}");
    let (status, text) = client
        .put_token(audience, &sas_token(audience, KEY_NAME, KEY, 1_000_000))
        .await;
    assert_eq!(status, 401);
    assert!(text.starts_with("ExpiredToken"), "{text}");
    let (condition, text) = client.sender_refusal("eh1").await;
    assert_eq!(condition, "amqp:unauthorized-access");
    assert_eq!(
        untracked(&text),
        "Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: 'sb://emulatorNs1.servicebus.windows.net/eh1'."
    );
    let (condition, text) = client
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(
        text.starts_with("Unauthorized access. 'Listen' claim(s) are required"),
        "{text}"
    );
    let (status, ..) = client.read(&HUB).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_token_opens_its_entity_and_what_lies_below_and_nothing_else() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1"))
        .hub(HubConfig::new("eh10"))
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let audience = "sb://localhost/eh1/partitions/0";
    let (status, _) = client
        .put_token(audience, &sas_token(audience, KEY_NAME, KEY, in_an_hour()))
        .await;
    assert_eq!(status, 202);
    client.sender("eh1/Partitions/0").await;
    for address in ["eh1", "eh1/Partitions/1", "eh10"] {
        assert_eq!(
            client.sender_refusal(address).await.0,
            "amqp:unauthorized-access",
            "{address}"
        );
    }
    let mut client = Client::authorized(&emulator).await;
    client.sender("eh1/Partitions/1").await;
    client.receiver(0, ReceiverOptions::default()).await;
    assert_eq!(
        client.sender_refusal("eh10").await.0,
        "amqp:unauthorized-access"
    );
}

#[tokio::test]
async fn a_token_sent_along_with_a_request_is_enough() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let resource = "sb://localhost/eh1";
    let token = sas_token(resource, KEY_NAME, KEY, in_an_hour());
    let mut request = HUB.to_vec();
    request.push(("security_token", &token));
    assert_eq!(client.read(&request).await.0, 200);
}

#[tokio::test]
async fn the_key_itself_opens_everything_and_a_wrong_one_nothing() {
    let emulator = Emulator::builder()
        .access_key("mine", "key")
        .start()
        .await
        .unwrap();
    let plain = |key: &str| SaslProfile::Plain {
        username: "mine".to_owned(),
        password: key.to_owned(),
    };
    let mut client = Client::connect(&emulator, plain("key")).await;
    client.sender("eh1").await;
    assert_eq!(client.read(&HUB).await.0, 200);
    assert!(Client::try_connect(&emulator, plain("no")).await.is_err());
}
