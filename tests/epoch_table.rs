//! The whole table of who displaces whom, for each policy, over AMQP.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::time::Duration;

use amqp_support::{HUB, bounded, events, send};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportReceiver,
};
use eventhubs_flow::{Error, ErrorKind, EventHub, PartitionId};
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};

const TAKE_OVER: EpochPolicy = EpochPolicy::TakeOver { level: 5 };
const ESCALATE: EpochPolicy = EpochPolicy::Escalate { from: 3, max: 7 };
const WAIT: EpochPolicy = EpochPolicy::WaitForRelease {
    level: 5,
    timeout: Duration::from_millis(300),
};
const NON_EPOCH: EpochPolicy = EpochPolicy::NonEpoch;

/// What becomes of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    Reads(Option<i64>),
    Refused,
    Lost,
    /// More than five without a level.
    TooMany,
}

/// What becomes of the other receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Undisturbed,
    Displaced,
    /// Not let in at all.
    KeptOut,
}

use Others::{Displaced, KeptOut, Undisturbed};
use Ours::{Lost, Reads, Refused, TooMany};

struct Place {
    // Dropped last.
    hub: EventHub,
    emulator: Emulator,
}

impl Place {
    async fn new() -> Self {
        let hub = HubConfig::new(HUB).with_partitions(1);
        let emulator = Emulator::builder().hub(hub).start().await.unwrap();
        let hub = amqp_support::connect(&emulator).await;
        Self { hub, emulator }
    }

    async fn intrude(&self, level: Option<i64>) -> Result<Box<dyn TransportReceiver>, Error> {
        let options = ReceiverOptions {
            owner_level: level,
            ..ReceiverOptions::new(PartitionId::new(0))
        };
        self.hub.consumer().open_receiver(options).await
    }

    async fn open(&self, policy: EpochPolicy) -> EpochSafeConsumer {
        let options = EpochSafeConsumerOptions::default()
            .with_position(StartPosition::Earliest)
            .with_policy(policy);
        self.hub.epoch_safe_consumer(options).await.unwrap()
    }

