//! How events come out of the task that reads them.

use std::pin::pin;

use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::Error;
use crate::event::ReceivedEvent;

/// The end in the task: what happened is told through it, once each.
pub(crate) struct Outlet {
    opened: Option<oneshot::Sender<Result<(), Error>>>,
    events: Option<mpsc::Sender<ReceivedEvent>>,
    end: watch::Sender<Option<Error>>,
    closed: watch::Receiver<bool>,
}

/// The other end.
pub(super) struct Inlet {
    pub(super) opened: oneshot::Receiver<Result<(), Error>>,
    pub(super) events: mpsc::Receiver<ReceivedEvent>,
    pub(super) end: watch::Receiver<Option<Error>>,
}

impl Outlet {
    /// Holds back `most` events until they are received; `closed` ends it.
    pub(super) fn new(most: usize, closed: watch::Receiver<bool>) -> (Self, Inlet) {
        let (opened_here, opened) = oneshot::channel();
        let (events_here, events) = mpsc::channel(most);
        let (end_here, end) = watch::channel(None);
        let outlet = Self {
            opened: Some(opened_here),
            events: Some(events_here),
            end: end_here,
            closed,
        };
        let inlet = Inlet {
            opened,
            events,
            end,
        };
        (outlet, inlet)
    }

    /// Says that the receiver is attached.
    pub(crate) fn opened(&mut self) {
        if let Some(opened) = self.opened.take() {
            // Nobody may wait for it any more: then the first event finds that out.
            let _ = opened.send(Ok(()));
        }
    }

    /// Hands on what a stream gives, as fast as it is received, until it ends or
    /// nobody receives any more.
    pub(crate) async fn pump<S>(&mut self, stream: S)
    where
        S: Stream<Item = Result<ReceivedEvent, Error>> + Send,
    {
        let mut stream = pin!(stream);
        let end = loop {
            let Some(events) = &self.events else { return };
            let closed = async {
                if self.closed.wait_for(|closed| *closed).await.is_err() {
                    // Dropped, not closed: its receivers live on.
                    std::future::pending::<()>().await;
                }
            };
            let next = async {
                let room = events.reserve().await.ok()?;
                tokio::select! {
                    biased;
                    () = events.closed() => None,
                    item = stream.next() => Some((room, item)),
                }
            };
            let next = tokio::select! {
                biased;
                () = closed => None,
                next = next => next,
            };
            match next {
                Some((room, Some(Ok(event)))) => room.send(event),
                Some((_, Some(Err(error)))) => break error,
                Some((_, None)) => break Error::closed("stream of the client"),
                None => break Error::closed("consumer"),
            }
        };
        self.end(end);
    }

    /// Says that nothing more comes, and why: the first word counts.
    pub(crate) fn end(&mut self, error: Error) {
        if let Some(opened) = self.opened.take() {
            let _ = opened.send(Err(error.clone()));
        }
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(error);
            first
        });
        self.events = None;
    }

    /// Waits until nobody is at the other end.
    pub(super) fn abandoned(&self) -> impl Future<Output = ()> + use<> {
        let end = self.end.clone();
        async move { end.closed().await }
    }
}
