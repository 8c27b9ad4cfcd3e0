//! The service as connections see it: what an attach leads to, and what a node answers.

use super::address::{self, Address};
use super::answers::Answers;
use super::authorization::{Authorization, Claim};
use super::faulty::refusal;
use super::message::{Answer, Request};
use super::receiver::{EventSource, Source};
use super::sender::{EventSink, Node, Sink};
use super::{cbs, management};
use crate::access_key::Right;
use crate::clock::Clock;
use crate::faults::{AnswerFault, Registry};
use crate::hub::Hub;
use crate::namespace::Namespace;
use crate::position::StartPosition;
use crate::receivers::Displaced;
use crate::texts::{self, Scope, ServiceError};
use crate::wire::IdleTimeOuts;
use crate::wire::decode::Result as DecodeResult;
use crate::wire::error::AmqpError;
use crate::wire::performative::{Attach, Role};
use crate::wire::value::Value;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub(super) const EPOCH: &str = "com.microsoft:epoch";
/// The second spelling is the official Rust crate's.
const RECEIVER_NAME: [&str; 2] = [
    "com.microsoft:receiver-name",
    "com.microsoft.com:receiver-name",
];
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";
const SELECTOR_FILTER: &str = "apache.org:selector-filter:string";
/// The places of address and filter set in a source or target.
pub(super) const ADDRESS_FIELD: usize = 0;
const FILTER_FIELD: usize = 7;
/// The largest request to a node.
const MAX_REQUEST_SIZE: u64 = 64 * 1024;
/// The longest name of a receiver, in characters.
const MAX_RECEIVER_NAME: usize = 64;

/// The namespace, and how it serves.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) namespace: Namespace,
    pub(crate) acknowledgement_delay: Duration,
    pub(crate) idle: IdleTimeOuts,
    /// By which tokens are valid.
    pub(crate) clock: Clock,
    pub(crate) faults: Arc<Registry>,
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

/// What a node does with a request.
pub(crate) enum Reply {
    Answer {
        answer: Bytes,
        /// The address it is to go to, where the request names one.
        to: Option<String>,
        /// How late it comes.
        delay: Duration,
    },
    /// It never answers.
    Silence,
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
        let path = path(attach);
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
                    let claim = self.claim(Right::Send, path, authorization)?;
                    let hub = Arc::clone(self.namespace.hub(hub)?);
                    Endpoint::Sink(Sink::Events(EventSink::new(hub, None, claim)))
                }
                (Role::Sender, Address::Partition { hub, id }) => {
                    let claim = self.claim(Right::Send, path, authorization)?;
                    let hub = Arc::clone(self.namespace.hub(hub)?);
                    let (id, _) = hub.partition(id)?;
                    Endpoint::Sink(Sink::Events(EventSink::new(hub, Some(id), claim)))
                }
                (Role::Receiver, Address::Receiver { hub, group, id }) => {
                    let claim = self.claim(Right::Listen, path, authorization)?;
                    receiver(self.namespace.hub(hub)?, group, id, attach, claim)?
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

    /// Takes a request to a node.
    ///
    /// # Errors
    ///
    /// If the request cannot be decoded.
    pub(crate) fn answer(
        &self,
        node: Node,
        message: &[u8],
        authorization: &mut Authorization,
    ) -> DecodeResult<Reply> {
        let request = Request::decode(message)?;
        let now = self.clock.unix_seconds();
        let fault = self.answer_fault(node, &request);
        let (answer, delay) = match fault {
            Some(AnswerFault::Ignore) => return Ok(Reply::Silence),
            Some(AnswerFault::Refuse {
                status,
                description,
            }) => (refusal(status, description), Duration::ZERO),
            Some(AnswerFault::Delay(delay)) => {
                (self.ask(node, &request, authorization, now), delay)
            }
            None => (self.ask(node, &request, authorization, now), Duration::ZERO),
        };
        self.count_answer(node, &request, &answer);
        let answer = answer.encode(&request);
        Ok(Reply::Answer {
            answer,
            to: request.reply_to,
            delay,
        })
    }

    fn ask(
        &self,
        node: Node,
        request: &Request,
        authorization: &mut Authorization,
        now: i64,
    ) -> Answer {
        match node {
            Node::Cbs => cbs::answer(request, &self.namespace, authorization, now),
            Node::Management => management::answer(request, &self.namespace, authorization, now),
        }
    }

    /// Checks that what a link needs is still allowed.
    ///
    /// # Errors
    ///
    /// What the link is to be refused or detached with.
    pub(crate) fn check(
        &self,
        claim: &Claim,
        authorization: &Authorization,
    ) -> Result<(), ServiceError> {
        let Claim { right, path } = claim;
        if authorization.allows(*right, path, self.clock.unix_seconds()) {
            return Ok(());
        }
        let namespace = self.namespace.name();
        let path = path.to_ascii_lowercase();
        let resource = format!("sb://{namespace}.servicebus.windows.net/{path}");
        let hub = path.split('/').next().unwrap_or_default();
        let scope = Scope::hub(namespace, hub);
        Err(texts::unauthorized(&right.to_string(), &resource).tracked(&scope))
    }

    fn claim(
        &self,
        right: Right,
        path: &str,
        authorization: &Authorization,
    ) -> Result<Claim, ServiceError> {
        let path = path.to_owned();
        let claim = Claim { right, path };
        self.check(&claim, authorization).map(|()| claim)
    }
}

/// The path of the far end of a link.
pub(super) fn path(attach: &Attach) -> &str {
    let terminus = match attach.role {
        Role::Sender => &attach.target,
        Role::Receiver => &attach.source,
    };
    address::path(text_field(terminus, ADDRESS_FIELD).unwrap_or_default())
}

pub(super) fn text_field(terminus: &Value, field: usize) -> Option<&str> {
    terminus.described_list()?.get(field)?.as_text()
}

fn answers(node: Node, attach: &Attach) -> Endpoint {
    let target = text_field(&attach.target, ADDRESS_FIELD);
    Endpoint::Source(Source::Answers(Answers::new(node, target)), None)
}

fn receiver(
    hub: &Hub,
    group: &str,
    id: &str,
    attach: &Attach,
    claim: Claim,
) -> Result<Endpoint, ServiceError> {
    let group = hub.consumer_group(group)?;
    let (id, log) = hub.partition(id)?;
    let start = log.resolve(start_position(&attach.source)?)?;
    let epoch = attach.properties.get(EPOCH).and_then(Value::as_i64);
    let name = receiver_name(attach);
    if name.is_some_and(|name| name.chars().count() > MAX_RECEIVER_NAME) {
        return Err(texts::receiver_name_too_long(MAX_RECEIVER_NAME));
    }
    let (lease, displaced) = hub.attach_receiver(group, id, epoch, name.map(str::to_owned))?;
    let runtime_metrics = attach.desired_capabilities.has_symbol(RUNTIME_METRICS);
    let share = hub.egress_share();
    let events = EventSource::new(log, start, runtime_metrics, lease, claim, share);
    Ok(Endpoint::Source(Source::Events(events), Some(displaced)))
}

pub(super) fn receiver_name(attach: &Attach) -> Option<&str> {
    let property = |key: &&str| attach.properties.get(key)?.as_text();
    RECEIVER_NAME.iter().find_map(property)
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
