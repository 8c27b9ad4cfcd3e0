//! The reliability bar, as far as handlers of received events go: rows 34 and 35.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/log.rs"]
mod log;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::ProcessError;
use futures::{FutureExt, StreamExt};
use gated::{End, Gated};
use log::Log;
use scripted::{Place, Script, place};
use support::nonzero;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    sleep(Duration::from_nanos(1)).await;
}

#[tokio::test(start_paused = true)]
async fn row_34_a_handler_that_panics_is_caught_reported_and_not_checkpointed_and_the_others_go_on()
{
    let log = Log::default();
    let _here = log.here(tracing::Level::TRACE);
    let (script, events) = Script::new();
    let gated = Gated::default();
    let mut outcomes = events.process_concurrently(nonzero(4), gated.handler());
    // The panic is among others of its key, of its partition and of another one.
    for _ in 0..3 {
        script.event(0, Some("sesame-key"));
    }
    script.event(0, None);
    script.event(1, Some("sesame-key"));
    script.finish();
    let panics: Place = (0, 1);
    let (mut handled, mut panicked) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < 60 * SECOND, "it goes on");
        for running in gated.running() {
            let end = if running == panics {
                End::Panic
            } else {
                End::Succeed
            };
            gated.end(running, end);
        }
        settle().await;
        match outcomes.next().now_or_never() {
            Some(Some(Ok(event))) => handled.push(place(&event)),
            Some(Some(Err(ProcessError::Panicked { event, .. }))) => panicked.push(place(&event)),
            Some(Some(Err(other))) => panic!("{other:?}"),
            Some(None) => break,
            None => settle().await,
        }
    }
    assert_eq!(panicked, [panics]);
    handled.sort_unstable();
    assert_eq!(handled, [(0, 0), (0, 2), (0, 3), (1, 0)]);
    let mut acks = script.acks();
    acks.sort_unstable();
    assert_eq!(acks, handled, "the checkpoint stays below the panic");
    let report = outcomes.close().await;
    report.into_result().expect("all was told before");
    let log = log.text();
    assert!(log.contains("panicked") && !log.contains("sesame"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn row_35_a_handler_that_hangs_leaves_credit_bounded_and_is_reported() {
    let log = Log::default();
    let _here = log.here(tracing::Level::WARN);
    let limit = 3;
    let (script, events) = Script::new();
    let gated = Gated::default();
    let outcomes = events.process_concurrently(nonzero(limit), gated.handler());
    let mut outcomes = outcomes.with_slow_after(10 * SECOND);
    // One hangs: the others go on in the places that are left.
    script.event(0, Some("sesame-key"));
    script.events(0, 1000);
    let hangs: Place = (0, 0);
    let mut handled = 0;
    let begun = Instant::now();
    while handled < 100 {
        assert!(begun.elapsed() < 9 * SECOND, "it goes on");
        match outcomes.next().now_or_never() {
            Some(outcome) => handled += usize::from(outcome.is_some_and(|it| it.is_ok())),
            None => settle().await,
        }
        for running in gated.running() {
            if running != hangs {
                gated.end(running, End::Succeed);
            }
        }
        let held = script.yielded().len() - handled;
        assert!(held <= 2 * limit, "{held}");
        assert!(gated.most_running() <= limit);
    }
    // All hang: nothing more is read, for however long.
    let begun = Instant::now();
    while begun.elapsed() < 1000 * SECOND {
        if let Some(outcome) = outcomes.next().now_or_never() {
            handled += usize::from(outcome.is_some_and(|it| it.is_ok()));
        }
        sleep(SECOND).await;
    }
    assert_eq!(script.yielded().len() - handled, 2 * limit);
    assert_eq!(gated.running().len(), limit);
    let slow = log.lines_with("a handler is slow");
    assert_eq!(slow.len(), limit, "each is told once: {slow:?}");
    let told = slow.iter().find(|line| line.contains("sequence_number=0 "));
    let told = told.expect("the first one");
    for part in ["partition=0", "generation=0", "elapsed=10"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!log.text().contains("sesame"));
    // They end after all: everything goes on.
    gated.end_all();
    let outcome = timeout(SECOND, outcomes.next()).await.expect("in time");
    outcome.expect("an outcome").expect("handled");
}
