//! What a sender sees of each fault that concerns its messages.

mod support;

use eventhubs_emulator::{Emulator, Fault, When};
use fe2o3_amqp::Sender;
use fe2o3_amqp::types::messaging::Outcome;
use futures_util::FutureExt;
use std::pin::pin;
use std::time::Duration;
use support::*;

const PARTITION: &str = "eh1/Partitions/0";

async fn started() -> (Emulator, Client, Sender) {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let sender = client.sender(PARTITION).await;
    (emulator, client, sender)
}

async fn send_one(sender: &mut Sender) -> Outcome {
    let sending = sender.send(batch(None, [event("x")]));
    tokio::time::timeout(PATIENCE, sending)
        .await
        .unwrap()
        .unwrap()
}

async fn accepted(sender: &mut Sender) {
    let outcome = send_one(sender).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

#[tokio::test]
async fn released_and_modified_messages_are_not_stored_and_the_next_one_is() {
    let (emulator, _client, mut sender) = started().await;
    let released = emulator.faults().inject(Fault::release().times(1));
    let modified = emulator.faults().inject(Fault::modify().times(1));
    assert!(matches!(send_one(&mut sender).await, Outcome::Released(_)));
    match send_one(&mut sender).await {
        Outcome::Modified(modified) => assert_eq!(modified.delivery_failed, Some(true)),
        other => panic!("{other:?}"),
    }
    assert_eq!((released.struck(), modified.struck()), (1, 1));
    assert_eq!(emulator.event_count("eh1"), 0);
    accepted(&mut sender).await;
    assert_eq!(emulator.event_count("eh1"), 1);
}

#[tokio::test]
async fn a_rejected_message_carries_the_error_that_was_asked_for() {
    let (emulator, _client, mut sender) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::reject("test:condition", "as asked"));
    let error = rejection(sender.send(batch(None, [event("x")])).await);
    let (condition, text) = told(&error);
    assert_eq!((&*condition, &*text), ("test:condition", "as asked"));
    assert_eq!((guard.struck(), emulator.event_count("eh1")), (1, 0));
    guard.heal();
    accepted(&mut sender).await;
}

#[tokio::test]
async fn server_busy_names_the_place_and_the_wait_and_ends_after_its_count() {
    let (emulator, _client, mut sender) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::server_busy_for(9).hub("EH1").partition(0).times(2));
    for _ in 0..2 {
        let error = rejection(sender.send(batch(None, [event("x")])).await);
        let (condition, text) = told(&error);
        assert_eq!(condition, "com.microsoft:server-busy");
        assert!(
            text.contains("Error code : 50002. Please wait 9 seconds and try again."),
            "{text}"
        );
        assert!(
            text.contains("eventhub:eh1~8191") || text.contains("eventhub:EH1~8191"),
            "{text}"
        );
    }
    accepted(&mut sender).await;
    assert_eq!(guard.struck(), 2);
}

#[tokio::test]
async fn a_fault_on_one_partition_or_hub_does_not_touch_another() {
    let (emulator, mut client, mut zero) = started().await;
    let other = emulator.faults().inject(Fault::release().hub("eh2"));
    let guard = emulator.faults().inject(Fault::release().partition(1));
    let mut one = client.sender("eh1/Partitions/1").await;
    accepted(&mut zero).await;
    assert!(matches!(send_one(&mut one).await, Outcome::Released(_)));
    accepted(&mut zero).await;
    assert_eq!((guard.struck(), other.struck()), (1, 0));
}

#[tokio::test]
async fn a_fault_for_a_time_is_over_after_it() {
    let (emulator, _client, mut sender) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::release().lasting(Duration::from_millis(200)));
    let mut released = 0;
    while matches!(send_one(&mut sender).await, Outcome::Released(_)) {
        released += 1;
    }
    assert!(released > 0);
    assert_eq!(guard.struck(), released);
}

#[tokio::test]
async fn held_outcomes_come_when_the_fault_is_healed() {
    let (emulator, mut client, mut sender) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::hold_outcomes().partition(0));
    let mut sending = pin!(sender.send(batch(None, [event("x")])));
    tokio::select! {
        outcome = &mut sending => panic!("{outcome:?}"),
        () = emulator.wait_for_events("eh1", 1) => {}
    }
    // An outcome on the same connection has overtaken it.
    accepted(&mut client.sender("eh1/Partitions/1").await).await;
    assert!((&mut sending).now_or_never().is_none());
    assert_eq!(guard.struck(), 1);
    guard.heal();
    let outcome = tokio::time::timeout(PATIENCE, sending).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Accepted(_))), "{outcome:?}");
}

#[tokio::test]
async fn lost_outcomes_never_come_though_the_events_are_stored() {
    let (emulator, mut client, mut sender) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::lose_outcomes().partition(0));
    let mut sending = pin!(sender.send(batch(None, [event("x")])));
    tokio::select! {
        outcome = &mut sending => panic!("{outcome:?}"),
        () = async { guard.wait_for(1).await; emulator.wait_for_events("eh1", 1).await } => {}
    }
    guard.heal();
    accepted(&mut client.sender("eh1/Partitions/0").await).await;
    assert!((&mut sending).now_or_never().is_none());
    assert_eq!(emulator.event_count("eh1"), 2);
}

#[tokio::test]
async fn a_delayed_outcome_is_overtaken_and_still_comes() {
    let (emulator, mut client, mut sender) = started().await;
    let delay = Duration::from_millis(300);
    let guard = emulator
        .faults()
        .inject(Fault::delay_outcomes(delay).partition(0).times(1));
    let began = tokio::time::Instant::now();
    let mut sending = pin!(sender.send(batch(None, [event("x")])));
    tokio::select! {
        outcome = &mut sending => panic!("{outcome:?}"),
        () = emulator.wait_for_events("eh1", 1) => {}
    }
    accepted(&mut client.sender("eh1/Partitions/1").await).await;
    let outcome = tokio::time::timeout(PATIENCE, sending).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Accepted(_))), "{outcome:?}");
    assert!(began.elapsed() >= delay);
    assert_eq!(guard.struck(), 1);
}

#[tokio::test]
async fn a_connection_dropped_before_storing_loses_the_message_and_after_storing_keeps_it() {
    for (when, stored) in [(When::OnTransfer, 1), (When::AfterStoring, 2)] {
        let (emulator, mut client, mut sender) = started().await;
        // The first message passes.
        let guard = emulator
            .faults()
            .inject(Fault::drop_connection(when).senders().after(1).times(1));
        accepted(&mut sender).await;
        // `fe2o3-amqp` tells of the lost connection, and leaves the send pending.
        let closed = async {
            tokio::select! {
                outcome = sender.send(batch(None, [event("x")])) => outcome.map(drop).is_err(),
                closed = client.connection.on_close() => closed.is_err(),
            }
        };
        assert!(tokio::time::timeout(PATIENCE, closed).await.unwrap());
        assert_eq!(guard.struck(), 1);
        assert_eq!(emulator.event_count("eh1"), stored, "{when:?}");
        let mut again = Client::authorized(&emulator).await;
        accepted(&mut again.sender(PARTITION).await).await;
    }
}
