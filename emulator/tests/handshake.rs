//! How a connection begins that should not: what is answered, byte by byte, before the socket is closed.

mod support;

use eventhubs_emulator::Emulator;
use support::raw::{AMQP, SASL, connect, frame, holds, sasl_init, until_the_end};
use tokio::io::AsyncWriteExt;

/// What is answered to these bytes, all of it; the client keeps its side open.
async fn answer(bytes: &[u8]) -> Vec<u8> {
    let emulator = Emulator::start().await.unwrap();
    let mut stream = connect(&emulator).await;
    stream.write_all(bytes).await.unwrap();
    until_the_end(&mut stream).await
}

/// What follows the mechanisms that are offered.
async fn answer_to_sasl(init: &[u8]) -> Vec<u8> {
    let said = answer(&[SASL, init].concat()).await;
    let mechanisms = said.strip_prefix(SASL).unwrap();
    for mechanism in ["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"] {
        assert!(holds(mechanisms, mechanism), "{mechanism}");
    }
    let size = u32::from_be_bytes(mechanisms[..4].try_into().unwrap());
    mechanisms[size as usize..].to_vec()
}

/// The outcome `auth`: the credentials are no good.
fn refused() -> Vec<u8> {
    let outcome = b"\x00\x53\x44\xD0\x00\x00\x00\x07\x00\x00\x00\x02\x50\x01\x40";
    frame(1, outcome)
}

#[tokio::test]
async fn another_version_is_answered_with_ours_whatever_follows_it() {
    let other = b"AMQP\x00\x00\x09\x01";
    assert_eq!(answer(other).await, AMQP);
    let more = [&other[..], &[7; 100_000]].concat();
    assert_eq!(
        answer(&more).await,
        AMQP,
        "bytes that nobody reads reset nothing"
    );
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_is_refused_with_the_outcome_auth() {
    assert_eq!(
        answer_to_sasl(&sasl_init("SCRAM-SHA-256", "")).await,
        refused()
    );
}

#[tokio::test]
async fn a_wrong_key_and_a_response_without_one_are_refused_alike() {
    for response in ["\0RootManageSharedAccessKey\0wrong", "nonsense", ""] {
        assert_eq!(
            answer_to_sasl(&sasl_init("PLAIN", response)).await,
            refused()
        );
    }
}

#[tokio::test]
async fn what_is_no_sasl_where_sasl_is_spoken_is_hung_up_on_without_a_word() {
    let garbage = frame(1, b"\x00\x53\x99\x45");
    let amqp = frame(0, b"\x00\x53\x10\x45");
    for other in [&garbage[..], &amqp, &[0xFF; 8]] {
        assert_eq!(answer_to_sasl(other).await, b"");
    }
}

#[tokio::test]
async fn sasl_is_spoken_once() {
    let twice = [&sasl_init("ANONYMOUS", "")[..], SASL].concat();
    let said = answer_to_sasl(&twice).await;
    assert_eq!(said.len(), refused().len() + AMQP.len());
    assert!(said.ends_with(AMQP));
}

#[tokio::test]
async fn a_client_that_leaves_before_its_header_is_complete_is_let_go_without_a_word() {
    let emulator = Emulator::start().await.unwrap();
    for begun in [0, 4] {
        let mut stream = connect(&emulator).await;
        stream.write_all(&AMQP[..begun]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(until_the_end(&mut stream).await, b"");
    }
}
