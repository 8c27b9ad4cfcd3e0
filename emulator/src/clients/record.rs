//! A connection's and a link's own end of the table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::info::{ConnectionInfo, Identity, LinkDetails, LinkInfo};
use super::registry::Registry;
use crate::hub::Hub;
use crate::metrics::Counters;

/// A connection as the table shows it.
#[derive(Debug)]
pub(super) struct ConnectionEntry {
    id: u64,
    peer: SocketAddr,
    identity: Identity,
    opened_at: SystemTime,
    links: Mutex<Links>,
    /// The namespace's own.
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Links {
    last_id: u64,
    by_id: BTreeMap<u64, Arc<LinkEntry>>,
}

impl Links {
    fn lead_to(&self, hub: &Arc<Hub>) -> bool {
        let same = |entry: &Arc<LinkEntry>| entry.hub.as_ref().is_some_and(|h| Arc::ptr_eq(h, hub));
        self.by_id.values().any(same)
    }
}

impl ConnectionEntry {
    pub(super) fn new(
        id: u64,
        peer: SocketAddr,
        identity: Identity,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            id,
            peer,
            identity,
            opened_at: SystemTime::now(),
            links: Mutex::default(),
            counters,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        let identity = &self.identity;
        ConnectionInfo {
            id: self.id,
            peer: self.peer,
            container_id: identity.container_id.clone(),
            product: identity.product.clone(),
            version: identity.version.clone(),
            user_agent: identity.user_agent.clone(),
            opened_at: self.opened_at,
            links: self
                .links()
                .by_id
                .values()
                .map(|entry| entry.info())
                .collect(),
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link as the table shows it.
#[derive(Debug)]
struct LinkEntry {
    details: LinkDetails,
    hub: Option<Arc<Hub>>,
    credit: AtomicU32,
    deliveries: AtomicU64,
}

impl LinkEntry {
    fn info(&self) -> LinkInfo {
        let details = &self.details;
        LinkInfo {
            role: details.role,
            name: details.name.clone(),
            address: details.address.clone(),
            hub: self.hub.as_ref().map(|hub| hub.name().to_owned()),
            partition: details.partition,
            consumer_group: details.consumer_group.clone(),
            epoch: details.epoch,
            receiver_name: details.receiver_name.clone(),
            geo_replication: details.geo_replication,
            credit: self.credit.load(Ordering::Relaxed),
            deliveries: self.deliveries.load(Ordering::Relaxed),
        }
    }
}

/// Keeps a connection in the table; dropping it takes the connection out.
#[derive(Debug)]
#[must_use]
pub(crate) struct ConnectionRecord {
    registry: Arc<Registry>,
    entry: Arc<ConnectionEntry>,
}

impl ConnectionRecord {
    pub(super) fn new(registry: Arc<Registry>, entry: Arc<ConnectionEntry>) -> Self {
        Self { registry, entry }
    }

    /// Enters a link that has just been attached, until the record is dropped; `hub` is where it leads.
    pub(crate) fn attach(&self, details: LinkDetails, hub: Option<Arc<Hub>>) -> LinkRecord {
        let mut links = self.entry.links();
        if let Some(hub) = hub.as_ref().filter(|hub| !links.lead_to(hub)) {
            hub.counters().connection_opened();
        }
        links.last_id += 1;
        let (id, link) = (
            links.last_id,
            Arc::new(LinkEntry {
                details,
                hub,
                credit: AtomicU32::new(0),
                deliveries: AtomicU64::new(0),
            }),
        );
        links.by_id.insert(id, Arc::clone(&link));
        LinkRecord {
            connection: Arc::clone(&self.entry),
            id,
            link,
        }
    }
}

impl Drop for ConnectionRecord {
    fn drop(&mut self) {
        self.registry.close(self.entry.id);
    }
}

/// Keeps a link in the table and its hub's counters right; dropping it takes the link out.
#[derive(Debug)]
#[must_use]
pub(crate) struct LinkRecord {
    connection: Arc<ConnectionEntry>,
    id: u64,
    link: Arc<LinkEntry>,
}

impl LinkRecord {
    /// The receiving side takes so many messages now.
    pub(crate) fn set_credit(&self, credit: u32) {
        self.link.credit.store(credit, Ordering::Relaxed);
    }

    /// The client has granted credit.
    pub(crate) fn granted(&self, credit: u32) {
        self.set_credit(credit);
        match &self.link.hub {
            Some(hub) => hub.counters().request(None),
            None => self.connection.counters.changed(),
        }
    }

    /// The client has sent a message, which was refused with `condition` if there is one.
    pub(crate) fn sent(&self, credit: u32, condition: Option<&str>) {
        self.set_credit(credit);
        self.link.deliveries.fetch_add(1, Ordering::Relaxed);
        match &self.link.hub {
            Some(hub) => hub.counters().request(condition),
            // A node has counted what it answered.
            None if condition.is_none() => self.connection.counters.changed(),
            None => self.connection.counters.request(condition),
        }
    }

    /// The client was sent `messages`, which leaves it with so much credit.
    pub(crate) fn delivered(&self, credit: u32, messages: u64, bytes: u64) {
        self.set_credit(credit);
        self.link.deliveries.fetch_add(messages, Ordering::Relaxed);
        match &self.link.hub {
            Some(hub) => hub.counters().delivered(messages, bytes),
            None => self.connection.counters.changed(),
        }
    }

    /// The link is taken from the client.
    pub(crate) fn failed(&self, condition: &str) {
        if let Some(hub) = &self.link.hub {
            hub.counters().error(condition);
        }
    }
}

impl Drop for LinkRecord {
    fn drop(&mut self) {
        let mut links = self.connection.links();
        links.by_id.remove(&self.id);
        if let Some(hub) = self.link.hub.as_ref().filter(|hub| !links.lead_to(hub)) {
            hub.counters().connection_closed();
        }
        drop(links);
        self.connection.counters.changed();
    }
}
