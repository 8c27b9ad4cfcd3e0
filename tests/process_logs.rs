//! What handlers of received events log.
//!
//! A binary of its own: whether a callsite is enabled is cached for the process,
//! and tests beside these would have no subscriber.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/log.rs"]
mod log;
#[path = "support/metrics.rs"]
mod readings;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::ReceivedEvent;
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::ProcessConcurrently;
use futures::{FutureExt, StreamExt};
use gated::Gated;
use log::Log;
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use scripted::{Script, Scripted};
use support::nonzero;

/// With these many events read, and one handler that runs.
async fn open(events: usize) -> (Script, Gated, ProcessConcurrently<Scripted>) {
    let (script, stream) = Script::new();
    let gated = Gated::default();
    let mut outcomes = stream.process_concurrently(nonzero(1), gated.handler());
    script.events(0, events);
    assert!(outcomes.next().now_or_never().is_none(), "none ended");
    settle().await;
    (script, gated, outcomes)
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_drop_with_something_held_warns_and_one_with_nothing_does_not() {
    let log = Log::default();
    let _here = log.here(tracing::Level::TRACE);
    let warnings = || log.lines_with("dropped without close").len();
    let (_script, gated, outcomes) = open(1).await;
    drop(outcomes);
    assert_eq!(warnings(), 1);
    let (script, _, outcomes) = open(0).await;
    script.finish();
    drop(outcomes);
    settle().await;
    let (_script, closed, outcomes) = open(1).await;
    closed.end_all();
    let _ = outcomes.close().await;
    let (_script, _aborted, outcomes) = open(2).await;
    let _ = outcomes.close_within(Duration::ZERO).await;
    assert_eq!(warnings(), 1);
    assert_eq!(gated.running(), []);
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_a_span_with_the_names_of_opentelemetry_and_nothing_of_the_users() {
    let log = Log::default();
    let _log = log.here(tracing::Level::TRACE);
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (script, events) = Script::new();
    let handler = |event: Arc<ReceivedEvent>| async move {
        tracing::info!("inside");
        match event.sequence_number() {
            0 => Ok(()),
            1 => panic!("sesame-panic"),
            _ => Err("sesame-error"),
        }
    };
    let mut outcomes = events.process_concurrently(nonzero(1), handler);
    for _ in 0..3 {
        script.event(2, Some("sesame-key"));
    }
    script.finish();
    let all = tokio::time::timeout(Duration::from_secs(1), outcomes.by_ref().count());
    assert_eq!(all.await.expect("in time"), 3);
    let _ = outcomes.close().await;

    let spans = log.lines_with("close");
    assert_eq!(spans.len(), 3, "{spans:?}");
    assert_eq!(log.lines_with("inside").len(), 3);
    assert!(log.lines_with("inside")[0].contains("process{"));
    let errors = [None, Some("panicked"), Some("handler_failed")];
    for (number, (span, error)) in spans.iter().zip(errors).enumerate() {
        for part in [
            "process{",
            r#"otel.kind="consumer""#,
            r#"messaging.system="eventhubs""#,
            "messaging.destination.partition.id=2",
            r#"messaging.operation.name="process""#,
            &format!("sequence_number={number}"),
            "generation=0",
        ] {
            assert!(span.contains(part), "{part}: {span}");
        }
        let told = error.map(|error| format!("error.type=\"{error}\""));
        match told {
            Some(told) => assert!(span.contains(&told), "{told}: {span}"),
            None => assert!(!span.contains("error.type"), "{span}"),
        }
    }
    let metrics = format!("{:?}", Readings::take(&recorder.snapshotter()));
    assert!(!metrics.contains("sesame"), "{metrics}");
    assert!(!log.text().contains("sesame"), "{}", log.text());
}
