//! A sender link, and the task that it belongs to.
//!
//! Batches reach the task through a bounded queue, so a transfer never depends
//! on whoever asked for it. The task hands each transfer to the session and goes
//! on to the next one; who asked gets the delivery back and awaits the outcome.
//!
//! The link is attached when there is something to transfer. It may break at any
//! time: that fails what it carried; what still waits in the queue goes, in its
//! order, over the next one.
//!
//! ```text
//! send_batch ─ request ─> queue ─> task ─ transfer ─> session
//!     ^                             |
//!     └──────── delivery <──────────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::Outcome;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::codec;
use super::connection::{Connection, timed_out};
use super::errors::Spoken;
use super::node::link_name;
use super::outcome;
use crate::batch::EventBatch;
use crate::error::{Error, ErrorKind};

/// Requests that wait for the link to take them.
const QUEUED: usize = 64;

/// Transfers of one link whose outcome is not known yet.
const IN_FLIGHT: u32 = 256;

/// How long what is under way when a link is closed may take to be transferred
/// and acknowledged: many round trips.
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Open,
    /// It ends when nothing is under way any more.
    Closing,
    /// It has ended: nobody waits for outcomes any more.
    Released,
}

/// The way to a sender link.
#[derive(Debug)]
pub(super) struct SenderLink {
    requests: mpsc::Sender<Request>,
    phase: Arc<watch::Sender<Phase>>,
    task: JoinHandle<()>,
}

/// A batch to transfer. It has no `Debug`: it holds payloads.
pub(super) struct Request {
    /// Encoded when it is transferred: what waits for that is not held twice.
    batch: EventBatch,
    deadline: Instant,
    /// How far away the deadline was.
    limit: Duration,
    /// Whether a link broke before it had taken it.
    again: bool,
    reply: oneshot::Sender<Result<InFlight, Error>>,
}

/// A link that ended before it was closed.
struct Broken {
    error: Error,
    /// What it did not transfer, which the next one may.
    untransferred: Option<Request>,
}

/// A batch that was transferred whole.
pub(super) struct InFlight {
    delivery: DeliveryFut<Result<Outcome, SendError>>,
    address: Arc<str>,
    deadline: Instant,
    limit: Duration,
    phase: watch::Receiver<Phase>,
    _place: OwnedSemaphorePermit,
}

impl Request {
    /// A request, and where its answer arrives.
    pub(super) fn new(
        batch: EventBatch,
        deadline: Instant,
        limit: Duration,
    ) -> (Self, oneshot::Receiver<Result<InFlight, Error>>) {
        let (reply, answer) = oneshot::channel();
        let request = Self {
            batch,
            deadline,
            limit,
            again: false,
            reply,
        };
        (request, answer)
    }

    fn refuse(self, error: Error) {
        // Who has gone does not miss the answer.
        let _ = self.reply.send(Err(error));
    }
}

/// Refuses all that waits in a queue.
fn refuse(queue: &mut mpsc::Receiver<Request>, error: &Error) {
    while let Ok(request) = queue.try_recv() {
        request.refuse(error.clone());
    }
}

impl SenderLink {
    /// Starts the task of a link to an address.
    ///
    /// `max_message_size` is set to what the service states, in bytes.
    pub(super) fn start(
        connection: Arc<Connection>,
        address: String,
        max_message_size: Arc<AtomicU64>,
    ) -> Self {
        let (requests, queue) = mpsc::channel(QUEUED);
        let phase = Arc::new(watch::Sender::new(Phase::Open));
        let link = Link {
            address: address.into(),
            places: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
            phase: Arc::clone(&phase),
        };
        Self {
            requests,
            phase,
            task: tokio::spawn(link.run(connection, queue, max_message_size)),
        }
    }

    /// The queue of requests; it is closed once the task is gone.
    pub(super) fn requests(&self) -> &mpsc::Sender<Request> {
        &self.requests
    }

    /// Transfers what is queued, waits for the outcomes and closes the link. What
    /// a service that does not answer leaves over is released.
    pub(super) async fn close(self) {
        self.phase.send_replace(Phase::Closing);
        drop(self.requests);
        // It panics never, and is not aborted.
        let _ = self.task.await;
    }
}

impl InFlight {
    /// Waits for the outcome, until the deadline or a close.
    pub(super) async fn outcome(mut self, connection: &Connection) -> Result<(), Error> {
        let what = format!("sending to {}", self.address);
        let error = tokio::select! {
            biased;
            outcome = self.delivery => match outcome {
                Ok(outcome) => return outcome::read(outcome, &what),
                Err(error) => error.into_error(&what),
            },
            () = connection.closed() => Error::closed("event hub"),
            () = reached(&mut self.phase, Phase::Released) => Error::closed("producer"),
            () = sleep_until(self.deadline) => timed_out(&what, self.limit),
        };
        Err(error.with_unknown_fate())
    }
}

/// Waits until a link has come so far, which may be never.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        // The task is gone with its runtime.
        std::future::pending().await
    }
}

async fn attach(
    connection: Arc<Connection>,
    address: Arc<str>,
) -> Result<(SessionHandle<()>, fe2o3_amqp::Sender), Error> {
    let what = format!("attaching a sender to {address}");
    let limit = connection.try_timeout();
    let mut session = connection.session().await?.session;
    let attaching = fe2o3_amqp::Sender::builder()
        .name(link_name(&address))
        .target(&*address)
        .sender_settle_mode(SenderSettleMode::Unsettled)
        .attach(&mut session);
    match timeout(limit, attaching).await {
        Ok(Ok(sender)) => Ok((session, sender)),
        Ok(Err(error)) => Err(error.into_error(&what)),
        Err(_) => Err(timed_out(&what, limit)),
    }
}

