//! The consuming port over clients, one to each receiver.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::CLOSE_TIMEOUT;
use super::lane::{Answer, Connect, Lane, Request, Shared};
use super::outlet::{Inlet, Outlet};
use super::producer::{read_hub, read_partition};
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::shield::Shielded;
use crate::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};

/// Reads by a client.
#[async_trait]
pub(crate) trait Read: Connect {
    /// Events that the client asks for ahead.
    fn prefetch(&self) -> NonZeroU32;

    /// Opens a receiver on a client of its own, says so, hands on what comes until
    /// it ends, says why, and closes both.
    async fn read(&self, options: &ReceiverOptions, outlet: &mut Outlet);
}

/// Reads by clients that live in tasks.
pub(crate) struct ClientConsumer<K> {
    connect: Arc<K>,
    shared: Shared,
    closed: watch::Sender<bool>,
    management: Mutex<Option<Lane>>,
    /// Each reading task holds one of its receivers.
    tasks: watch::Sender<()>,
}

impl<K: Read> ClientConsumer<K> {
    pub(crate) fn new(connect: Arc<K>, try_timeout: Duration) -> Self {
        let (closed, closing) = watch::channel(false);
        Self {
            connect,
            shared: Shared {
                try_timeout,
                max_message_size: Arc::default(),
                closed: closing,
            },
            closed,
            management: Mutex::default(),
            tasks: watch::Sender::new(()),
        }
    }

    fn management(&self) -> MutexGuard<'_, Option<Lane>> {
        self.management
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, request: Request) -> Result<Answer, Error> {
        let caller = {
            let mut lane = self.management();
            if *self.closed.borrow() {
                return Err(Error::closed("consumer"));
            }
            let start = || Lane::start(Arc::clone(&self.connect), self.shared.clone());
            lane.get_or_insert_with(start).caller()
        };
        caller.call(request, self.shared.try_timeout).await
    }

    fn start(&self, options: ReceiverOptions) -> (Inlet, JoinHandle<()>) {
        let most = self.connect.prefetch().get() as usize;
        let (mut outlet, inlet) = Outlet::new(most, self.shared.closed.clone());
        let (connect, running) = (Arc::clone(&self.connect), self.tasks.subscribe());
        let task = tokio::spawn(async move {
            let abandoned = outlet.abandoned();
            let too_long = async {
                abandoned.await;
                sleep(CLOSE_TIMEOUT).await;
            };
            let reading = Shielded::call(|| connect.read(&options, &mut outlet));
            let panicked = tokio::select! {
                biased;
                done = reading => done.is_none(),
                // It neither opens nor closes: it goes by being dropped.
                () = too_long => false,
            };
            outlet.end(match panicked {
                true => Error::new(ErrorKind::Panicked, "the client panicked"),
                false => Error::closed("receiver"),
            });
            drop(running);
        });
        (inlet, task)
    }
}

#[async_trait]
impl<K: Read> TransportManagement for ClientConsumer<K> {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        read_hub(self.call(Request::Hub).await)
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        read_partition(self.call(Request::Partition(partition)).await)
    }
}

#[async_trait]
impl<K: Read> TransportConsumer for ClientConsumer<K> {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        if *self.closed.borrow() {
            return Err(Error::closed("consumer"));
        }
        let (inlet, task) = self.start(options);
        let limit = self.shared.try_timeout;
        match timeout(limit, inlet.opened).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(Error::closed("receiver")),
            Err(_) => {
                let message = format!("opening a receiver took longer than {limit:?}");
                return Err(Error::new(ErrorKind::Timeout, message));
            }
        }
        Ok(Box::new(ClientReceiver {
            events: inlet.events,
            end: inlet.end,
            closed: self.shared.closed.clone(),
            failure: None,
            task,
        }))
    }

    async fn close(&self) -> Result<(), Error> {
        let lane = {
            let mut lane = self.management();
            self.closed.send_replace(true);
            lane.take()
        };
        let closing = async {
            if let Some(lane) = lane {
                lane.ended().await;
            }
            self.tasks.closed().await;
        };
        match timeout(2 * CLOSE_TIMEOUT, closing).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                "the service has not let go of all receivers",
            )),
        }
    }
}

impl<K: Read> fmt::Debug for ClientConsumer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConsumer")
            .field("connect", &self.connect)
            .field("closed", &*self.closed.borrow())
            .finish_non_exhaustive()
    }
}

/// Receives what a task reads.
#[derive(Debug)]
struct ClientReceiver {
    events: mpsc::Receiver<ReceivedEvent>,
    end: watch::Receiver<Option<Error>>,
    closed: watch::Receiver<bool>,
    failure: Option<Error>,
    task: JoinHandle<()>,
}

impl ClientReceiver {
    /// Ends with an error, for good.
    fn fail(&mut self, error: Error) -> Error {
        self.events.close();
        self.failure.get_or_insert(error).clone()
    }

    /// Waits until the task says why it ended.
    async fn word(&mut self) -> Error {
        let word = self.end.wait_for(Option::is_some).await;
        let word = word.ok().and_then(|word| word.clone());
        word.unwrap_or_else(|| Error::closed("receiver"))
    }
}

#[async_trait]
impl TransportReceiver for ClientReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let mut events = Vec::new();
        let most = credit.get() as usize;
        let closed = tokio::select! {
            biased;
            Ok(_) = self.closed.wait_for(|closed| *closed) => true,
            _ = self.events.recv_many(&mut events, most) => false,
        };
        if closed {
            return Err(self.fail(Error::closed("consumer")));
        }
        if events.is_empty() {
            let word = self.word().await;
            return Err(self.fail(word));
        }
        Ok(events)
    }

    async fn ended(&mut self) -> Error {
        if let Some(error) = &self.failure {
            return error.clone();
        }
        let mut closed = self.closed.clone();
        let word = tokio::select! {
            biased;
            Ok(_) = closed.wait_for(|closed| *closed) => Error::closed("consumer"),
            word = self.word() => word,
        };
        self.fail(word)
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        let broken = self.failure.take().or_else(|| self.end.borrow().clone());
        self.events.close();
        let closed = timeout(CLOSE_TIMEOUT, &mut self.task).await;
        match (broken, closed) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(_)) => Err(Error::new(
                ErrorKind::Timeout,
                "the service has not let go of the receiver",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
