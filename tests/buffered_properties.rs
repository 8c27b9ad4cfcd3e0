//! What holds for a `BufferedProducer` whatever is asked of it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, EventOutcome, OnFailure, OverflowPolicy,
    PartitionGrowth,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use futures::{FutureExt, StreamExt};
use proptest::prelude::*;
use support::nonzero;

#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        partition: Option<u32>,
        size: usize,
    },
    /// Starts to wait for room, and gives up.
    GiveUp {
        partition: Option<u32>,
        size: usize,
    },
    Reserve {
        partition: u32,
        size: usize,
    },
    DropPermit,
    UsePermit,
    Fail {
        fate_unknown: bool,
        retryable: bool,
    },
    ResumePartitions,
    Grow,
    Pause,
    Resume,
    Flush,
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let partition = proptest::option::of(0u32..3);
    let size = 0usize..400;
    prop_oneof![
        8 => (partition.clone(), size.clone())
            .prop_map(|(partition, size)| Step::Enqueue { partition, size }),
        2 => (partition, size.clone())
            .prop_map(|(partition, size)| Step::GiveUp { partition, size }),
        2 => (0u32..3, size).prop_map(|(partition, size)| Step::Reserve { partition, size }),
        1 => Just(Step::DropPermit),
        2 => Just(Step::UsePermit),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(fate_unknown, retryable)| Step::Fail { fate_unknown, retryable }),
        1 => Just(Step::ResumePartitions),
        1 => Just(Step::Grow),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Flush),
        2 => (0u64..100).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// How the producer is set up.
#[derive(Debug, Clone, Copy)]
struct Setup {
    overflow: OverflowPolicy,
    on_failure: OnFailure,
    growth: PartitionGrowth,
    deadline: Option<Duration>,
    in_flight: usize,
}

