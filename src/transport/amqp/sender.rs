//! A sender link, and the task that it belongs to.
//!
//! Batches reach the task through a bounded queue, so a transfer never depends
//! on whoever asked for it. The task hands each transfer to the session and goes
//! on to the next one; who asked gets the delivery back and awaits the outcome.
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
use fe2o3_amqp::link::delivery::{DeliveryFut, Sendable};
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{Batch, Data, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::connection::{Connection, timed_out};
use super::errors::{ServiceError, Spoken};
use super::node::link_name;
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
    batch: Sendable<Batch<Data>>,
    deadline: Instant,
    /// How far away the deadline was.
    limit: Duration,
    reply: oneshot::Sender<Result<InFlight, Error>>,
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
        batch: Sendable<Batch<Data>>,
        deadline: Instant,
        limit: Duration,
    ) -> (Self, oneshot::Receiver<Result<InFlight, Error>>) {
        let (reply, answer) = oneshot::channel();
        let request = Self {
            batch,
            deadline,
            limit,
            reply,
        };
        (request, answer)
    }
}

impl SenderLink {
    /// Starts a link to an address; it is attached before its first transfer.
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

    /// The queue of requests; it is closed once the link is gone.
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
                Ok(outcome) => return read(outcome, &what),
                Err(error) => error.into_error(&what),
            },
            () = reached(&mut self.phase, Phase::Released) => Error::closed("producer"),
            () = connection.closed() => Error::closed("event hub"),
            () = sleep_until(self.deadline) => timed_out(&what, self.limit),
        };
        Err(error.with_unknown_fate())
    }
}

/// What an outcome means: only one of them is success.
fn read(outcome: Outcome, what: &str) -> Result<(), Error> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejected) => {
            let word = match &rejected.error {
                Some(error) => ServiceError::from(error),
                None => ServiceError {
                    condition: "rejected without a condition".into(),
                    text: String::new(),
                },
            };
            Err(word.into_error(what))
        }
        // Released or modified: not stored, as far as one can know.
        _ => {
            let message = format!("{what}: the service gave the batch back unacknowledged");
            Err(Error::new(ErrorKind::NotAcknowledged, message).with_unknown_fate())
        }
    }
}

/// Waits until a link has come so far, which may be never.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        // It broke: the deliveries tell why.
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
        let ended = tokio::select! {
            biased;
            ended = self.serve(&connection, &mut queue, &max_message_size) => ended,
            () = settle_time => Ok(()),
            () = connection.closed() => Err(Error::closed("event hub")),
        };
        let error = match ended {
            Ok(()) => {
                self.phase.send_replace(Phase::Released);
                Error::closed("producer")
            }
            Err(error) => error,
        };
        tracing::debug!(address = %self.address, %error, "sender gone");
        queue.close();
        while let Some(request) = queue.recv().await {
            // Who has gone does not miss the answer.
            let _ = request.reply.send(Err(error.clone()));
        }
    }

    /// Attaches the link, transfers what is asked for until nobody can ask any
    /// more, and closes it once all of that is settled.
    ///
    /// # Errors
    /// What ended the link before.
    async fn serve(
        &self,
        connection: &Arc<Connection>,
        queue: &mut mpsc::Receiver<Request>,
        max_message_size: &AtomicU64,
    ) -> Result<(), Error> {
        let attaching = attach(Arc::clone(connection), Arc::clone(&self.address));
        let (_session, mut sender) = connection.in_task(attaching).await?;
        let size = sender.max_message_size().unwrap_or(u64::MAX);
        max_message_size.store(size, Ordering::Relaxed);
        tracing::debug!(address = %self.address, size, "sender attached");
        loop {
            tokio::select! {
                biased;
                detached = sender.on_detach() => {
                    return Err(detached.into_error(&format!("the sender to {}", self.address)));
                }
                request = queue.recv() => match request {
                    Some(request) => self.transfer(&mut sender, request).await?,
                    None => break,
                }
            }
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
    /// What ended the link meanwhile; who asked is told, too.
    async fn transfer(
        &self,
        sender: &mut fe2o3_amqp::Sender,
        request: Request,
    ) -> Result<(), Error> {
        let Request {
            batch,
            deadline,
            limit,
            reply,
        } = request;
        if reply.is_closed() {
            return Ok(());
        }
        let what = format!("sending to {}", self.address);
        let transferring = async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            Ok((place, sender.send_batchable(batch).await?))
        };
        let error = match timeout_at(deadline, transferring).await {
            Ok(Ok((place, delivery))) => {
                let in_flight = InFlight {
                    delivery,
                    address: Arc::clone(&self.address),
                    deadline,
                    limit,
                    phase: self.phase.subscribe(),
                    _place: place,
                };
                let _ = reply.send(Ok(in_flight));
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
                let _ = reply.send(Err(Error::new(kind, message)));
                return Ok(());
            }
            Ok(Err(error)) => error.into_error(&what),
            // The transfer may be half done: the link goes, and the half with it.
            Err(_) => timed_out(&what, limit),
        };
        let _ = reply.send(Err(error.clone()));
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp::types::definitions::{self, ErrorCondition};
    use fe2o3_amqp::types::messaging::{Accepted, Modified, Rejected, Released};
    use fe2o3_amqp::types::primitives::Symbol;

    use super::*;

    fn rejected(condition: &str, text: &str) -> Error {
        let condition = ErrorCondition::Custom(Symbol::from(condition));
        let error = definitions::Error::new(condition, text.to_owned(), None);
        read(
            Outcome::Rejected(Rejected { error: Some(error) }),
            "sending to eh1",
        )
        .unwrap_err()
    }

    #[test]
    fn only_accepted_is_success() {
        assert!(read(Outcome::Accepted(Accepted {}), "sending").is_ok());
    }

    #[test]
    fn released_and_modified_are_no_acknowledgement_and_leave_the_fate_unknown() {
        let modified = Modified {
            delivery_failed: None,
            undeliverable_here: None,
            message_annotations: None,
        };
        for outcome in [Outcome::Released(Released {}), Outcome::Modified(modified)] {
            let error = read(outcome, "sending").unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotAcknowledged);
            assert!(error.is_fate_unknown());
        }
    }

    #[test]
    fn a_throttled_batch_was_definitely_not_stored() {
        let error = rejected(
            "com.microsoft:server-busy",
            "Please wait 7 seconds and try again.",
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(!error.is_fate_unknown());
    }

    #[test]
    fn a_rejection_without_a_reason_is_a_rejection() {
        let outcome = Outcome::Rejected(Rejected { error: None });
        let error = read(outcome, "sending").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Rejected { .. }));
        assert!(!error.is_retryable());
    }
}
