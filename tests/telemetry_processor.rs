//! What processes that share a hub tell of themselves.

#[path = "support/processing.rs"]
mod processing;
#[path = "support/metrics.rs"]
mod readings;

use std::time::Duration;

use eventhubs_flow::consumer::checkpoint::MemoryStore;
use eventhubs_flow::consumer::processor::{EventProcessorOptions, OwnershipState};
use eventhubs_flow::telemetry;
use eventhubs_flow::transport::memory::MemoryHub;
use metrics_util::debugging::DebuggingRecorder;
use processing::{CYCLE, EXPIRY, Process, SharedLog};
use readings::Readings;
use tokio::time::sleep;

fn same(options: EventProcessorOptions) -> EventProcessorOptions {
    options
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_tells_who_owns_what_since_when() {
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let log = SharedLog::default();
    let first = Process::start(0, &hub, &store, &log, same).await;
    sleep(Duration::from_secs(5)).await;
    let second = Process::start(1, &hub, &store, &log, same).await;
    sleep(3 * CYCLE).await;
    let (of_first, of_second) = (first.handle.snapshot(), second.handle.snapshot());
    assert_ne!(of_first.owner, of_second.owner);
    for (one, other) in [(&of_first, &of_second), (&of_second, &of_first)] {
        let mine = one
            .partitions
            .iter()
            .find(|it| it.state == OwnershipState::Owned);
        let mine = mine.expect("one each");
        assert_eq!(mine.owner.as_deref(), Some(&*one.owner));
        let seen = other
            .partitions
            .iter()
            .find(|it| it.partition == mine.partition);
        let seen = seen.expect("all are told");
        assert_eq!(seen.state, OwnershipState::Elsewhere);
        assert_eq!(
            (&seen.owner, seen.generation),
            (&mine.owner, mine.generation)
        );
        let apart = mine.since.unwrap().abs_diff(seen.since.unwrap());
        assert!(apart <= CYCLE, "{mine:?} {seen:?}");
        assert!(mine.renewed.unwrap() <= CYCLE);
    }
    assert_eq!((of_first.counts.claims, of_first.counts.stolen), (2, 1));
    assert_eq!(
        (of_second.counts.steals, of_second.counts.late_renewals),
        (1, 0)
    );
    assert!(of_first.last_seen.unwrap() <= CYCLE);
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_claims_losses_and_time_without_an_owner() {
    const LABELS: [(&str, &str); 3] = [
        (telemetry::SYSTEM, "eventhubs"),
        (telemetry::DESTINATION_NAME, "memory"),
        (telemetry::CONSUMER_GROUP_NAME, "$Default"),
    ];
    let with = |label, value| {
        LABELS
            .into_iter()
            .chain([(label, value)])
            .collect::<Vec<_>>()
    };
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let log = SharedLog::default();
    let first = Process::start(0, &hub, &store, &log, same).await;
    sleep(CYCLE).await;
    let second = Process::start(1, &hub, &store, &log, same).await;
    sleep(3 * CYCLE).await;
    first.cut_off();
    sleep(EXPIRY + 2 * CYCLE).await;
    second.stop().await;

    let seen = Readings::take(&recorder.snapshotter());
    let claims = |from| seen.counter(telemetry::CLAIMS, &with(telemetry::CLAIMED_FROM, from));
    assert_eq!(
        (claims("unowned"), claims("stolen"), claims("expired")),
        (2, 1, 1)
    );
    let losses = |by| seen.counter(telemetry::LOSSES, &with(telemetry::LOST_BY, by));
    assert_eq!((losses("stolen"), losses("lapsed")), (1, 1));
    assert_eq!(seen.gauge(telemetry::OWNED_PARTITIONS, &LABELS), 0.0);
    assert_eq!(seen.gauge(telemetry::UNOWNED_PARTITIONS, &LABELS), 0.0);
    let unowned = seen.histogram(telemetry::UNOWNED_TIME, &LABELS);
    assert_eq!(unowned.len(), 3, "{unowned:?}");
    assert!(
        unowned.iter().all(|time| *time <= CYCLE.as_secs_f64()),
        "{unowned:?}"
    );
}
