//! TLS: certificates made and given, ports, and clients that do not get in.

mod support;

use eventhubs_emulator::{Emulator, HubConfig, StartError};
use rcgen::{CertifiedKey, KeyPair};
use support::tls::{tcp, tls, with_tls};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_does_not_get_in() {
    let emulator = with_tls().await;
    let other = with_tls().await;
    let address = emulator.tls_address().unwrap();
    let error = tls(address, other.certificate_pem().unwrap())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
    // Others are served all the same.
    tls(address, emulator.certificate_pem().unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_given_is_shown_and_its_key_is_not_told() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pem = pem("CERTIFICATE", cert.der());
    let key = pem_of(&signing_key);
    // A file may hold both.
    let builder = Emulator::builder().certificate(format!("{key}{pem}"), key.clone());
    assert!(!format!("{builder:?}").contains("PRIVATE"));
    let emulator = builder.start().await.unwrap();
    assert!(!format!("{emulator:?}").contains("PRIVATE"));
    assert_eq!(emulator.certificate_pem(), Some(&*pem));
    assert_eq!(emulator.tls_address(), Some(emulator.address()));
    let stream = tls(emulator.address(), &pem).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.peer_certificates().unwrap(), [cert.der().clone()]);
    let mut client = Client::over(stream).await;
    client.authorize().await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, [event("over it")])).await;
    assert_eq!(emulator.event_count("eh1"), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_so() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (pem("CERTIFICATE", cert.der()), pem_of(&signing_key));
    let another = pem_of(&KeyPair::generate().unwrap());
    for (certificate, key, told) in [
        ("", &*key, "the certificate cannot be read"),
        (&*pem, "", "the private key cannot be read"),
        (&*pem, &*another, "the certificate cannot be used"),
    ] {
        let error = Emulator::builder()
            .certificate(certificate, key)
            .start()
            .await
            .unwrap_err();
        assert!(matches!(error, StartError::Certificate(_)));
        assert!(error.to_string().starts_with(told), "{error}");
    }
}

fn pem_of(key: &KeyPair) -> String {
    pem("PRIVATE KEY", &key.serialize_der())
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[tokio::test]
async fn without_tls_a_client_that_tries_it_is_answered_in_amqp_and_left() {
    let emulator = Emulator::start().await.unwrap();
    assert_eq!(emulator.tls_address(), None);
    assert_eq!(emulator.tls_connection_string(), None);
    assert_eq!(emulator.certificate_pem(), None);
    let other = with_tls().await;
    let error = tls(emulator.address(), other.certificate_pem().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("corrupt message"), "{error}");
    let mut stream = tcp(emulator.address()).await;
    stream
        .write_all(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, AMQP);
}

#[tokio::test]
async fn connection_strings_for_tls_name_its_port_and_no_development_emulator() {
    let emulator = with_tls().await;
    let port = emulator.tls_address().unwrap().port();
    let expected = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY};"
    );
    assert_eq!(emulator.tls_connection_string(), Some(expected));
}

#[tokio::test]
async fn a_port_for_tls_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Emulator::builder()
        .tls_port(port)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::PortTaken { port: told } if told == port));
}

#[tokio::test]
async fn one_port_may_be_named_for_both() {
    let first = with_tls().await;
    let port = first.address().port();
    first.stop().await;
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1").with_partitions(1))
        .port(port)
        .tls_port(port)
        .start()
        .await
        .unwrap();
    assert_eq!(emulator.tls_address(), Some(emulator.address()));
}