impl Setup {
    /// Whether an accepted event is held until it was sent.
    fn holds(&self) -> bool {
        self.overflow != OverflowPolicy::DropOldest && self.deadline.is_none()
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    (
        prop_oneof![
            Just(OverflowPolicy::Wait),
            Just(OverflowPolicy::Reject),
            Just(OverflowPolicy::DropOldest)
        ],
        prop_oneof![Just(OnFailure::Continue), Just(OnFailure::HaltPartition)],
        prop_oneof![
            Just(PartitionGrowth::KeepKeys),
            Just(PartitionGrowth::Rehash)
        ],
        proptest::option::of((1u64..200).prop_map(Duration::from_millis)),
        prop_oneof![Just(1usize), Just(3)],
    )
        .prop_map(
            |(overflow, on_failure, growth, deadline, in_flight)| Setup {
                overflow,
                on_failure,
                growth,
                deadline,
                in_flight,
            },
        )
}

/// An event whose body begins with its number.
fn event(number: u64, partition: Option<u32>, size: usize) -> EventData {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(body.len() + size, 0);
    let event = EventData::new(body);
    match partition {
        Some(partition) => event.with_target(PartitionId::new(partition)),
        None => event,
    }
}

fn number(body: &[u8]) -> u64 {
    u64::from_be_bytes(body[..8].try_into().expect("eight bytes"))
}

const PARTITION_EVENTS: usize = 6;
const PARTITION_BYTES: usize = 2000;
const TOTAL_BYTES: usize = 4000;

async fn run(setup: Setup, steps: Vec<Step>) {
    let hub = MemoryHub::new(3);
    let options = BufferedProducerOptions::default()
        .with_overflow(setup.overflow)
        .with_on_failure(setup.on_failure)
        .with_partition_growth(setup.growth)
        .with_discovery_interval(Duration::from_millis(50))
        .with_deadline(setup.deadline)
        .with_max_in_flight_per_partition(nonzero(setup.in_flight))
        .with_outcome_stream(nonzero(1000))
        .with_max_events_per_partition(nonzero(PARTITION_EVENTS))
        .with_max_bytes_per_partition(nonzero(PARTITION_BYTES))
        .with_max_bytes(nonzero(TOTAL_BYTES));
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let outcomes = producer.outcomes().expect("asked for");
    let mut failed_once = false;
    let mut accepted = Vec::new();
    let mut deliveries = Vec::new();
    let mut permits = Vec::new();
    let mut reported = 0;
    let mut stalled_bytes = None;
    for (next, step) in (0u64..).zip(steps) {
        match step {
            Step::Enqueue { partition, size } => {
                let event = event(next, partition, size);
                let cost = event.encoded_size() + 128;
                if let Ok(delivery) = producer.try_send(event) {
                    accepted.push(next);
                    deliveries.push((next, delivery));
                    if let Some(bytes) = stalled_bytes.as_mut().filter(|_| setup.holds()) {
                        *bytes += cost;
                        assert!(*bytes <= TOTAL_BYTES, "{bytes} bytes are held");
                    }
                }
            }
            Step::GiveUp { partition, size } => {
                let waited = producer
                    .enqueue(event(next, partition, size))
                    .now_or_never();
                if let Some(Ok(())) = waited {
                    accepted.push(next);
                }
            }
            Step::Reserve { partition, size } => {
                let target = PartitionId::new(partition).into();
                let reserve = producer.reserve(&target, 24 + size);
                if let Some(Ok(permit)) = reserve.now_or_never() {
                    permits.push((permit, partition, size));
                }
            }
            Step::DropPermit => drop(permits.pop()),
            Step::UsePermit => {
                if let Some((permit, partition, size)) = permits.pop() {
                    let event = event(next, Some(partition), size.saturating_sub(8));
                    permit.enqueue(event).expect("fits its permit");
                    accepted.push(next);
                }
            }
            Step::ResumePartitions => resume_all(&producer),
            Step::Grow => hub.set_partition_count(5),
            Step::Fail {
                fate_unknown,
                retryable,
            } => {
                failed_once = true;
                let kind = match retryable {
                    true => ErrorKind::Disconnected,
                    false => ErrorKind::NotFound,
                };
                let error = Error::new(kind, "planted");
                hub.fail_next(
                    1,
                    if fate_unknown {
                        error.with_unknown_fate()
                    } else {
                        error
                    },
                );
            }
            Step::Pause => {
                hub.pause();
                stalled_bytes.get_or_insert(0);
            }
            Step::Resume => {
                hub.resume();
                stalled_bytes = None;
            }
            Step::Flush => {
                let report = producer.flush(Duration::from_millis(10)).await;
                reported += report.delivered + report.failed;
            }
            Step::Wait { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    drop(permits);
    hub.resume();
    // What was planted and has not struck.
    hub.fail_next(0, Error::new(ErrorKind::Disconnected, "never"));
    loop {
        // What was planted may have halted a partition meanwhile.
        resume_all(&producer);
        let last = producer.flush(Duration::from_secs(1)).await;
        reported += last.delivered + last.failed;
        if last.pending == 0 {
            break;
        }
    }
    assert_eq!(reported, accepted.len() as u64);
    // All the room came back: the bound of one partition can be used up again.
    for _ in 0..PARTITION_EVENTS {
        producer
            .try_enqueue(event(u64::MAX, Some(0), 0))
            .expect("room came back");
    }
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.accepted, (accepted.len() + PARTITION_EVENTS) as u64);
    let sums = [
        report.delivered,
        report.rejected,
        report.failed,
        report.expired,
        report.unknown,
        report.dropped,
        report.returned,
    ];
    assert_eq!(sums.iter().sum::<u64>(), report.accepted);
    // The stream tells the same.
    assert_eq!(outcomes.lost().delivered + outcomes.lost().undelivered, 0);
    let (mut delivered, mut undelivered) = (0, 0);
    for outcome in outcomes.collect::<Vec<_>>().await {
        match outcome {
            EventOutcome::Delivered { events, .. } => delivered += events as u64,
            _ => undelivered += 1,
        }
    }
    assert_eq!(delivered, report.delivered);
    assert_eq!(undelivered, report.accepted - report.delivered);

    // What is stored was accepted, once, and in order in each partition unless a
    // batch was sent again behind others.
    let is_ordered = setup.in_flight == 1 || !failed_once;
    let stored = hub.received();
    assert_eq!(stored.len() as u64, report.delivered);
    let mut last_in = [None; 5];
    let mut seen = std::collections::HashSet::new();
    for event in stored
        .iter()
        .filter(|event| number(event.body()) != u64::MAX)
    {
        let number = number(event.body());
        assert!(accepted.contains(&number) && seen.insert(number));
        let last = &mut last_in[event.partition().number() as usize];
        assert!(
            !is_ordered || last.is_none_or(|last| last < number),
            "out of order"
        );
        *last = Some(number);
    }
    // Deliveries agree with what is stored.
    for (number, delivery) in deliveries {
        let delivered = delivery.await.is_ok();
        assert_eq!(delivered, seen.contains(&number));
    }
}

fn resume_all(producer: &BufferedProducer) {
    for partition in producer.halted() {
        assert!(producer.resume(partition));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn outcomes_order_and_room_are_conserved(
        setup in setup(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(async {
                let hour = Duration::from_secs(3600);
                let run = tokio::time::timeout(hour, run(setup, steps));
                run.await.expect("it ends");
            });
    }
}
