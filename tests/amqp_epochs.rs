//! Owner levels over AMQP: what the service says is told word by word.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::error::Error as _;
use std::num::NonZeroU32;

use amqp_support::{HUB, events, send, start};
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer, TransportReceiver};
use eventhubs_flow::{EpochConflict, Error, ErrorKind, EventHub, OwnershipLostReason, PartitionId};

const ONE: NonZeroU32 = NonZeroU32::MIN;

async fn open(
    hub: &EventHub,
    owner_level: Option<i64>,
    name: Option<&str>,
) -> Result<Box<dyn TransportReceiver>, Error> {
    let options = ReceiverOptions {
        owner_level,
        name: name.map(str::to_owned),
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    hub.consumer().open_receiver(options).await
}

fn conflict(holder: Option<&str>, holder_level: i64, own_level: Option<i64>) -> EpochConflict {
    EpochConflict {
        holder: holder.map(str::to_owned),
        holder_level: Some(holder_level),
        own_level,
    }
}

fn stolen(conflict: EpochConflict) -> ErrorKind {
    ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict))
}

#[tokio::test]
async fn an_equal_or_higher_level_displaces_the_holder_while_it_waits() {
    let (emulator, hub) = start().await;
    for level in [3, 7] {
        let mut old = open(&hub, Some(3), Some("old")).await.unwrap();
        let (lost, new) = tokio::join!(old.receive(ONE), open(&hub, Some(level), Some("new")));
        let lost = lost.unwrap_err();
        assert_eq!(lost.kind(), &stolen(conflict(Some("new"), level, Some(3))));
        let said = format!(
            "New receiver 'new' with higher epoch of '{level}' is created hence current receiver 'old' with epoch '3' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used."
        );
        assert!(lost.to_string().contains(&said), "{lost}");
        assert!(
            lost.source()
                .unwrap()
                .to_string()
                .starts_with("amqp:link:stolen: New receiver")
        );
        assert_eq!(old.receive(ONE).await.unwrap_err().kind(), lost.kind());

        let holders = emulator.receivers(HUB);
        assert_eq!(
            (holders.len(), holders[0].name.as_deref()),
            (1, Some("new"))
        );
        new.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_lower_level_is_refused_and_learns_the_holder() {
    let (_emulator, hub) = start().await;
    let mut holder = open(&hub, Some(1), Some("holder")).await.unwrap();
    let refused = open(&hub, Some(0), Some("late")).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::OwnershipRefused(conflict(Some("holder"), 1, Some(0)))
    );
    let said = "Receiver 'holder' with a higher epoch '1' already exists. Receiver 'late' with epoch 0 cannot be created.";
    assert!(refused.to_string().contains(said), "{refused}");

    send(&hub.producer(), 0, events(["a"]).into()).await;
    assert_eq!(holder.receive(ONE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_receiver_without_a_level_is_refused_beside_one_with_a_level() {
    let (_emulator, hub) = start().await;
    let mut holder = open(&hub, Some(0), None).await.unwrap();
    let refused = open(&hub, None, None).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::OwnershipRefused(conflict(None, 0, None))
    );
    let said = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";
    assert!(refused.to_string().contains(said), "{refused}");
    assert!(refused.source().unwrap().to_string().contains(said));

    send(&hub.producer(), 0, events(["a"]).into()).await;
    assert_eq!(holder.receive(ONE).await.unwrap().len(), 1);
}
