//! Streams of events for tests, and what comes out of them.

use std::time::Duration;

use eventhubs_flow::{EventBatch, EventData};
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// A bounded channel as a stream.
pub(crate) fn channel<T>() -> (mpsc::Sender<T>, impl Stream<Item = T> + Unpin) {
    let (sender, mut receiver) = mpsc::channel(1000);
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

/// Each event after its pause.
pub(crate) fn paced(events: Vec<(Duration, EventData)>) -> impl Stream<Item = EventData> {
    stream::iter(events).then(|(pause, event)| async move {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        event
    })
}

pub(crate) fn bodies(batch: &EventBatch) -> Vec<String> {
    let bodies = batch.events().iter().map(EventData::body);
    bodies
        .map(|body| String::from_utf8_lossy(body).into_owned())
        .collect()
}

pub(crate) async fn collect<S, E>(batches: S) -> Vec<Vec<String>>
where
    S: Stream<Item = Result<EventBatch, E>>,
    E: std::fmt::Debug,
{
    batches.map(|batch| bodies(&batch.unwrap())).collect().await
}
