//! What handlers of received events tell a metrics recorder.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/metrics.rs"]
mod readings;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::ProcessConcurrently;
use eventhubs_flow::{ReceivedEvent, telemetry};
use futures::{FutureExt, StreamExt};
use gated::{End, Gated};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use scripted::{Script, Scripted};
use support::nonzero;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn open(limit: usize) -> (Script, Gated, ProcessConcurrently<Scripted>) {
    let (script, events) = Script::new();
    let gated = Gated::default();
    let outcomes = events.process_concurrently(nonzero(limit), gated.handler());
    (script, gated, outcomes)
}

/// Takes what has ended after so long.
async fn take_after(outcomes: &mut ProcessConcurrently<Scripted>, wait: Duration) -> usize {
    sleep(wait).await;
    let mut taken = 0;
    while let Some(Some(_)) = outcomes.next().now_or_never() {
        taken += 1;
    }
    sleep(Duration::from_nanos(1)).await;
    taken
}

#[tokio::test(start_paused = true)]
async fn each_handler_is_timed_by_its_partition_and_error() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (script, gated, mut outcomes) = open(5);
    script.events(0, 4);
    script.events(1, 1);
    script.fence(1);
    take_after(&mut outcomes, Duration::ZERO).await;
    sleep(2 * SECOND).await;
    for (number, end) in [End::Succeed, End::Succeed, End::Fail, End::Panic]
        .into_iter()
        .enumerate()
    {
        gated.end((0, number as i64), end);
    }
    gated.end((1, 0), End::Succeed);
    assert_eq!(take_after(&mut outcomes, SECOND).await, 5);

    let seen = Readings::take(&recorder.snapshotter());
    let timed = |partition, error: Option<&str>| {
        let labels = [
            (telemetry::SYSTEM, "eventhubs"),
            (telemetry::DESTINATION_PARTITION_ID, partition),
            (telemetry::OPERATION_NAME, "process"),
            (telemetry::ERROR_TYPE, error.unwrap_or_default()),
        ];
        let labels = &labels[..labels.len() - usize::from(error.is_none())];
        let values = seen.histogram(telemetry::PROCESS_DURATION, labels);
        // A timer counts in milliseconds; that nobody looked for a second does not.
        let is_as_long = |took: &f64| (2.0..2.1).contains(took);
        assert!(values.iter().all(is_as_long), "{values:?}");
        values.len()
    };
    assert_eq!((timed("0", None), timed("1", None)), (4, 1));
    assert_eq!(timed("0", Some("handler_failed")), 1);
    assert_eq!(timed("0", Some("panicked")), 1);
    assert_eq!(timed("1", Some("fenced")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_there_is_a_future_is_timed_too() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (script, events) = Script::new();
    script.events(0, 1);
    let handler = |event: Arc<ReceivedEvent>| {
        assert_ne!(event.sequence_number(), 0, "planted");
        async { Ok::<_, String>(()) }
    };
    let mut outcomes = events.process_concurrently(nonzero(1), handler);
    take_after(&mut outcomes, Duration::ZERO).await;
    assert_eq!(take_after(&mut outcomes, SECOND).await, 1);
    let seen = Readings::take(&recorder.snapshotter());
    let panicked = [(telemetry::ERROR_TYPE, "panicked")];
    let timed = seen.histogram(telemetry::PROCESS_DURATION, &panicked);
    assert_eq!(timed, [0.0]);
}

#[tokio::test(start_paused = true)]
async fn gauges_tell_who_runs_and_who_waits_until_all_are_gone() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    // What was read is set back to nothing: from then on only changes are seen.
    let (mut running, mut waiting) = (0.0, 0.0);
    let mut now = || {
        let seen = Readings::take(&recorder.snapshotter());
        running += seen.gauge(telemetry::PROCESS_RUNNING, &[]);
        waiting += seen.gauge(telemetry::PROCESS_WAITING, &[]);
        (running, waiting)
    };
    let (script, gated, mut outcomes) = open(2);
    script.events(0, 3);
    script.events(1, 1);
    take_after(&mut outcomes, Duration::ZERO).await;
    assert_eq!(now(), (2.0, 2.0));
    gated.end((0, 0), End::Succeed);
    assert_eq!(take_after(&mut outcomes, SECOND).await, 1);
    assert_eq!(now(), (2.0, 1.0));
    // A loss takes the waiting one, and a drop what runs.
    script.lose(1);
    assert_eq!(take_after(&mut outcomes, SECOND).await, 1);
    assert_eq!(now(), (2.0, 0.0));
    script.events(0, 2);
    take_after(&mut outcomes, SECOND).await;
    assert_eq!(now(), (2.0, 2.0));
    drop(outcomes);
    sleep(SECOND).await;
    assert_eq!(now(), (0.0, 0.0));

    let (script, _gated, mut outcomes) = open(1);
    script.events(0, 2);
    take_after(&mut outcomes, SECOND).await;
    assert_eq!(now(), (1.0, 1.0));
    let report = outcomes.close_within(SECOND).await;
    assert_eq!(report.aborted, 2);
    assert_eq!(now(), (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_counted_once() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (script, gated, mut outcomes) = open(2);
    script.events(3, 2);
    take_after(&mut outcomes, SECOND).await;
    gated.end((3, 0), End::Succeed);
    assert_eq!(take_after(&mut outcomes, 58 * SECOND).await, 1);
    let partition = [(telemetry::DESTINATION_PARTITION_ID, "3")];
    let slow = || Readings::take(&recorder.snapshotter());
    assert_eq!(slow().counter(telemetry::PROCESS_SLOW, &partition), 0);
    take_after(&mut outcomes, 600 * SECOND).await;
    assert_eq!(slow().counter(telemetry::PROCESS_SLOW, &partition), 1);
}