    /// What comes of ours next: an event that is sent now, or its end.
    async fn fate(&self, ours: &mut EpochSafeConsumer) -> Ours {
        send(&self.hub.producer(), 0, events(["event"]).into()).await;
        let item = bounded(ours.next()).await.unwrap();
        match item.map_err(|error| error.kind().clone()) {
            Ok(_) => Reads(ours.handle().snapshot().partitions[0].owner_level),
            Err(ErrorKind::OwnershipRefused(_)) => Refused,
            Err(ErrorKind::OwnershipLost(_)) => Lost,
            Err(ErrorKind::QuotaExceeded) => TooMany,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The service tells the displaced before it lets the newcomer in.
fn fate_of(others: &mut [Box<dyn TransportReceiver>]) -> Others {
    let ended = |other: &mut Box<dyn TransportReceiver>| other.ended().now_or_never();
    let ended: Vec<_> = others.iter_mut().filter_map(ended).collect();
    match ended.len() {
        0 => Undisturbed,
        all if all == others.len() => Displaced,
        some => panic!("{some} of {} displaced: {ended:?}", others.len()),
    }
}

async fn check_opening(policy: EpochPolicy, there: &[Option<i64>], expected: (Ours, Others)) {
    let place = Place::new().await;
    let mut others = Vec::new();
    for level in there {
        others.push(place.intrude(*level).await.unwrap());
    }
    let mut ours = place.open(policy).await;
    let found = place.fate(&mut ours).await;
    let of_ours = i64::from(matches!(found, Reads(_)));
    let left = match expected.1 {
        Displaced => of_ours,
        _ => of_ours + others.len() as i64,
    };
    // A displaced link is gone once its client knows.
    bounded(
        place
            .emulator
            .wait_until(|emulator| emulator.receivers(HUB).len() as i64 == left),
    )
    .await;
    let found = (found, fate_of(&mut others));
    assert_eq!(found, expected, "{policy:?} meets {there:?}");
}

#[tokio::test]
async fn what_each_policy_meets_when_it_opens() {
    let none = &[][..];
    let one = &[None][..];
    let five = &[None; 5][..];
    let (lower, equal, higher) = (&[Some(2)][..], &[Some(5)][..], &[Some(9)][..]);
    let rows = [
        (TAKE_OVER, none, (Reads(Some(5)), Undisturbed)),
        (TAKE_OVER, one, (Reads(Some(5)), Displaced)),
        (TAKE_OVER, five, (Reads(Some(5)), Displaced)),
        (TAKE_OVER, lower, (Reads(Some(5)), Displaced)),
        (TAKE_OVER, equal, (Reads(Some(5)), Displaced)),
        (TAKE_OVER, higher, (Refused, Undisturbed)),
        (ESCALATE, none, (Reads(Some(3)), Undisturbed)),
        (ESCALATE, one, (Reads(Some(3)), Displaced)),
        (ESCALATE, five, (Reads(Some(3)), Displaced)),
        (ESCALATE, lower, (Reads(Some(3)), Displaced)),
        (ESCALATE, equal, (Reads(Some(5)), Displaced)),
        (ESCALATE, higher, (Refused, Undisturbed)),
        (WAIT, none, (Reads(Some(5)), Undisturbed)),
        (WAIT, one, (Reads(Some(5)), Displaced)),
        (WAIT, five, (Reads(Some(5)), Displaced)),
        (WAIT, lower, (Refused, Undisturbed)),
        (WAIT, equal, (Refused, Undisturbed)),
        (WAIT, higher, (Refused, Undisturbed)),
        (NON_EPOCH, none, (Reads(None), Undisturbed)),
        (NON_EPOCH, one, (Reads(None), Undisturbed)),
        (NON_EPOCH, five, (TooMany, Undisturbed)),
        (NON_EPOCH, lower, (Refused, Undisturbed)),
        (NON_EPOCH, equal, (Refused, Undisturbed)),
        (NON_EPOCH, higher, (Refused, Undisturbed)),
    ];
    // Boxed: all of them are more than a test's stack.
    let checks =
        rows.map(|(policy, there, expected)| Box::pin(check_opening(policy, there, expected)));
    join_all(checks).await;
}

async fn check_newcomer(policy: EpochPolicy, level: Option<i64>, expected: (Ours, Others)) {
    let place = Place::new().await;
    let mut ours = place.open(policy).await;
    place.fate(&mut ours).await;
    let newcomer = place.intrude(level).await;
    let found = place.fate(&mut ours).await;
    let newcomer = match newcomer {
        Ok(newcomer) => fate_of(&mut [newcomer]),
        Err(_) => KeptOut,
    };
    assert_eq!(
        (found, newcomer),
        expected,
        "a newcomer at {level:?} meets {policy:?}"
    );
}

#[tokio::test]
async fn what_a_newcomer_does_to_each_policy() {
    let rows = [
        (TAKE_OVER, None, (Reads(Some(5)), KeptOut)),
        (TAKE_OVER, Some(1), (Reads(Some(5)), KeptOut)),
        (TAKE_OVER, Some(5), (Lost, Undisturbed)),
        (TAKE_OVER, Some(9), (Lost, Undisturbed)),
        (ESCALATE, None, (Reads(Some(3)), KeptOut)),
        (ESCALATE, Some(1), (Reads(Some(3)), KeptOut)),
        (ESCALATE, Some(3), (Reads(Some(4)), Displaced)),
        (ESCALATE, Some(6), (Reads(Some(7)), Displaced)),
        (ESCALATE, Some(7), (Lost, Undisturbed)),
        (ESCALATE, Some(9), (Lost, Undisturbed)),
        (WAIT, None, (Reads(Some(5)), KeptOut)),
        (WAIT, Some(1), (Reads(Some(5)), KeptOut)),
        (WAIT, Some(5), (Lost, Undisturbed)),
        (WAIT, Some(9), (Lost, Undisturbed)),
        (NON_EPOCH, None, (Reads(None), Undisturbed)),
        (NON_EPOCH, Some(0), (Lost, Undisturbed)),
    ];
    let checks =
        rows.map(|(policy, level, expected)| Box::pin(check_newcomer(policy, level, expected)));
    join_all(checks).await;
}
