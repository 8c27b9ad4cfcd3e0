//! The service as connections see it: what an attach leads to, and what a node answers.

use super::address::{self, Address};
use super::authorization::Authorization;
use super::message::Request;
use super::receiver::{Answers, EventSource, Source};
use super::sender::{EventSink, Node, Sink};
use super::{cbs, management};
use crate::clock;
use crate::hub::Hub;
use crate::namespace::Namespace;
use crate::position::StartPosition;
use crate::receivers::Displaced;
use crate::texts::{self, Scope, ServiceError};
use crate::wire::decode::Result as DecodeResult;
use crate::wire::error::AmqpError;
use crate::wire::performative::{Attach, Role};
use crate::wire::value::Value;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const EPOCH: &str = "com.microsoft:epoch";
/// The second spelling is the official Rust crate's.
const RECEIVER_NAME: [&str; 2] = [
    "com.microsoft:receiver-name",
    "com.microsoft.com:receiver-name",
];
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";
const SELECTOR_FILTER: &str = "apache.org:selector-filter:string";
/// The places of address and filter set in a source or target.
const ADDRESS_FIELD: usize = 0;
const FILTER_FIELD: usize = 7;
/// The largest request to a node.
const MAX_REQUEST_SIZE: u64 = 64 * 1024;

/// The namespace, and how it serves.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) namespace: Namespace,
    pub(crate) acknowledgement_delay: Duration,
}

/// A link that was accepted.
pub(crate) struct Attached {
    pub(crate) endpoint: Endpoint,
    pub(crate) offered_capabilities: Value,
    pub(crate) max_message_size: u64,
}

/// The other end of a link.
pub(crate) enum Endpoint {
    Sink(Sink),
    Source(Source, Option<Displaced>),
}

impl From<ServiceError> for AmqpError {
    fn from(error: ServiceError) -> Self {
        Self {
            condition: Cow::Borrowed(error.condition),
            description: error.text,
        }
    }
}

impl Broker {
    /// Finds out where a link leads.
    ///
    /// # Errors
    ///
    /// The refusal, if the entity is missing, not allowed to this client, held by another, or has no such position.
    pub(crate) fn attach(
        &self,
        attach: &Attach,
        authorization: &Authorization,
    ) -> Result<Attached, ServiceError> {
        let terminus = match attach.role {
            Role::Sender => &attach.target,
            Role::Receiver => &attach.source,
        };
        let path = address::path(text_field(terminus, ADDRESS_FIELD).unwrap_or_default());
        let address = Address::parse(path);
        let client_limit = attach
            .max_message_size
            .filter(|&size| size > 0)
            .unwrap_or(u64::MAX);
        let mut attached = Attached {
            endpoint: match (attach.role, address) {
                (Role::Sender, Address::Cbs) => Endpoint::Sink(Sink::Node(Node::Cbs)),
                (Role::Sender, Address::Management) => Endpoint::Sink(Sink::Node(Node::Management)),
                (Role::Receiver, Address::Cbs) => answers(Node::Cbs, attach),
                (Role::Receiver, Address::Management) => answers(Node::Management, attach),
                (Role::Sender, Address::Gateway { hub }) => {
                    let hub = self.authorized_hub(hub, "Send", path, authorization)?;
                    Endpoint::Sink(Sink::Events(EventSink::new(Arc::clone(hub), None)))
                }
                (Role::Sender, Address::Partition { hub, id }) => {
                    let hub = self.authorized_hub(hub, "Send", path, authorization)?;
                    let (id, _) = hub.partition(id)?;
                    Endpoint::Sink(Sink::Events(EventSink::new(Arc::clone(hub), Some(id))))
                }
                (Role::Receiver, Address::Receiver { hub, group, id }) => {
                    let hub = self.authorized_hub(hub, "Listen", path, authorization)?;
                    receiver(hub, group, id, attach)?
                }
                _ => {
                    let namespace = self.namespace.name();
                    return Err(
                        texts::hub_not_found(namespace, path).tracked(&Scope::hub(namespace, path))
                    );
                }
            },
            offered_capabilities: Value::Null,
            max_message_size: self.namespace.max_message_size().min(client_limit),
        };
        if let Endpoint::Sink(Sink::Node(_)) = attached.endpoint {
            attached.max_message_size = attached.max_message_size.min(MAX_REQUEST_SIZE);
        }
        if attach.desired_capabilities.has_symbol(RUNTIME_METRICS) {
            attached.offered_capabilities = Value::symbol(RUNTIME_METRICS);
        }
        Ok(attached)
    }

    /// Takes a request to a node. Returns the answer, and the address it is to go to where the request names one.
    ///
    /// # Errors
    ///
    /// If the request cannot be decoded.
    pub(crate) fn answer(
        &self,
        node: Node,
        message: &[u8],
        authorization: &mut Authorization,
    ) -> DecodeResult<(Bytes, Option<String>)> {
        let request = Request::decode(message)?;
        let now = now();
        let answer = match node {
            Node::Cbs => cbs::answer(&request, &self.namespace, authorization, now),
            Node::Management => management::answer(&request, &self.namespace, authorization, now),
        };
        Ok((answer.encode(&request), request.reply_to))
    }

    fn authorized_hub(
        &self,
        hub: &str,
        claim: &str,
        path: &str,
        authorization: &Authorization,
    ) -> Result<&Arc<Hub>, ServiceError> {
        if !authorization.covers(path, now()) {
            let namespace = self.namespace.name();
            let resource = format!(
                "sb://{namespace}.servicebus.windows.net/{}",
                path.to_ascii_lowercase()
            );
            return Err(texts::unauthorized(claim, &resource).tracked(&Scope::hub(namespace, hub)));
        }
        self.namespace.hub(hub)
    }
}

fn now() -> i64 {
    clock::unix_millis() / 1000
}

fn text_field(terminus: &Value, field: usize) -> Option<&str> {
    terminus.described_list()?.get(field)?.as_text()
}

fn answers(node: Node, attach: &Attach) -> Endpoint {
    let target = text_field(&attach.target, ADDRESS_FIELD).map(str::to_owned);
    Endpoint::Source(Source::Answers(Answers::new(node, target)), None)
}

fn receiver(hub: &Hub, group: &str, id: &str, attach: &Attach) -> Result<Endpoint, ServiceError> {
    let group = hub.consumer_group(group)?;
    let (id, log) = hub.partition(id)?;
    let next = log.resolve(start_position(&attach.source)?)?;
    let epoch = attach.properties.get(EPOCH).and_then(Value::as_i64);
    let name = RECEIVER_NAME
        .iter()
        .find_map(|key| attach.properties.get(key)?.as_text());
    let (lease, displaced) = hub.attach_receiver(group, id, epoch, name.map(str::to_owned))?;
    let runtime_metrics = attach.desired_capabilities.has_symbol(RUNTIME_METRICS);
    let events = EventSource::new(log, next, runtime_metrics, lease, hub.egress_share());
    Ok(Endpoint::Source(Source::Events(events), Some(displaced)))
}

/// The start position in a source's filter set; SDKs describe the filter with different codes, all are taken.
fn start_position(source: &Value) -> Result<StartPosition, ServiceError> {
    let filters = source
        .described_list()
        .and_then(|fields| fields.get(FILTER_FIELD));
    match filters.and_then(|filters| filters.get(SELECTOR_FILTER)) {
        None | Some(Value::Null) => Ok(StartPosition::default()),
        Some(Value::Described(_, filter)) => {
            StartPosition::parse(filter.as_text().unwrap_or_default())
        }
        Some(filter) => StartPosition::parse(filter.as_text().unwrap_or_default()),
    }
}
