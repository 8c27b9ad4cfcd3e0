//! Who may read a partition: epochs over the wire, from two connections.

mod support;

use eventhubs_emulator::{Emulator, ReceiverInfo};
use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::RecvError;
use fe2o3_amqp::types::messaging::Data;
use support::*;

/// Condition and description of the detach that ends a receiver.
async fn end_of(receiver: &mut Receiver) -> (String, String) {
    let ended = tokio::time::timeout(PATIENCE, receiver.recv::<Data>())
        .await
        .unwrap();
    match ended {
        Err(RecvError::LinkStateError(
            fe2o3_amqp::link::LinkStateError::RemoteClosedWithError(error),
        )) => told(&error),
        other => panic!("the end was expected: {other:?}"),
    }
}

async fn two_clients() -> (Emulator, Client, Client) {
    let emulator = Emulator::start().await.unwrap();
    let first = Client::authorized(&emulator).await;
    let second = Client::authorized(&emulator).await;
    (emulator, first, second)
}

fn info(epoch: Option<i64>, name: Option<&str>) -> ReceiverInfoParts {
    (epoch, name.map(str::to_owned))
}

type ReceiverInfoParts = (Option<i64>, Option<String>);

fn holders(emulator: &Emulator) -> Vec<ReceiverInfoParts> {
    let parts = |receiver: ReceiverInfo| (receiver.epoch, receiver.name);
    emulator.receivers("eh1").into_iter().map(parts).collect()
}

#[tokio::test]
async fn a_higher_and_an_equal_epoch_steal_the_partition() {
    let (emulator, mut first, mut second) = two_clients().await;
    let mut old = first
        .receiver(0, ReceiverOptions::epoch(1).named("old"))
        .await;
    for epoch in [1, 2] {
        let new = second
            .receiver(0, ReceiverOptions::epoch(epoch).named("new"))
            .await;
        let (condition, text) = end_of(&mut old).await;
        assert_eq!(condition, "amqp:link:stolen");
        assert_eq!(
            untracked(&text),
            format!(
                "New receiver 'new' with higher epoch of '{epoch}' is created hence current receiver 'old' with epoch '1' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used."
            )
        );
        assert_eq!(holders(&emulator), [info(Some(epoch), Some("new"))]);
        new.close().await.unwrap();
        old = first
            .receiver(0, ReceiverOptions::epoch(1).named("old"))
            .await;
    }
}

#[tokio::test]
async fn a_lower_epoch_and_none_are_refused_with_the_services_texts() {
    let (emulator, mut first, mut second) = two_clients().await;
    let _holder = first.receiver(0, ReceiverOptions::epoch(1)).await;
    let (condition, text) = second
        .receiver_refusal(&receiver_address(0), ReceiverOptions::epoch(0))
        .await;
    assert_eq!(condition, "amqp:link:stolen");
    assert_eq!(
        untracked(&text),
        "Receiver 'nil' with a higher epoch '1' already exists. Receiver 'nil' with epoch 0 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected."
    );
    let (condition, text) = second
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    assert_eq!(condition, "amqp:link:stolen");
    assert_eq!(
        untracked(&text),
        "At least one receiver for the endpoint is created with epoch of '1', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."
    );
    assert_eq!(holders(&emulator), [info(Some(1), None)]);
}

#[tokio::test]
async fn a_refused_client_goes_on_and_the_holder_is_undisturbed() {
    let (_emulator, mut first, mut second) = two_clients().await;
    let mut holder = first.receiver(0, ReceiverOptions::epoch(0)).await;
    second
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    let mut sender = second.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, [event("still mine")])).await;
    assert_eq!(next_bodies(&mut holder, 1).await, ["still mine"]);
}

#[tokio::test]
async fn an_epoch_displaces_all_that_share_the_partition() {
    let (emulator, mut first, mut second) = two_clients().await;
    let mut sharing = Vec::new();
    for _ in 0..5 {
        sharing.push(first.receiver(0, ReceiverOptions::default()).await);
    }
    let _new = second.receiver(0, ReceiverOptions::epoch(0)).await;
    for receiver in &mut sharing {
        assert_eq!(end_of(receiver).await.0, "amqp:link:stolen");
    }
    assert_eq!(holders(&emulator), [info(Some(0), None)]);
}

#[tokio::test]
async fn five_share_a_partition_each_with_all_events_and_the_sixth_is_refused() {
    let (_emulator, mut first, mut second) = two_clients().await;
    let mut sharing = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        sharing.push(
            first
                .receiver(0, ReceiverOptions::default().named(name))
                .await,
        );
    }
    let (condition, text) = second
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    assert_eq!(condition, "amqp:resource-limit-exceeded");
    assert_eq!(
        untracked(&text),
        "Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5. List of connected receivers - a, b, c, d, e."
    );
    let mut sender = second.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, ["x", "y"].map(event))).await;
    for receiver in &mut sharing {
        assert_eq!(next_bodies(receiver, 2).await, ["x", "y"]);
    }
}

#[tokio::test]
async fn groups_and_partitions_are_apart() {
    let (emulator, mut first, mut second) = two_clients().await;
    let _holder = first.receiver(0, ReceiverOptions::epoch(5)).await;
    let _other_partition = second.receiver(1, ReceiverOptions::default()).await;
    let address = "eh1/ConsumerGroups/CG1/Partitions/0";
    let _other_group = second
        .try_receiver(address, ReceiverOptions::default())
        .await
        .unwrap();
    emulator.wait_for_receivers("eh1", 3).await;
    let (condition, text) = second
        .receiver_refusal(
            "eh1/ConsumerGroups/nobody/Partitions/0",
            ReceiverOptions::default(),
        )
        .await;
    assert_eq!(condition, "amqp:not-found");
    assert!(
        text.starts_with("The messaging entity '") && text.contains("' could not be found."),
        "{text}"
    );
}

#[tokio::test]
async fn a_closed_receiver_frees_its_place_at_once_and_a_lost_connection_soon() {
    let (emulator, mut first, mut second) = two_clients().await;
    let holder = first.receiver(0, ReceiverOptions::epoch(9)).await;
    holder.close().await.unwrap();
    let shared = second.receiver(0, ReceiverOptions::default()).await;
    shared.close().await.unwrap();
    let _holder = second.receiver(0, ReceiverOptions::epoch(9)).await;
    drop(second);
    // A place is free once the emulator has seen the connection go: ask until then.
    while !emulator.receivers("eh1").is_empty() {
        tokio::task::yield_now().await;
    }
    first.receiver(0, ReceiverOptions::default()).await;
}
