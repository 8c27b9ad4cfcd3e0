//! Handlers that run beside each other: order, bounds, acknowledgements, losses.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::{ProcessConcurrently, ProcessError};
use eventhubs_flow::{ErrorKind, ReceivedEvent};
use futures::{FutureExt, StreamExt};
use gated::{End, Gated};
use scripted::{Place, Script, Scripted, place};
use support::nonzero;
use tokio::time::timeout;

type Outcomes = ProcessConcurrently<Scripted>;
type Outcome = Result<Arc<ReceivedEvent>, ProcessError>;

fn open(limit: usize) -> (Script, Gated, Outcomes) {
    let (script, events) = Script::new();
    let gated = Gated::default();
    let outcomes = events.process_concurrently(nonzero(limit), gated.handler());
    (script, gated, outcomes)
}

/// What must not take for ever.
async fn soon<T>(done: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(60), done).await;
    done.expect("it does not hang")
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

/// An outcome, if one is there; the tasks have run before and after.
async fn try_next(outcomes: &mut Outcomes) -> Option<Outcome> {
    settle().await;
    let next = outcomes.next().now_or_never();
    settle().await;
    next.map(|outcome| outcome.expect("not the end"))
}

async fn assert_pending(outcomes: &mut Outcomes) {
    assert!(try_next(outcomes).await.is_none(), "no outcome yet");
}

async fn handled(outcomes: &mut Outcomes) -> Place {
    let outcome = try_next(outcomes).await.expect("an outcome");
    place(&outcome.expect("handled"))
}

async fn error(outcomes: &mut Outcomes) -> ProcessError {
    let outcome = try_next(outcomes).await.expect("an outcome");
    outcome.expect_err("an error")
}