struct Link {
    address: Arc<str>,
    places: Arc<Semaphore>,
    phase: Arc<watch::Sender<Phase>>,
}

impl Link {
    async fn run(
        self,
        connection: Arc<Connection>,
        mut queue: mpsc::Receiver<Request>,
        max_message_size: Arc<AtomicU64>,
    ) {
        let mut phase = self.phase.subscribe();
        let settle_time = async {
            reached(&mut phase, Phase::Closing).await;
            sleep(SETTLE_TIME).await;
        };
        let error = tokio::select! {
            biased;
            () = self.work(&connection, &mut queue, &max_message_size) => Error::closed("producer"),
            () = settle_time => Error::closed("producer"),
            () = connection.closed() => Error::closed("event hub"),
        };
        self.phase.send_replace(Phase::Released);
        queue.close();
        refuse(&mut queue, &error);
    }

    /// Transfers what is asked for, over one link after the other, until nobody
    /// can ask any more.
    async fn work(
        &self,
        connection: &Arc<Connection>,
        queue: &mut mpsc::Receiver<Request>,
        max_message_size: &AtomicU64,
    ) {
        let mut untransferred = None;
        loop {
            let request = match untransferred.take() {
                Some(request) => request,
                None => match queue.recv().await {
                    Some(request) => request,
                    None => return,
                },
            };
            let attaching = attach(Arc::clone(connection), Arc::clone(&self.address));
            let attaching = timeout_at(request.deadline, connection.in_task(attaching));
            let attached = attaching.await.unwrap_or_else(|_| {
                let what = format!("attaching a sender to {}", self.address);
                Err(timed_out(&what, request.limit))
            });
            let (session, sender) = match attached {
                Ok(attached) => attached,
                Err(error) => {
                    tracing::debug!(address = %self.address, %error, "sender not attached");
                    request.refuse(error.clone());
                    // They have waited for it, too.
                    refuse(queue, &error);
                    continue;
                }
            };
            let size = sender.max_message_size().unwrap_or(u64::MAX);
            max_message_size.store(size, Ordering::Relaxed);
            tracing::debug!(address = %self.address, size, "sender attached");
            if let Err(broken) = self.serve(sender, request, queue).await {
                tracing::debug!(address = %self.address, error = %broken.error, "sender gone");
                untransferred = broken.untransferred;
            }
            drop(session);
        }
    }

    /// Transfers what is asked for until nobody can ask any more, and closes the
    /// link once all of that is settled.
    ///
    /// # Errors
    /// What ended the link before.
    async fn serve(
        &self,
        mut sender: fe2o3_amqp::Sender,
        first: Request,
        queue: &mut mpsc::Receiver<Request>,
    ) -> Result<(), Broken> {
        let mut next = Some(first);
        while let Some(request) = next {
            self.transfer(&mut sender, request).await?;
            next = tokio::select! {
                biased;
                detached = sender.on_detach() => {
                    let what = format!("the sender to {}", self.address);
                    return Err(Broken { error: detached.into_error(&what), untransferred: None });
                }
                request = queue.recv() => request,
            };
        }
        // It is never closed: all places are free once all is settled.
        let _ = self.places.acquire_many(IN_FLIGHT).await;
        // Whether the close is answered or not: this was the end.
        let _ = sender.close().await;
        Ok(())
    }

    /// Transfers one batch.
    ///
    /// # Errors
    /// What ended the link meanwhile. What it did not take is handed back the
    /// first time; the second time who asked is told.
    async fn transfer(
        &self,
        sender: &mut fe2o3_amqp::Sender,
        mut request: Request,
    ) -> Result<(), Broken> {
        if request.reply.is_closed() {
            return Ok(());
        }
        let what = format!("sending to {}", self.address);
        let transferring = async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let encoded = codec::encode(&request.batch);
            Ok((place, sender.send_batchable(encoded).await?))
        };
        let error = match timeout_at(request.deadline, transferring).await {
            Ok(Ok((place, delivery))) => {
                let in_flight = InFlight {
                    delivery,
                    address: Arc::clone(&self.address),
                    deadline: request.deadline,
                    limit: request.limit,
                    phase: self.phase.subscribe(),
                    _place: place,
                };
                // Whoever is told of the outcome drops the events.
                drop(request.batch);
                let _ = request.reply.send(Ok(in_flight));
                return Ok(());
            }
            Ok(Err(SendError::MessageSizeExceeded(refused))) => {
                let kind = ErrorKind::TooLarge {
                    size: refused.size,
                    limit: refused.max_size,
                };
                let message = format!(
                    "{what}: {} bytes exceed the {} bytes that the link takes: send smaller batches",
                    refused.size, refused.max_size
                );
                request.refuse(Error::new(kind, message));
                return Ok(());
            }
            Ok(Err(error)) => {
                let error = error.into_error(&what);
                if !std::mem::replace(&mut request.again, true) {
                    return Err(Broken {
                        error,
                        untransferred: Some(request),
                    });
                }
                error
            }
            // The transfer may be half done: the link goes, and the half with it.
            Err(_) => timed_out(&what, request.limit),
        };
        request.refuse(error.clone());
        Err(Broken {
            error,
            untransferred: None,
        })
    }
}
