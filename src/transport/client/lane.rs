//! A task that owns a client and makes its calls, one at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::CLOSE_TIMEOUT;
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::shield::Shielded;
use crate::transport::{HubProperties, PartitionProperties};

/// Calls that wait for their turn; more wait for a place among these.
const QUEUED: usize = 256;

/// How long a call that is under way may go on once its lane is closed.
const GRACE: Duration = Duration::from_millis(500);

/// A client as its lane drives it: one attempt per call.
#[async_trait]
pub(crate) trait Client: Send + 'static {
    /// Sends a batch. An error says whether the batch may be stored all the same.
    ///
    /// Defaults to a refusal, as a consumer's client has it.
    async fn send(&mut self, batch: &EventBatch) -> Result<(), Error> {
        let _ = batch;
        Err(Error::invalid_options("a consumer's client sends nothing"))
    }

    /// Reads the hub's properties.
    async fn hub_properties(&mut self) -> Result<HubProperties, Error>;

    /// Reads a partition's properties.
    async fn partition_properties(
        &mut self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error>;

    /// The largest message that the service takes, as far as it has said.
    fn max_message_size(&self) -> Option<u64> {
        None
    }

    /// Whether a client is of no more use after an error: one that makes no second
    /// attempt mends nothing, either. Defaults to no where it was a refusal.
    fn is_spoiled_by(&self, error: &Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::Closed
                | ErrorKind::Disconnected
                | ErrorKind::Panicked
                | ErrorKind::Protocol
                | ErrorKind::Timeout
        )
    }

    /// Closes the client, and waits until the service has let go.
    async fn close(self);
}

/// Which calls wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// All of them, of a client that takes one call at a time.
    #[cfg(feature = "azeventhubs")]
    Everything,
    /// Sends to the gateway, or to a partition.
    #[cfg(feature = "azure-sdk")]
    Sends(Option<PartitionId>),
    /// Reads of properties.
    #[cfg(feature = "azure-sdk")]
    Properties,
}

/// Makes clients.
#[async_trait]
pub(crate) trait Connect: fmt::Debug + Send + Sync + 'static {
    /// What it makes.
    type Client: Client;

    /// A client, in place of one that is spoiled.
    async fn connect(&self, spoiled: Option<Self::Client>) -> Result<Self::Client, Error>;

    /// Closes what clients share, once all of them are closed.
    async fn disconnect(&self) {}

    /// Where the call belongs.
    fn place(&self, request: &Request) -> Place;

    /// The limits of a batch where the service takes messages of so many bytes.
    fn limits(&self, max_message_size: u64) -> BatchLimits;
}

/// What a client is asked for.
pub(crate) enum Request {
    Send(EventBatch),
    Hub,
    Partition(PartitionId),
}

/// What it answers.
pub(super) enum Answer {
    Sent,
    Hub(HubProperties),
    Partition(PartitionProperties),
}

struct Job {
    request: Request,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answer, Error>>,
}

/// What all lanes of a producer or consumer share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) try_timeout: Duration,
    /// The largest message, as the service stated last; 0 before.
    pub(super) max_message_size: Arc<AtomicU64>,
    pub(super) closed: watch::Receiver<bool>,
}

/// The way to a task that owns a client; dropping it closes the client, once the
/// calls before are made.
#[derive(Debug)]
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

impl Lane {
    /// Starts the task, which connects when it is first asked for something.
    pub(super) fn start<K: Connect>(connect: Arc<K>, shared: Shared) -> Self {
        Self::start_with(connect, None, shared)
    }

    /// Starts the task with a client.
    pub(super) fn start_with<K: Connect>(
        connect: Arc<K>,
        client: Option<K::Client>,
        shared: Shared,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUED);
        let driver = Driver {
            connect,
            client,
            spoiled: None,
            shared,
        };
        let task = tokio::spawn(driver.run(waiting));
        Self { jobs, task }
    }

    /// A way in: its calls are made in the order of their first polls.
    pub(super) fn caller(&self) -> Caller {
        Caller(self.jobs.clone())
    }

    /// Waits until the task has ended, after all was closed.
    pub(super) async fn ended(self) {
        // Without it: a lane ends by itself, and its panics are caught in it.
        let _ = self.task.await;
    }
}