#[tokio::test(start_paused = true)]
async fn outcomes_come_as_handlers_end() {
    let (script, gated, mut outcomes) = open(3);
    script.events(0, 3);
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.started(), [(0, 0), (0, 1), (0, 2)]);
    gated.end((0, 2), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 2));
    gated.end((0, 0), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 0));
    assert_pending(&mut outcomes).await;
    script.finish();
    gated.end((0, 1), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 1));
    assert!(soon(outcomes.next()).await.is_none());
    assert!(soon(outcomes.next()).await.is_none(), "and stays so");
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_woken_by_the_end_of_a_handler_and_by_an_event() {
    let (script, gated, mut outcomes) = open(1);
    let reader = tokio::spawn(async move { outcomes.next().await });
    settle().await;
    script.events(0, 1);
    settle().await;
    gated.end((0, 0), End::Succeed);
    let outcome = soon(reader).await.expect("joined").expect("an outcome");
    assert_eq!(place(&outcome.expect("handled")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_run_and_no_more_than_twice_as_many_are_held() {
    let (script, gated, mut outcomes) = open(3);
    script.events(0, 100);
    assert_pending(&mut outcomes).await;
    assert_eq!((gated.running().len(), script.yielded().len()), (3, 6));
    let snapshot = outcomes.snapshot();
    assert_eq!((snapshot.running, snapshot.waiting), (3, 3));
    // Outcomes that nobody took keep their room.
    gated.end_all();
    for taken in 1..=6 {
        handled(&mut outcomes).await;
        let snapshot = outcomes.snapshot();
        let held = snapshot.running + snapshot.waiting + snapshot.untaken;
        assert_eq!((held, script.yielded().len()), (6, 6 + taken));
        gated.end_all();
    }
    assert_eq!(gated.most_running(), 3);
}

#[tokio::test(start_paused = true)]
async fn events_of_one_partition_and_key_are_handled_one_at_a_time_and_in_order() {
    let (script, gated, mut outcomes) = open(10);
    for _ in 0..3 {
        script.event(0, Some("a"));
    }
    script.event(0, Some("b"));
    script.event(0, None);
    script.event(1, Some("a"));
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.running(), [(0, 0), (0, 3), (0, 4), (1, 0)]);
    for number in 0..3 {
        let of_key = gated.running_keys();
        let of_key = of_key.iter().filter(|key| **key == (0, "a".to_owned()));
        assert_eq!(of_key.count(), 1);
        gated.end((0, number), End::Succeed);
        assert_eq!(handled(&mut outcomes).await, (0, number));
    }
    let in_order = [(0, 0), (0, 3), (0, 4), (1, 0), (0, 1), (0, 2)];
    assert_eq!(gated.started(), in_order);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_acknowledged_once_and_only_after_its_handler_succeeded() {
    let (script, gated, mut outcomes) = open(4);
    script.events(0, 3);
    assert_pending(&mut outcomes).await;
    assert_eq!(script.acks(), []);
    gated.end((0, 1), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 1));
    gated.end((0, 0), End::Fail);
    let failed = error(&mut outcomes).await;
    gated.end((0, 2), End::Panic);
    let panicked = error(&mut outcomes).await;
    assert_eq!(script.acks(), [(0, 1)]);
    // It is the reader who says what becomes of the others.
    for error in [failed, panicked] {
        outcomes.ack(error.event().expect("kept")).expect("owned");
    }
    assert_eq!(script.acks(), [(0, 1), (0, 0), (0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_event_and_its_error_and_the_next_of_its_key_is_handled() {
    let (script, gated, mut outcomes) = open(2);
    script.event(0, Some("a"));
    script.event(0, Some("a"));
    assert_pending(&mut outcomes).await;
    gated.end((0, 0), End::Fail);
    let ProcessError::Failed { event, source, .. } = error(&mut outcomes).await else {
        panic!("it failed");
    };
    assert_eq!(place(&event), (0, 0));
    assert_eq!(source.to_string(), "planted");
    assert_eq!(gated.running(), [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_handler_alone_and_its_text_is_not_told() {
    let (script, gated, mut outcomes) = open(2);
    script.events(0, 3);
    assert_pending(&mut outcomes).await;
    gated.end((0, 0), End::Panic);
    let panicked = error(&mut outcomes).await;
    assert!(matches!(panicked, ProcessError::Panicked { .. }));
    assert_eq!(panicked.event().map(|event| place(event)), Some((0, 0)));
    assert!(!format!("{panicked} {panicked:?}").contains("sesame"));
    gated.end((0, 1), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 1));
    gated.end((0, 2), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_there_is_a_future_is_caught_too() {
    let (script, events) = Script::new();
    script.events(0, 2);
    script.finish();
    let handler = |event: Arc<ReceivedEvent>| {
        assert_ne!(event.sequence_number(), 0, "planted");
        async { Ok::<_, String>(()) }
    };
    let outcomes = events.process_concurrently(nonzero(1), handler);
    let outcomes: Vec<_> = soon(outcomes.collect()).await;
    assert!(matches!(outcomes[0], Err(ProcessError::Panicked { .. })));
    assert!(outcomes[1].is_ok());
    assert_eq!(script.acks(), [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn waiting_events_of_a_lost_partition_are_not_handled_and_running_ones_are_fenced() {
    let (script, gated, mut outcomes) = open(2);
    script.event(0, Some("a"));
    script.event(0, Some("a"));
    script.event(1, None);
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.running(), [(0, 0), (1, 0)]);
    script.lose(0);
    let ended = error(&mut outcomes).await;
    assert!(matches!(ended, ProcessError::PartitionEnded(_)));
    assert_eq!(ended.partition().map(|id| id.number()), Some(0));
    assert_eq!(outcomes.snapshot().lost, 1);
    assert_eq!(outcomes.snapshot().waiting, 0);
    gated.end((0, 0), End::Succeed);
    let ProcessError::Fenced { event, source, .. } = error(&mut outcomes).await else {
        panic!("it is fenced");
    };
    assert_eq!(place(&event), (0, 0));
    assert_eq!(*source.kind(), ErrorKind::Fenced);
    gated.end((1, 0), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (1, 0));
    assert_eq!(gated.started(), [(0, 0), (1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_not_begun_when_its_partition_is_lost_does_not_begin() {
    let (script, gated, mut outcomes) = open(2);
    script.events(0, 1);
    assert!(outcomes.next().now_or_never().is_none(), "spawned");
    script.lose(0);
    script.events(1, 1);
    let lost = outcomes.next().now_or_never().flatten();
    assert!(matches!(lost, Some(Err(ProcessError::PartitionEnded(_)))));
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.started(), [(1, 0)]);
    assert_eq!(outcomes.snapshot().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_events_of_a_partition_that_ended_otherwise_are_handled() {
    let (script, gated, mut outcomes) = open(1);
    script.events(0, 2);
    script.end(0, ErrorKind::Disconnected);
    // Room for it comes with the first outcome.
    assert_pending(&mut outcomes).await;
    gated.end((0, 0), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 0));
    let ended = error(&mut outcomes).await;
    assert!(matches!(ended, ProcessError::PartitionEnded(_)));
    gated.end((0, 1), End::Succeed);
    assert_eq!(handled(&mut outcomes).await, (0, 1));
    assert_eq!(outcomes.snapshot().lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_acknowledgement_is_word_of_a_theft_enough() {
    let (script, gated, mut outcomes) = open(1);
    script.events(0, 2);
    assert_pending(&mut outcomes).await;
    script.fence(0);
    gated.end((0, 0), End::Succeed);
    let fenced = error(&mut outcomes).await;
    assert!(matches!(fenced, ProcessError::Fenced { .. }));
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.started(), [(0, 0)]);
    assert_eq!(outcomes.snapshot().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_theft_that_waits_behind_the_bound_is_seen_before_the_next_start() {
    let (script, gated, mut outcomes) = open(1);
    script.events(0, 2);
    assert_pending(&mut outcomes).await;
    script.lose(0);
    assert_pending(&mut outcomes).await;
    // A failed handler asks for no acknowledgement: the stream alone can tell.
    gated.end((0, 0), End::Fail);
    let failed = error(&mut outcomes).await;
    assert!(matches!(failed, ProcessError::Failed { .. }));
    let ended = error(&mut outcomes).await;
    assert!(matches!(ended, ProcessError::PartitionEnded(_)));
    assert_eq!(gated.started(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_aborts_the_handlers() {
    let (script, gated, mut outcomes) = open(2);
    script.events(0, 4);
    assert_pending(&mut outcomes).await;
    assert_eq!(gated.running().len(), 2);
    drop(outcomes);
    settle().await;
    assert_eq!(gated.running(), []);
    assert_eq!(script.calls(), [], "nothing is acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_run_in_parallel() {
    let (script, events) = Script::new();
    script.events(0, 2);
    script.finish();
    // Both must be on a thread of their own to get past it.
    let both = Arc::new(Barrier::new(2));
    let handler = move |_| {
        let both = Arc::clone(&both);
        async move {
            both.wait();
            Ok::<_, String>(())
        }
    };
    let outcomes = events.process_concurrently(nonzero(2), handler);
    assert_eq!(soon(outcomes.collect::<Vec<_>>()).await.len(), 2);
}

#[test]
fn a_runtime_that_shuts_down_aborts_what_ran() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    };
    let (script, _gated, mut outcomes) = open(1);
    script.events(0, 1);
    script.finish();
    runtime().block_on(async { assert!(outcomes.next().now_or_never().is_none()) });
    let outcome = runtime().block_on(outcomes.next());
    assert!(matches!(outcome, Some(Err(ProcessError::Aborted { .. }))));
    assert_eq!(script.acks(), []);
}
