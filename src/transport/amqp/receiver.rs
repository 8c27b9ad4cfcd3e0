//! A receiver link.
//!
//! Credit is given by hand: each call tops it up to what the caller has room
//! for, and nothing else ever does. Events are asked for settled, as the
//! service's own clients ask: a position is what a consumer remembers, not an
//! outcome; what comes unsettled all the same is settled by the batch.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use fe2o3_amqp::link::RecvError;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{Fields, SenderSettleMode};
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::{Symbol, Value};
use fe2o3_amqp::{Delivery, Receiver};
use futures::FutureExt;
use serde_amqp::lazy::LazyValue;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::connection::{Begun, CLOSE_TIMEOUT, Connection, timed_out};
use super::errors::{STOLEN, ServiceError, Spoken};
use super::guard::Tripped;
use super::node::link_name;
use super::{codec, position};
use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::{ReceiverOptions, TransportReceiver, conflict};

/// Offsets are opaque to us: we take those of geo-replicated hubs, too.
const GEO_REPLICATION: &str = "com.microsoft:georeplication";

type Incoming = Delivery<Body<LazyValue>>;

/// The link itself, with what it has received.
pub(super) struct Link {
    // Detaches when it is dropped, then the session ends.
    receiver: Receiver,
    session: SessionHandle<()>,
    link: String,
    tripped: Tripped,
    partition: PartitionId,
    own_level: Option<i64>,
    what: String,
    ready: Vec<ReceivedEvent>,
    settling: Vec<DeliveryInfo>,
    failure: Option<Error>,
}

impl Link {
    /// Attaches a receiver, without credit.
    ///
    /// # Errors
    /// As [`TransportConsumer::open_receiver`](crate::transport::TransportConsumer::open_receiver).
    pub(super) async fn attach(
        connection: &Arc<Connection>,
        options: &ReceiverOptions,
    ) -> Result<Self, Error> {
        let ReceiverOptions {
            consumer_group,
            partition,
            position,
            owner_level,
            name,
        } = options;
        let hub = connection.hub();
        let address = format!("{hub}/ConsumerGroups/{consumer_group}/Partitions/{partition}");
        let what = format!("opening a receiver on {address}");
        let source = position::source(&address, position)?;
        let mut properties = Fields::new();
        if let Some(level) = owner_level {
            properties.insert(Symbol::from("com.microsoft:epoch"), Value::Long(*level));
        }
        if let Some(name) = name {
            let name = Value::String(name.clone());
            properties.insert(Symbol::from("com.microsoft:receiver-name"), name);
        }
        let limit = connection.try_timeout();
        let Begun {
            mut session,
            tripped,
        } = connection.session().await?;
        let link = link_name(&address);
        let attaching = Receiver::builder()
            .name(link.clone())
            .source(source)
            .properties(properties)
            .add_desired_capabilities(GEO_REPLICATION)
            .sender_settle_mode(SenderSettleMode::Settled)
            .credit_mode(CreditMode::Manual)
            .verify_incoming_source(false)
            .attach(&mut session);
        let attached = match timeout(limit, attaching).await {
            Ok(attached) => attached,
            Err(_) => return Err(timed_out(&what, limit)),
        };
        let receiver = attached.map_err(|error| {
            let word = error.word().map(ServiceError::from);
            match word {
                Some(word) if word.condition == STOLEN => {
                    let conflict = conflict::parse(&word.text, *owner_level);
                    word.into_error_of(ErrorKind::OwnershipRefused(conflict), &what)
                }
                _ => error.into_error(&what),
            }
        })?;
        tracing::debug!(%address, level = owner_level, "receiver attached");
        Ok(Self {
            receiver,
            session,
            link,
            tripped,
            partition: *partition,
            own_level: *owner_level,
            what: format!("receiving from {address}"),
            ready: Vec::new(),
            settling: Vec::new(),
            failure: None,
        })
    }

    /// Detaches, and waits until the service has let go.
    pub(super) async fn close(mut self) -> Result<(), Error> {
        let closing = async {
            let closed = self.receiver.close().await;
            // What ended the session is what ended the link.
            let _ = self.session.end().await;
            closed
        };
        match timeout(CLOSE_TIMEOUT, closing).await {
            Ok(closed) => closed.map_err(|error| error.into_error(&self.what)),
            Err(_) => Err(timed_out(&self.what, CLOSE_TIMEOUT)),
        }
    }

