//! What keys open, and how a client shows one.

mod support;

use eventhubs_emulator::{AccessKey, ConfigError, Emulator, HubConfig, Right, StartError};
use fe2o3_amqp::connection::OpenError;
use fe2o3_amqp::sasl_profile::SaslProfile;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const EH1: &str = "sb://localhost/eh1";
const HUB: [(&str, &str); 2] = [("type", "com.microsoft:eventhub"), ("name", "eh1")];

async fn emulator() -> Emulator {
    Emulator::builder()
        .hub(HubConfig::new("eh1"))
        .hub(HubConfig::new("eh2"))
        .key(AccessKey::new("root", "k"))
        .key(AccessKey::new("sender", "k").with_rights([Right::Send]))
        .key(AccessKey::new("listener", "k").with_rights([Right::Listen]))
        .key(AccessKey::new("manager", "k").with_rights([Right::Manage]))
        .key(AccessKey::new("first", "k").for_hub("eh1"))
        .key(AccessKey::new("second", "k").for_hub("eh2"))
        .start()
        .await
        .unwrap()
}

fn plain(name: &str, key: &str) -> SaslProfile {
    SaslProfile::Plain {
        username: name.to_owned(),
        password: key.to_owned(),
    }
}

/// A client with a token for the hub `eh1`, signed by a key.
async fn with_token(emulator: &Emulator, key_name: &str) -> Client {
    let mut client = Client::connect(emulator, SaslProfile::Anonymous).await;
    let token = sas_token(EH1, key_name, "k", in_an_hour());
    assert_eq!(client.put_token(EH1, &token).await.0, 202);
    client
}

async fn may_send(client: &mut Client) {
    client.sender("eh1").await;
    client.sender("eh1/Partitions/0").await;
}

async fn may_not_send(client: &mut Client) {
    for (address, resource) in [("eh1", "eh1"), ("eh1/Partitions/0", "eh1/partitions/0")] {
        let (condition, text) = client.sender_refusal(address).await;
        assert_eq!(condition, "amqp:unauthorized-access");
        let expected = format!(
            "Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: 'sb://emulatorNs1.servicebus.windows.net/{resource}'."
        );
        assert_eq!(untracked(&text), expected);
    }
}

async fn may_not_listen(client: &mut Client) {
    let (condition, text) = client
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    assert_eq!(condition, "amqp:unauthorized-access");
    assert_eq!(
        untracked(&text),
        "Unauthorized access. 'Listen' claim(s) are required to perform this operation. Resource: 'sb://emulatorNs1.servicebus.windows.net/eh1/consumergroups/$default/partitions/0'."
    );
}

#[tokio::test]
async fn a_key_with_send_sends_and_does_not_receive() {
    let emulator = emulator().await;
    let signed_in = Client::connect(&emulator, plain("sender", "k")).await;
    for mut client in [with_token(&emulator, "sender").await, signed_in] {
        may_send(&mut client).await;
        may_not_listen(&mut client).await;
        assert_eq!(client.read(&HUB).await.0, 200);
    }
}

#[tokio::test]
async fn a_key_with_listen_receives_and_does_not_send() {
    let emulator = emulator().await;
    let signed_in = Client::connect(&emulator, plain("listener", "k")).await;
    for mut client in [with_token(&emulator, "listener").await, signed_in] {
        client.receiver(0, ReceiverOptions::default()).await;
        may_not_send(&mut client).await;
        assert_eq!(client.read(&HUB).await.0, 200);
    }
}

#[tokio::test]
async fn a_key_with_manage_does_both() {
    let emulator = emulator().await;
    let mut client = with_token(&emulator, "manager").await;
    may_send(&mut client).await;
    client.receiver(0, ReceiverOptions::default()).await;
    assert_eq!(client.read(&HUB).await.0, 200);
}

