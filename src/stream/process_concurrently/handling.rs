//! One handler at one event: in a task of its own.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, TryFutureExt};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use super::metrics::Running;
use super::partition::Partition;
use crate::event::ReceivedEvent;
use crate::shield::Shielded;
use crate::telemetry;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

type Handle = dyn Fn(Arc<ReceivedEvent>) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

/// The user's handler.
#[derive(Clone)]
pub(super) struct Handler(Arc<Handle>);

impl Handler {
    pub(super) fn new<H, Fut, E>(handler: H) -> Self
    where
        H: Fn(Arc<ReceivedEvent>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self(Arc::new(move |event| {
            handler(event).map_err(Into::into).boxed()
        }))
    }
}

/// How a handler ended.
#[derive(Debug)]
pub(super) enum Ending {
    Handled,
    Failed(BoxError),
    Panicked,
    /// It was not started: its partition was lost before.
    Lost,
}

#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) took: Duration,
}

/// Runs the handler to its end.
pub(super) async fn handle(
    handler: Handler,
    event: Arc<ReceivedEvent>,
    slow_after: Duration,
    partition: Arc<Partition>,
    _running: Running,
) -> Ended {
    let begun = Instant::now();
    // A task may begin well after it was spawned.
    if partition.has_lost(&event) {
        return Ended {
            ending: Ending::Lost,
            took: Duration::ZERO,
        };
    }
    let span = span(&event);
    let given = Arc::clone(&event);
    // The call that makes the future is the user's code, too.
    let mut handling = span.in_scope(|| Shielded::call(move || (handler.0)(given)));
    let watched = async {
        tokio::select! {
            biased;
            result = &mut handling => return result,
            () = sleep(slow_after) => {
                partition.metrics.slow();
                tell_slow(&event, begun.elapsed());
            }
        }
        handling.await
    };
    let (ending, error) = match watched.instrument(span.clone()).await {
        Some(Ok(())) => (Ending::Handled, None),
        Some(Err(error)) => (Ending::Failed(error), Some(telemetry::HANDLER_FAILED)),
        None => (Ending::Panicked, Some(telemetry::HANDLER_PANICKED)),
    };
    if let Some(error) = error {
        span.record(telemetry::ERROR_TYPE, error);
    }
    Ended {
        ending,
        took: begun.elapsed(),
    }
}

fn span(event: &ReceivedEvent) -> Span {
    tracing::debug_span!(
        "process",
        otel.kind = "consumer",
        messaging.system = telemetry::EVENT_HUBS,
        messaging.destination.partition.id = event.partition().number(),
        messaging.operation.name = telemetry::PROCESS,
        sequence_number = event.sequence_number(),
        generation = event.generation(),
        error.type = tracing::field::Empty,
    )
}

fn tell_slow(event: &ReceivedEvent, elapsed: Duration) {
    tracing::warn!(
        partition = event.partition().number(),
        sequence_number = event.sequence_number(),
        generation = event.generation(),
        ?elapsed,
        "a handler is slow: its event is not acknowledged and its place stays taken until it ends"
    );
}
