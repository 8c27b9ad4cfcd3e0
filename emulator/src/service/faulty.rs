//! Faults in the service's words: where a link leads, and what its client is told.

use super::address::Address;
use super::broker::{self, Broker};
use super::message::{Answer, Request};
use super::sender::Node;
use crate::faults::{AnswerFault, Failure, Kind, LinkKind, Place};
use crate::texts::{self, Scope, condition};
use crate::wire::error::AmqpError;
use crate::wire::error::condition::DETACH_FORCED;
use crate::wire::performative::{Attach, Role};
use crate::wire::value::Value;

/// The code of what is throttled because too much is sent.
const TOO_MUCH_SENT: u32 = 50002;

impl Broker {
    /// The fault that a request meets.
    pub(super) fn answer_fault(&self, node: Node, request: &Request) -> Option<AnswerFault> {
        let link = match node {
            Node::Cbs => LinkKind::Cbs,
            Node::Management => LinkKind::Management,
        };
        let hub = (node == Node::Management).then(|| request.text("name"));
        let place = Place {
            hub: hub.flatten().map(Box::from),
            partition: request
                .text("partition")
                .and_then(|partition| partition.parse().ok()),
            link,
        };
        let struck = self.faults.strike(&place, |kind| match kind {
            Kind::Answer(fault) => Some(fault.clone()),
            _ => None,
        });
        struck.map(|(_, fault)| fault)
    }

    /// The error of a fault at `place`.
    pub(crate) fn told(&self, failure: Failure, place: &Place) -> AmqpError {
        match failure {
            Failure::Said(error) => error,
            Failure::ServerBusy { wait_seconds } => {
                texts::server_busy(&self.scope(place), TOO_MUCH_SENT, wait_seconds).into()
            }
            Failure::Idle => {
                let sends = place.link == LinkKind::Sender;
                let hub = place.hub.as_deref().unwrap_or_default();
                let text = texts::idle_link(hub, sends, self.idle.link);
                AmqpError::new(DETACH_FORCED, text)
            }
        }
    }

    fn scope(&self, place: &Place) -> Scope {
        let namespace = self.namespace.name();
        let name = place.hub.as_deref().unwrap_or_default();
        let scope = Scope::hub(namespace, name);
        match (self.namespace.hub(name), place.partition) {
            (Ok(hub), Some(partition)) => scope.partition(partition, hub.partition_count()),
            _ => scope,
        }
    }
}

/// Where a link leads, whether there is such a place or not.
pub(crate) fn place(attach: &Attach) -> Place {
    let (hub, partition, link) = match Address::parse(broker::path(attach)) {
        Address::Cbs => (None, None, LinkKind::Cbs),
        Address::Management => (None, None, LinkKind::Management),
        Address::Partition { hub, id } | Address::Receiver { hub, id, .. } => {
            (Some(hub), id.parse().ok(), role(attach))
        }
        Address::Gateway { hub } => (Some(hub), None, role(attach)),
        Address::Unknown => (None, None, role(attach)),
    };
    Place {
        hub: hub.map(Box::from),
        partition,
        link,
    }
}

fn role(attach: &Attach) -> LinkKind {
    match attach.role {
        Role::Sender => LinkKind::Sender,
        Role::Receiver => LinkKind::Receiver,
    }
}

/// The answer of a node that refuses.
pub(super) fn refusal(status: i32, description: String) -> Answer {
    let error = match status {
        400 => Some(condition::ARGUMENT_ERROR),
        401 => Some(condition::UNAUTHORIZED_ACCESS),
        403 => Some(condition::RESOURCE_LIMIT_EXCEEDED),
        404 => Some(condition::NOT_FOUND),
        410 => Some(condition::LINK_STOLEN),
        503 => Some(condition::SERVER_BUSY),
        _ => None,
    };
    Answer {
        status,
        description,
        error,
        body: Value::Null,
    }
}
