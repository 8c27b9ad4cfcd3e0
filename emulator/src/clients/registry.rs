//! The table of all connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::info::{ConnectionInfo, Identity};
use super::record::{ConnectionEntry, ConnectionRecord};
use crate::metrics::Counters;

/// The connections of a namespace, in order of arrival.
#[derive(Debug)]
pub(crate) struct Registry {
    connections: Mutex<Connections>,
    /// The namespace's own.
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Connections {
    last_id: u64,
    by_id: BTreeMap<u64, Arc<ConnectionEntry>>,
}

impl Registry {
    pub(crate) fn new(counters: &Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            connections: Mutex::default(),
            counters: Arc::clone(counters),
        })
    }

    /// Enters a connection that has just been opened, until the record is dropped.
    pub(crate) fn open(self: &Arc<Self>, peer: SocketAddr, identity: Identity) -> ConnectionRecord {
        let mut connections = self.connections();
        connections.last_id += 1;
        let counters = Arc::clone(&self.counters);
        let entry = ConnectionEntry::new(connections.last_id, peer, identity, counters);
        let entry = Arc::new(entry);
        connections.by_id.insert(entry.id(), Arc::clone(&entry));
        drop(connections);
        self.counters.connection_opened();
        ConnectionRecord::new(Arc::clone(self), entry)
    }

    pub(super) fn close(&self, id: u64) {
        self.connections().by_id.remove(&id);
        self.counters.connection_closed();
    }

    /// Every connection, in order of arrival.
    pub(crate) fn list(&self) -> Vec<ConnectionInfo> {
        // Not under the lock: nobody's opening waits for this.
        let entries: Vec<_> = self.connections().by_id.values().cloned().collect();
        entries.iter().map(|entry| entry.info()).collect()
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
