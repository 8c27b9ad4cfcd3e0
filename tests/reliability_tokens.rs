//! The reliability bar, as far as tokens go: each fault by its row, struck and survived.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, batch, bounded, connect_with, events, partition, receive, stored};
use eventhubs_emulator::{Emulator, Fault, FaultGuard, When};
use eventhubs_flow::producer::buffered::{BufferedProducerOptions, UndeliveredReason};
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer, TransportProducer};
use eventhubs_flow::{ErrorKind, EventHub, EventHubOptions, PartitionId};
use futures::future::join_all;
use oracle::{Load, copies};
use support::nonzero;
use tokio::time::{Instant, timeout};

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

const SOON: Duration = Duration::from_millis(20);

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// The life of a token; it is renewed after four fifths of that.
const LIFE: Duration = Duration::from_secs(2);

fn options() -> EventHubOptions {
    EventHubOptions::default()
        .with_token_life(LIFE)
        .with_reconnect_backoff(SOON, SOON)
}

async fn open(hub: &EventHub) -> Load {
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(10))
        .with_linger(None)
        .with_retry_backoff(SOON, SOON);
    Load::open(Arc::new(hub.producer()), options).await
}

/// Counts the tokens that are taken.
fn count_tokens(emulator: &Emulator) -> FaultGuard {
    let faults = emulator.faults();
    faults.inject(Fault::delay_tokens(Duration::ZERO))
}

/// Sends until a fault has struck so often; everything must be delivered.
async fn send_until(load: &mut Load, struck: &FaultGuard, times: u64) {
    let striking = async {
        while struck.struck() < times {
            load.send_each(&KEYS, 2).await;
            assert_eq!(load.settle().await, 0, "{:?}", load.undelivered()[0]);
        }
    };
    bounded(striking).await;
}

#[tokio::test]
async fn row_21_tokens_are_renewed_before_they_expire_and_nobody_notices() {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect_with(&emulator, options()).await;
    let since = Instant::now();
    let consumer = hub.consumer();
    let from_first = ReceiverOptions::new(PartitionId::new(0));
    let mut receiver = consumer.open_receiver(from_first).await.unwrap();
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 1).await;
    assert_eq!(load.settle().await, 0);
    let before = emulator.connections();
    let renewed = count_tokens(&emulator);
    send_until(&mut load, &renewed, 3).await;
    assert!(since.elapsed() > 2 * LIFE, "the first tokens have expired");
    let after = emulator.connections();
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    let stored = emulator.received(HUB);
    let here = stored.iter().filter(|event| event.partition == 0).count();
    receive(&mut receiver, here).await.unwrap();
    let names = |connections: &[eventhubs_emulator::ConnectionInfo]| {
        let links = connections.iter().flat_map(|connection| &connection.links);
        links.map(|link| link.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&after), names(&before), "the same links");
    assert_eq!(emulator.metrics().user_errors, 0);
}