pub(super) struct Caller(mpsc::Sender<Job>);

impl Caller {
    pub(super) async fn call(self, request: Request, limit: Duration) -> Result<Answer, Error> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            request,
            deadline: Instant::now() + limit,
            answer,
        };
        // Unconstrained: a task out of its cooperative budget would be sent away
        // before it stands in the queue, and lose its place to another.
        let gone = || Error::closed("client");
        unconstrained(self.0.send(job)).await.map_err(|_| gone())?;
        drop(self);
        answered.await.map_err(|_| gone())?
    }
}

/// What the task owns.
struct Driver<K: Connect> {
    connect: Arc<K>,
    client: Option<K::Client>,
    spoiled: Option<K::Client>,
    shared: Shared,
}

impl<K: Connect> Driver<K> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closed = self.shared.closed.clone();
        loop {
            let job = tokio::select! {
                biased;
                Ok(_) = closed.wait_for(|closed| *closed) => break,
                job = jobs.recv() => job,
            };
            let Some(job) = job else { break };
            let answer = match Instant::now() < job.deadline {
                true => self.attempt(&job.request, job.deadline).await,
                false => Err(timed_out("waiting for the calls before", &self.shared)),
            };
            // Whoever asked may have gone.
            let _ = job.answer.send(answer);
        }
        jobs.close();
        while let Some(job) = jobs.recv().await {
            let _ = job.answer.send(Err(Error::closed("client")));
        }
        if let Some(client) = self.client.take() {
            let closing = Shielded::call(|| client.close().boxed());
            // Whatever is left goes when it is dropped.
            let _ = timeout(CLOSE_TIMEOUT, closing).await;
        }
    }

    /// Makes a call, behind all fences.
    async fn attempt(&mut self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        let shared = self.shared.clone();
        let mut closed = shared.closed.clone();
        let begun = AtomicBool::new(false);
        let calling = Shielded::call(|| self.call(request, &begun).boxed());
        let giving_up = async {
            if closed.wait_for(|closed| *closed).await.is_ok() {
                sleep(GRACE).await;
            } else {
                // Dropped, not closed: what is under way is brought to its end.
                std::future::pending::<()>().await;
            }
        };
        let answer = tokio::select! {
            biased;
            answer = calling => answer.unwrap_or_else(|| Err(panicked())),
            () = sleep_until(deadline) => Err(timed_out("calling the client", &shared)),
            () = giving_up => Err(Error::closed("client")),
        };
        let Err(error) = answer else {
            return answer;
        };
        let spoiled = |client: &mut K::Client| client.is_spoiled_by(&error);
        self.spoiled = self.client.take_if(spoiled);
        // A client's own errors know their fate; what was cut short here does not.
        let cut_short = matches!(
            error.kind(),
            ErrorKind::Panicked | ErrorKind::Timeout | ErrorKind::Closed
        );
        let sending = matches!(request, Request::Send(_)) && begun.load(Ordering::Relaxed);
        match cut_short && sending && !error.is_fate_unknown() {
            true => Err(error.with_unknown_fate()),
            false => Err(error),
        }
    }

    async fn call(&mut self, request: &Request, begun: &AtomicBool) -> Result<Answer, Error> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let connected = self.connect.connect(self.spoiled.take()).await?;
                self.client.insert(connected)
            }
        };
        begun.store(true, Ordering::Relaxed);
        let answer = match request {
            Request::Send(batch) => client.send(batch).await.map(|()| Answer::Sent),
            Request::Hub => client.hub_properties().await.map(Answer::Hub),
            Request::Partition(partition) => {
                let answer = client.partition_properties(*partition).await;
                answer.map(Answer::Partition)
            }
        };
        if let Some(size) = client.max_message_size() {
            self.shared.max_message_size.store(size, Ordering::Relaxed);
        }
        answer
    }
}

fn panicked() -> Error {
    Error::new(
        ErrorKind::Panicked,
        "the client panicked; the next call makes another one",
    )
}

fn timed_out(what: &str, shared: &Shared) -> Error {
    let limit = shared.try_timeout;
    Error::new(
        ErrorKind::Timeout,
        format!("{what} took longer than {limit:?}"),
    )
}

#[cfg(test)]
mod tests;