    /// As [`TransportReceiver::receive`], once.
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        let credit = credit.get();
        self.take_arrived(credit);
        if self.failure.is_none() {
            self.top_up(credit).await;
            if self.ready.is_empty() {
                let delivery = self.receiver.recv().await;
                self.take(delivery);
                self.take_arrived(credit);
            }
        }
        self.settle().await;
        if self.ready.len() > credit as usize {
            return Ok(self.ready.drain(..credit as usize).collect());
        }
        match &self.failure {
            Some(error) if self.ready.is_empty() => Err(error.clone()),
            _ => Ok(std::mem::take(&mut self.ready)),
        }
    }

    /// As [`TransportReceiver::ended`], once. What arrives meanwhile was asked for
    /// before: it is no more than that credit.
    async fn ended(&mut self) -> Error {
        loop {
            if let Some(error) = &self.failure {
                return error.clone();
            }
            let delivery = self.receiver.recv().await;
            self.take(delivery);
        }
    }

    /// Takes what has arrived already, without waiting.
    fn take_arrived(&mut self, most: u32) {
        while self.ready.len() < most as usize && self.failure.is_none() {
            // Receiving is cancel safe: what has not arrived is left to the next call.
            match self.receiver.recv().now_or_never() {
                Some(delivery) => self.take(delivery),
                None => return,
            }
        }
    }

    fn take(&mut self, delivery: Result<Incoming, RecvError>) {
        let taken = match delivery {
            Ok(delivery) => {
                let (info, message) = delivery.into_parts();
                self.settling.push(info);
                codec::decode(message, self.partition)
            }
            Err(error) => Err(self.explain(error)),
        };
        match taken {
            Ok(event) => self.ready.push(event),
            Err(error) => self.failure = Some(error),
        }
    }

    fn explain(&self, error: RecvError) -> Error {
        if let Some(violation) = self.tripped.violation()
            && violation.link.as_ref() == Some(&self.link)
        {
            let message = format!("{}: {violation}", self.what);
            return Error::new(ErrorKind::Protocol, message).with_source(violation.clone());
        }
        let word = error.word().map(ServiceError::from);
        match (word, error) {
            (Some(word), _) if word.condition == STOLEN => {
                let conflict = conflict::parse(&word.text, self.own_level);
                let lost = OwnershipLostReason::Stolen(conflict);
                word.into_error_of(ErrorKind::OwnershipLost(lost), &self.what)
            }
            (_, error @ RecvError::LinkStateError(_)) => error.into_error(&self.what),
            (_, error) => Error::new(ErrorKind::Protocol, format!("{}: {error}", self.what)),
        }
    }

    /// Grants so much credit that no more than `most` events are here or under way.
    async fn top_up(&mut self, most: u32) {
        let room = most.saturating_sub(u32::try_from(self.ready.len()).unwrap_or(u32::MAX));
        let granted = self.receiver.credit();
        // By halves: a frame for every event would cost more than it gains. Credit
        // is never lowered: what is under way cannot be called back.
        if granted < room && granted <= room / 2 {
            // A link that cannot take it tells why when it is read.
            let _ = self.receiver.set_credit(room).await;
        }
    }

    /// Settles what came unsettled.
    async fn settle(&mut self) {
        if !self.settling.is_empty() {
            let deliveries = std::mem::take(&mut self.settling);
            // As above.
            let _ = self.receiver.accept_all(deliveries).await;
        }
    }
}

/// A link that its consumer can close, too.
pub(super) type SharedLink = Arc<Mutex<Option<Link>>>;

/// Reads one partition over AMQP.
pub(super) struct AmqpReceiver {
    connection: Arc<Connection>,
    link: SharedLink,
    closed: watch::Receiver<bool>,
    failure: Option<Error>,
}

impl AmqpReceiver {
    pub(super) fn new(
        connection: Arc<Connection>,
        link: SharedLink,
        closed: watch::Receiver<bool>,
    ) -> Self {
        Self {
            connection,
            link,
            closed,
            failure: None,
        }
    }
}

impl AmqpReceiver {
    /// Ends with an error, for good.
    async fn end(&mut self, error: Error) -> Error {
        let error = self.connection.explain(error);
        self.failure = Some(error.clone());
        self.link.lock().await.take();
        error
    }
}

#[async_trait]
impl TransportReceiver for AmqpReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let receiving = async {
            match &mut *self.link.lock().await {
                Some(link) => link.receive(credit).await,
                None => Err(Error::closed("consumer")),
            }
        };
        let received = tokio::select! {
            biased;
            true = is_closed(&mut self.closed) => Err(Error::closed("consumer")),
            received = receiving => received,
        };
        match received {
            Ok(events) => Ok(events),
            Err(error) => Err(self.end(error).await),
        }
    }

    async fn ended(&mut self) -> Error {
        if let Some(error) = &self.failure {
            return error.clone();
        }
        let ending = async {
            match &mut *self.link.lock().await {
                Some(link) => link.ended().await,
                None => Error::closed("consumer"),
            }
        };
        let error = tokio::select! {
            biased;
            true = is_closed(&mut self.closed) => Error::closed("consumer"),
            error = ending => error,
        };
        self.end(error).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let link = self.link.lock().await.take();
        let closed = match link {
            Some(link) => link.close().await,
            None => Ok(()),
        };
        match self.failure {
            Some(error) => Err(error),
            None => closed,
        }
    }
}

/// Waits until the consumer is closed; `false` if it is gone without.
async fn is_closed(closed: &mut watch::Receiver<bool>) -> bool {
    closed.wait_for(|closed| *closed).await.is_ok()
}

impl fmt::Debug for AmqpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpReceiver")
            .field("connection", &self.connection)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
