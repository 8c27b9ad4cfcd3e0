//! What is counted and shown of attaches and of requests to nodes.

use super::address::{self, Address};
use super::broker::{ADDRESS_FIELD, Broker, EPOCH, receiver_name, text_field};
use super::message::{Answer, Request};
use super::sender::Node;
use crate::clients::{LinkDetails, LinkRole, cut};
use crate::hub::Hub;
use crate::metrics::Counters;
use crate::texts::condition;
use crate::wire::performative::{Attach, Role};
use crate::wire::value::Value;
use std::sync::Arc;

/// The capability that clients of geo-replicated hubs ask for.
const GEO_REPLICATION: &str = "com.microsoft:georeplication";

impl Broker {
    /// Counts an attach, refused with `refusal` if there is one.
    pub(crate) fn count_attach(&self, attach: &Attach, refusal: Option<&str>) {
        let hub = Address::parse(link_path(attach)).hub();
        self.count_request(hub, refusal);
    }

    /// Counts a request to a node by the answer it got.
    pub(super) fn count_answer(&self, node: Node, request: &Request, answer: &Answer) {
        let hub = match node {
            Node::Cbs => None,
            Node::Management => request.text("name"),
        };
        self.count_request(hub, answer.error);
    }

    /// Counts a request that names a hub, or does not.
    fn count_request(&self, hub: Option<&str>, refusal: Option<&str>) {
        let hub = hub
            // As in Azure: who may not enter does not show up at the hub.
            .filter(|_| refusal != Some(condition::UNAUTHORIZED_ACCESS))
            .and_then(|name| self.namespace.hub(name).ok());
        let counters: &Counters = match hub {
            Some(hub) => hub.counters(),
            None => self.namespace.counters(),
        };
        counters.request(refusal);
    }

    /// What can be seen of a link that was accepted, and the hub it leads to.
    pub(crate) fn describe(&self, attach: &Attach) -> (LinkDetails, Option<Arc<Hub>>) {
        let path = link_path(attach);
        let address = Address::parse(path);
        let hub = address.hub().and_then(|name| self.namespace.hub(name).ok());
        let (group, partition) = match address {
            Address::Partition { id, .. } => (None, id.parse().ok()),
            Address::Receiver { group, id, .. } => (Some(group), id.parse().ok()),
            _ => (None, None),
        };
        let group = hub
            .zip(group)
            .and_then(|(hub, name)| hub.consumer_group(name).ok());
        let reads_events = attach.role == Role::Receiver && hub.is_some();
        let epoch = attach.properties.get(EPOCH).and_then(Value::as_i64);
        let details = LinkDetails {
            role: match attach.role {
                Role::Sender => LinkRole::Sender,
                Role::Receiver => LinkRole::Receiver,
            },
            name: cut(&attach.name),
            address: cut(path),
            partition,
            consumer_group: group.map(|group| group.to_string()),
            epoch: epoch.filter(|_| reads_events),
            receiver_name: receiver_name(attach).filter(|_| reads_events).map(cut),
            geo_replication: attach.desired_capabilities.has_symbol(GEO_REPLICATION),
        };
        (details, hub.cloned())
    }
}

/// The path of the end of a link that is ours.
fn link_path(attach: &Attach) -> &str {
    let terminus = match attach.role {
        Role::Sender => &attach.target,
        Role::Receiver => &attach.source,
    };
    address::path(text_field(terminus, ADDRESS_FIELD).unwrap_or_default())
}
