//! Requests to a node of the service, such as `$cbs`, and its answers.
//!
//! Not the field's management client: that one takes whatever answer comes
//! next for its own, so a request given up would answer the one after it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::session::{self, SessionHandle};
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Message, MessageId, Outcome, Properties,
};
use fe2o3_amqp::types::primitives::{OrderedMap, SimpleValue, Value};
use fe2o3_amqp::{Delivery, Receiver, Sender};

use super::errors::{ServiceError, Spoken};
use crate::error::{Error, ErrorKind};
use crate::transport::service_error::condition_of;

/// A node, reached over a pair of links on a session of its own.
///
/// Links that broke are attached again by the next call.
pub(super) struct Node {
    session: SessionHandle<()>,
    address: &'static str,
    links: Option<Links>,
    next_id: u64,
}

struct Links {
    sender: Sender,
    receiver: Receiver,
    reply_to: String,
}

/// A link name that no other link of this process has.
pub(super) fn link_name(address: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{address}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Node {
    pub(super) fn new(session: SessionHandle<()>, address: &'static str) -> Self {
        Self {
            session,
            address,
            links: None,
            next_id: 0,
        }
    }

    /// Whether the node can be called no more: its session ended.
    pub(super) fn is_ended(&self) -> bool {
        self.session.is_ended()
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Cancel safety
    /// An answer that nobody waits for any more is skipped by the next call.
    pub(super) async fn call<const N: usize>(
        &mut self,
        properties: [(&str, String); N],
        body: Value,
    ) -> Result<Value, Error> {
        let links = match self.links.take() {
            Some(links) => links,
            None => Links::attach(&mut self.session, self.address).await?,
        };
        let id = self.next_id;
        self.next_id += 1;
        let links = self.links.insert(links);
        let exchange = links.exchange(self.address, id, properties, body);
        let answer = tokio::select! {
            biased;
            answer = exchange => answer,
            // The stack lets a request wait for its outcome for ever then.
            ended = self.session.on_end() => Err(session_ended(self.address, ended)),
        };
        match answer {
            Ok(answer) => read(self.address, answer.into_message()),
            Err(error) => {
                self.links = None;
                Err(error)
            }
        }
    }
}

impl Links {
    async fn attach(session: &mut SessionHandle<()>, address: &str) -> Result<Self, Error> {
        let what = format!("attaching to {address}");
        let reply_to = link_name(address);
        let sender = Sender::attach(session, link_name(address), address).await;
        let sender = sender.map_err(|error| error.into_error(&what))?;
        let receiver = Receiver::builder()
            .name(reply_to.clone())
            .source(address)
            .target(reply_to.clone())
            .attach(session)
            .await;
        let receiver = receiver.map_err(|error| error.into_error(&what))?;
        Ok(Self {
            sender,
            receiver,
            reply_to,
        })
    }

    async fn exchange<const N: usize>(
        &mut self,
        address: &str,
        id: u64,
        properties: [(&str, String); N],
        body: Value,
    ) -> Result<Delivery<Body<Value>>, Error> {
        let what = format!("calling {address}");
        let message = Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: Some(Properties {
                message_id: Some(MessageId::Ulong(id)),
                reply_to: Some(self.reply_to.clone()),
                ..Properties::default()
            }),
            application_properties: Some(application_properties(properties)),
            body: AmqpValue(body),
            footer: None,
        };
        let sent = self.sender.send(Sendable::from(message)).await;
        match sent.map_err(|error| error.into_error(&what))? {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(rejected) => {
                let word = rejected.error.as_ref().map(ServiceError::from);
                return Err(word.map_or_else(
                    || Error::new(ErrorKind::NotAcknowledged, format!("{what}: rejected")),
                    |word| word.into_error(&what),
                ));
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::NotAcknowledged,
                    format!("{what}: not taken"),
                ));
            }
        }
        loop {
            let delivery: Delivery<Body<Value>> = self
                .receiver
                .recv()
                .await
                .map_err(|error| error.into_error(&what))?;
            let accepted = self.receiver.accept(&delivery).await;
            accepted
                .map_err(|error| Error::new(ErrorKind::Disconnected, format!("{what}: {error}")))?;
            let properties = delivery.message().properties.as_ref();
            let answered = properties.and_then(|properties| properties.correlation_id.as_ref());
            if answered == Some(&MessageId::Ulong(id)) {
                return Ok(delivery);
            }
        }
    }
}

fn session_ended(address: &str, ended: Result<(), session::Error>) -> Error {
    let what = format!("calling {address}");
    match ended {
        Err(error) => error.into_error(&what),
        Ok(()) => Error::new(
            ErrorKind::Disconnected,
            format!("{what}: the session ended"),
        ),
    }
}

fn application_properties<const N: usize>(
    properties: [(&str, String); N],
) -> ApplicationProperties {
    let mut map = OrderedMap::new();
    for (name, value) in properties {
        map.insert(name.to_owned(), SimpleValue::String(value));
    }
    ApplicationProperties(map)
}

/// Takes an answer apart: its body, or what the node objects to.
fn read(address: &str, answer: Message<Body<Value>>) -> Result<Value, Error> {
    let what = format!("{address} refused");
    let properties = answer.application_properties.unwrap_or_default().0;
    let text = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| properties.get(*name));
        match found {
            Some(SimpleValue::String(text)) => Some(text.clone()),
            Some(SimpleValue::Symbol(symbol)) => Some(symbol.as_str().to_owned()),
            _ => None,
        }
    };
    let status = match ["status-code", "statusCode"]
        .iter()
        .find_map(|name| properties.get(*name))
    {
        Some(SimpleValue::Int(status)) => *status,
        _ => {
            let message = format!("{address} answered without a status");
            return Err(Error::new(ErrorKind::Protocol, message));
        }
    };
    if (200..300).contains(&status) {
        return Ok(match answer.body {
            Body::Value(AmqpValue(value)) => value,
            _ => Value::Null,
        });
    }
    let condition = text(["error-condition", "errorCondition"]);
    let word = ServiceError {
        condition: condition.unwrap_or_else(|| condition_of(status).to_owned()),
        text: text(["status-description", "statusDescription"]).unwrap_or_default(),
    };
    Err(word.into_error(&what))
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