#[tokio::test]
async fn row_22_a_renewal_that_fails_is_tried_again_while_the_token_is_good() {
    let emulator = Emulator::start().await.unwrap();
    // A fifth of its life is left for a try that is refused and one that is ignored,
    // and each try has what a busy machine needs to connect.
    let life = Duration::from_secs(8);
    let options = options().with_token_life(life);
    let options = options.with_try_timeout(Duration::from_secs(1));
    let hub = connect_with(&emulator, options).await;
    let mut load = open(&hub).await;
    let refused = emulator
        .faults()
        .inject(Fault::refuse_tokens(500, "Oops.").times(1));
    let ignored = emulator.faults().inject(Fault::ignore_tokens().times(1));
    let renewed = count_tokens(&emulator);
    // The second one comes after the life of the first token.
    send_until(&mut load, &renewed, 2).await;
    assert_eq!((refused.struck(), ignored.struck()), (1, 1));
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_22_when_no_renewal_succeeds_the_error_is_clear_and_the_next_one_heals_it() {
    let emulator = Emulator::start().await.unwrap();
    let second = Duration::from_secs(1);
    let options = options().with_reconnect_backoff(second, second);
    let hub = connect_with(&emulator, options).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let refused = emulator
        .faults()
        .inject(Fault::refuse_tokens(401, "InvalidSignature"));
    let expiring = async {
        while load.settle().await == 0 {
            load.send("a").await;
        }
    };
    bounded(expiring).await;
    // What was under way when the token expired may be stored; what comes after it is not.
    let (_, undelivered) = &load.undelivered()[0];
    assert_eq!(undelivered.error.kind(), &ErrorKind::Unauthorized);
    let late = load.send("a").await;
    load.settle().await;
    let (name, undelivered) = load.undelivered().last().unwrap();
    assert_eq!(
        (name, undelivered.reason),
        (&late, UndeliveredReason::Rejected)
    );
    let told = undelivered.error.to_string();
    assert!(told.contains("Unauthorized access"), "{told}");
    assert!(
        told.contains("not renewed: $cbs refused: InvalidSignature"),
        "{told}"
    );
    assert_eq!(copies(&stored(&emulator), &late), 0);
    // No storm: ten attempts before it expired, and some as the backoff lets them.
    assert!(refused.struck() <= 12, "{}", refused.struck());
    let renewed = count_tokens(&emulator);
    refused.heal();
    bounded(renewed.wait_for(1)).await;
    load.finish(|| stored(&emulator)).await;
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_22_tokens_are_renewed_though_their_session_ended() {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect_with(&emulator, options()).await;
    let mut load = open(&hub).await;
    let ended = Fault::end_session(When::Now, "amqp:internal-error", "Oops.").cbs();
    let ended = emulator.faults().inject(ended.times(1));
    bounded(ended.wait_for(1)).await;
    let renewed = count_tokens(&emulator);
    send_until(&mut load, &renewed, 2).await;
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_23_a_wrong_key_is_refused_at_once() {
    let emulator = Emulator::start().await.unwrap();
    let right = emulator.connection_string_for(HUB);
    let wrong = right.replace("SharedAccessKey=", "SharedAccessKey=not");
    assert_ne!(right, wrong);
    let connecting = timeout(PROMPT, EventHub::connect(&wrong)).await;
    let error = connecting.expect("told at once").unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthorized, "{error}");
    assert!(!error.is_retryable());
    assert_eq!(emulator.metrics().connections_opened, 1);
}

#[tokio::test]
async fn row_23_credentials_that_are_refused_fail_every_waiter_at_once_and_without_a_storm() {
    let emulator = Emulator::start().await.unwrap();
    // A random part of ages: no second attempt within this test.
    let ages = Duration::from_secs(u32::MAX.into());
    let options = EventHubOptions::default().with_reconnect_backoff(ages, ages);
    let hub = connect_with(&emulator, options).await;
    let refused = Fault::refuse_tokens(401, "InvalidSignature");
    let refused = emulator.faults().inject(refused);
    emulator.suspend().await;
    emulator.resume().await.unwrap();

    let producer = hub.producer();
    let waiters = (0..20).map(|number| {
        let sent = producer.send_batch(batch(partition(number % 4), events(["a"])));
        timeout(PROMPT, sent)
    });
    let late = producer.send_batch(batch(partition(0), events(["a"])));
    let mut sent = join_all(waiters).await;
    sent.push(timeout(PROMPT, late).await);
    for sent in sent {
        let error = sent.expect("told at once").unwrap_err().error;
        assert_eq!(error.kind(), &ErrorKind::Unauthorized, "{error}");
        assert!(error.to_string().contains("InvalidSignature"), "{error}");
    }
    assert_eq!(refused.struck(), 1, "asked once");
}

#[tokio::test]
async fn row_23_events_under_way_are_rejected_once_and_later_ones_go_when_the_key_is_right() {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect_with(&emulator, options()).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let refused = Fault::refuse_tokens(401, "InvalidSignature");
    let refused = emulator.faults().inject(refused);
    emulator.suspend().await;
    emulator.resume().await.unwrap();
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 80);
    for (_, undelivered) in load.undelivered() {
        assert_eq!(undelivered.reason, UndeliveredReason::Rejected);
        assert_eq!(undelivered.error.kind(), &ErrorKind::Unauthorized);
    }
    assert!(
        (1..=8).contains(&refused.struck()),
        "one for each batch at most"
    );
    refused.heal();
    // The backoff of the last refusal goes by first.
    let healed = async { while hub.properties().await.is_err() {} };
    bounded(healed).await;
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!((counts.rejected, counts.delivered), (80, 88));
}
