//! How handlers that run beside each other come to an end.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::{ProcessConcurrently, ProcessError, ProcessReport};
use eventhubs_flow::{Error, ErrorKind, ReceivedEvent};
use futures::{FutureExt, StreamExt};
use gated::{End, Gated};
use scripted::{Call, Place, Script, Scripted, place};
use support::nonzero;
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

type Outcomes = ProcessConcurrently<Scripted>;

/// With these many events of partition 0 read, and as many handlers as may run.
async fn open(limit: usize, events: usize) -> (Script, Gated, Outcomes) {
    let (script, stream) = Script::new();
    let gated = Gated::default();
    let mut outcomes = stream.process_concurrently(nonzero(limit), gated.handler());
    script.events(0, events);
    assert!(outcomes.next().now_or_never().is_none(), "none ended");
    settle().await;
    (script, gated, outcomes)
}

/// What must not take for ever.
async fn soon<T>(done: impl Future<Output = T>) -> T {
    let done = timeout(3600 * SECOND, done).await;
    done.expect("it does not hang")
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

fn events_of(report: &ProcessReport) -> Vec<Place> {
    let events = report.errors.iter().filter_map(ProcessError::event);
    events.map(|event| place(event)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_close_stops_lets_all_held_handlers_end_acknowledges_and_then_closes_below() {
    let (script, gated, outcomes) = open(1, 2).await;
    script.events(0, 5);
    let closing = tokio::spawn(outcomes.close());
    settle().await;
    assert_eq!(script.calls(), [Call::Stop]);
    for number in 0..2 {
        gated.end((0, number), End::Succeed);
        settle().await;
    }
    let report = soon(closing).await.expect("closed");
    let ack = |number| Call::Ack((0, number));
    assert_eq!(script.calls(), [Call::Stop, ack(0), ack(1), Call::Close]);
    assert_eq!(script.yielded().len(), 2, "nothing more is read");
    assert_eq!((report.handled, report.errors.len()), (2, 0));
    report.into_result().expect("all is well");
}

#[tokio::test(start_paused = true)]
async fn a_close_reports_what_failed_and_why_the_stream_below_did_not_close() {
    let (script, gated, outcomes) = open(3, 3).await;
    script.fail_close(Error::new(ErrorKind::StoreUnavailable, "planted"));
    gated.end((0, 0), End::Fail);
    gated.end((0, 1), End::Panic);
    gated.end((0, 2), End::Succeed);
    let report = soon(outcomes.close()).await;
    assert_eq!((report.failed, report.panicked, report.handled), (1, 1, 1));
    assert_eq!(report.errors.len(), 2);
    let error = report.close_error.as_ref().expect("it failed");
    assert_eq!(*error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(script.acks(), [(0, 2)]);
    let report = report.into_result().expect_err("not all is well");
    let mut kept = events_of(&report);
    kept.sort_unstable();
    assert_eq!(kept, [(0, 0), (0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_was_taken_is_not_in_the_report() {
    let (_script, gated, mut outcomes) = open(2, 2).await;
    gated.end((0, 0), End::Fail);
    settle().await;
    let failed = outcomes.next().now_or_never().flatten();
    assert!(matches!(failed, Some(Err(ProcessError::Failed { .. }))));
    gated.end((0, 1), End::Succeed);
    let report = soon(outcomes.close()).await;
    assert_eq!((report.failed, report.handled), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_close_with_a_deadline_aborts_what_runs_and_starts_no_more() {
    let (script, gated, outcomes) = open(2, 4).await;
    let closing = tokio::spawn(outcomes.close_within(SECOND));
    settle().await;
    gated.end((0, 0), End::Succeed);
    let begun = Instant::now();
    let report = soon(closing).await.expect("closed");
    assert!(begun.elapsed() <= SECOND, "{:?}", begun.elapsed());
    assert_eq!((report.handled, report.aborted), (1, 3));
    let mut aborted = events_of(&report);
    aborted.sort_unstable();
    assert_eq!(aborted, [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(gated.running(), [], "none goes on");
    assert_eq!(gated.started(), [(0, 0), (0, 1), (0, 2)]);
    let calls = [Call::Stop, Call::Ack((0, 0)), Call::Close];
    assert_eq!(script.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_not_needed_costs_no_time() {
    let (_script, gated, outcomes) = open(1, 2).await;
    let closing = tokio::spawn(outcomes.close_within(Duration::MAX));
    for number in 0..2 {
        settle().await;
        gated.end((0, number), End::Succeed);
    }
    let report = soon(closing).await.expect("closed");
    assert_eq!((report.handled, report.aborted), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_lost_while_closing_costs_its_waiting_events() {
    let (script, gated, outcomes) = open(1, 2).await;
    let closing = tokio::spawn(outcomes.close());
    settle().await;
    script.fence(0);
    gated.end((0, 0), End::Succeed);
    let report = soon(closing).await.expect("closed");
    assert_eq!((report.fenced, report.lost, report.handled), (1, 1, 0));
    assert_eq!(gated.started(), [(0, 0)]);
}

/// On real threads, since only there one can be blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_a_close_for_ever() {
    let (script, stream) = Script::new();
    script.events(0, 1);
    let (begun, mut is_begun) = tokio::sync::mpsc::channel(1);
    let (unblock, blocked) = mpsc::sync_channel::<()>(0);
    let blocked = Arc::new(Mutex::new(blocked));
    let handler = move |_| {
        let (begun, blocked) = (begun.clone(), Arc::clone(&blocked));
        async move {
            begun.send(()).await.expect("awaited");
            blocked.lock().unwrap().recv().expect("unblocked");
            Ok::<_, String>(())
        }
    };
    let mut outcomes = stream.process_concurrently(nonzero(1), handler);
    assert!(outcomes.next().now_or_never().is_none(), "it blocks");
    is_begun.recv().await.expect("begun");
    let report = outcomes.close_within(Duration::ZERO).await;
    assert_eq!(report.aborted, 1);
    assert_eq!(script.calls(), [Call::Stop, Call::Close]);
    unblock.send(()).expect("it still runs");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_close_aborts_the_handlers() {
    let (script, gated, outcomes) = open(1, 2).await;
    let mut closing = Box::pin(outcomes.close());
    assert!(closing.as_mut().now_or_never().is_none());
    drop(closing);
    settle().await;
    assert_eq!(gated.running(), []);
    assert_eq!(script.calls(), [Call::Stop]);
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_the_outcomes_of_what_is_held_come_and_then_the_end() {
    let (script, gated, mut outcomes) = open(1, 2).await;
    script.events(0, 5);
    outcomes.stop();
    let mut seen = Vec::new();
    for number in 0..2 {
        gated.end((0, number), End::Fail);
        let failed = soon(outcomes.next()).await.expect("an outcome");
        let event = failed.expect_err("failed").event().cloned().expect("kept");
        outcomes.ack(&event).expect("owned");
        seen.push(place(&event));
        settle().await;
    }
    assert!(soon(outcomes.next()).await.is_none());
    let report = soon(outcomes.close()).await;
    report.into_result().expect("all was taken");
    assert_eq!(script.acks(), seen);
}

#[tokio::test(start_paused = true)]
async fn what_a_close_needs_can_be_sent_to_a_task() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (script, stream) = Script::new();
    script.finish();
    let outcomes = stream.process_concurrently(nonzero(1), |_: Arc<ReceivedEvent>| async {
        Ok::<_, std::io::Error>(())
    });
    let report = soon(is_send(outcomes.close())).await;
    assert_eq!(report.handled, 0);
}
