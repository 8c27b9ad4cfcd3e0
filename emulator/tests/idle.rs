//! What nobody uses ends, over sockets and by the clock on the wall; `wire::tests::idle` has the exact times.

mod support;

use eventhubs_emulator::{Emulator, EmulatorBuilder};
use fe2o3_amqp::connection;
use fe2o3_amqp::link::DetachError;
use fe2o3_amqp::sasl_profile::SaslProfile;
use std::time::Duration;
use support::raw::{connect, holds, signed_in, until_the_end};
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::time::{interval, timeout};

const SHORT: Duration = Duration::from_millis(250);

async fn start(set: impl Fn(EmulatorBuilder, Duration) -> EmulatorBuilder) -> Emulator {
    set(Emulator::builder(), SHORT).start().await.unwrap()
}

#[tokio::test]
async fn a_connection_without_links_is_closed() {
    let emulator = start(EmulatorBuilder::connection_idle_time_out).await;
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let closed = timeout(PATIENCE, client.connection.on_close()).await;
    match closed.unwrap() {
        Err(connection::Error::RemoteClosedWithError(error)) => {
            let (condition, text) = told(&error);
            assert_eq!(condition, "amqp:connection:forced");
            let said = "did not have any active links in the past 250 milliseconds";
            assert!(text.contains(said), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let gone = emulator.wait_until(|emulator| emulator.connections().is_empty());
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn a_link_that_nobody_uses_is_detached_and_its_connection_lives_on() {
    let emulator = start(EmulatorBuilder::link_idle_time_out).await;
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    match timeout(PATIENCE, sender.on_detach()).await.unwrap() {
        DetachError::RemoteClosedWithError(error) => {
            let (condition, text) = told(&error);
            assert_eq!(condition, "amqp:link:detach-forced");
            assert!(text.contains("Idle timeout: 00:00:00.2500000."), "{text}");
        }
        other => panic!("{other:?}"),
    }
    client.sender("eh1").await;
    assert_eq!(emulator.connections().len(), 1);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let emulator = start(EmulatorBuilder::idle_time_out).await;
    let mut stream = connect(&emulator).await;
    stream.write_all(&signed_in()).await.unwrap();
    let said = until_the_end(&mut stream).await;
    assert!(holds(&said, "amqp:connection:forced"));
    assert!(holds(&said, "more than the allowed 500 milliseconds"));
}

#[tokio::test]
async fn a_connection_that_never_completes_a_frame_is_closed() {
    let emulator = start(EmulatorBuilder::idle_time_out).await;
    let mut stream = connect(&emulator).await;
    stream.write_all(&signed_in()).await.unwrap();
    stream
        .write_all(&[0, 0, 0xFF, 0, 2, 0, 0, 0])
        .await
        .unwrap();
    let (mut reads, mut writes) = stream.split();
    let dribble = async {
        let mut pace = interval(SHORT / 10);
        loop {
            pace.tick().await;
            if writes.write_all(&[0]).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        ended = timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut said)) => {
            ended.expect("it hangs up").unwrap();
        }
        () = dribble => {}
    }
    assert!(holds(&said, "amqp:connection:forced"));
}