#[tokio::test]
async fn tokens_of_two_keys_add_up() {
    let emulator = emulator().await;
    let mut client = with_token(&emulator, "sender").await;
    may_not_listen(&mut client).await;
    let partition = "sb://localhost/eh1/ConsumerGroups/$Default/Partitions/0";
    let token = sas_token(partition, "listener", "k", in_an_hour());
    assert_eq!(client.put_token(partition, &token).await.0, 202);
    client.receiver(0, ReceiverOptions::default()).await;
    may_send(&mut client).await;
}

#[tokio::test]
async fn a_hubs_key_opens_this_hub_alone() {
    let emulator = emulator().await;
    let mut client = with_token(&emulator, "first").await;
    may_send(&mut client).await;
    let eh2 = "sb://localhost/eh2";
    let token = sas_token(eh2, "first", "k", in_an_hour());
    let (status, text) = client.put_token(eh2, &token).await;
    assert_eq!(status, 401);
    assert!(text.starts_with("InvalidSignature: "), "{text}");
    let token = sas_token(EH1, "second", "k", in_an_hour());
    assert_eq!(client.put_token(EH1, &token).await.0, 401);

    let mut client = Client::connect(&emulator, plain("second", "k")).await;
    client.sender("eh2").await;
    may_not_send(&mut client).await;
    assert_eq!(client.read(&HUB).await.0, 401);
}

#[tokio::test]
async fn a_wrong_key_ends_in_a_sasl_outcome_and_not_in_a_broken_connection() {
    let emulator = emulator().await;
    for profile in [plain("root", "x"), plain("nobody", "k"), plain("", "")] {
        match Client::try_connect(&emulator, profile).await {
            Err(OpenError::SaslError { .. }) => {}
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("a refusal was expected"),
        }
    }
}

/// Begins SASL with a mechanism and an empty response; the code of the outcome.
async fn outcome(emulator: &Emulator, mechanism: &str) -> u8 {
    const HEADER: &[u8] = b"AMQP\x03\x01\x00\x00";
    let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
    let name = mechanism.as_bytes();
    let mut body = vec![0x00, 0x53, 0x41, 0xC0, name.len() as u8 + 4, 2];
    body.extend([0xA3, name.len() as u8]);
    body.extend(name);
    body.push(0x40);
    let mut init = (body.len() as u32 + 8).to_be_bytes().to_vec();
    init.extend([2, 1, 0, 0]);
    init.extend(body);
    stream.write_all(HEADER).await.unwrap();
    stream.write_all(&init).await.unwrap();
    let mut header = [0; 8];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header, HEADER);
    frame(&mut stream).await; // the mechanisms
    let outcome = frame(&mut stream).await;
    // sasl-outcome, a list of two fields, the first an ubyte
    let (code, list) = outcome.split_at(3);
    assert_eq!(code, [0x00, 0x53, 0x44]);
    let ubyte = list.iter().position(|&byte| byte == 0x50).unwrap();
    list[ubyte + 1]
}

async fn frame(stream: &mut TcpStream) -> Vec<u8> {
    let size = stream.read_u32().await.unwrap();
    let mut rest = vec![0; size as usize - 4];
    stream.read_exact(&mut rest).await.unwrap();
    rest.split_off(4)
}

#[tokio::test]
async fn every_mechanism_offered_is_taken_and_another_refused_by_an_outcome() {
    const OK: u8 = 0;
    const AUTH: u8 = 1;
    let emulator = emulator().await;
    for (mechanism, code) in [
        ("MSSBCBS", OK),
        ("ANONYMOUS", OK),
        ("EXTERNAL", OK),
        ("PLAIN", AUTH),
        ("SCRAM-SHA-256", AUTH),
        ("", AUTH),
    ] {
        assert_eq!(outcome(&emulator, mechanism).await, code, "{mechanism}");
    }
}

#[tokio::test]
async fn a_key_for_a_hub_that_is_not_there_does_not_start() {
    let builder = Emulator::builder().key(AccessKey::new("a", "k").for_hub("nowhere"));
    match builder.start().await {
        Err(StartError::Config(ConfigError::KeyOfNoHub { name, hub })) => {
            assert_eq!((name.as_str(), hub.as_str()), ("a", "nowhere"));
        }
        other => panic!("{other:?}"),
    }
}
