//! Where faults strike a connection: they take links away, hold things back, and let go of them again.

use super::connection::{Channel, Connection, Ending};
use super::error::AmqpError;
use super::session::Slot;
use crate::faults::{Break, FaultId, Immediate, Kind, LinkKind, OutcomeFault, Place, When};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Where a session or connection without links is.
const NOWHERE: Place = Place {
    hub: None,
    partition: None,
    link: LinkKind::Cbs,
};

/// What a fault takes at a moment.
pub(super) fn broken(when: When) -> impl Fn(&Kind) -> Option<Break> {
    move |kind| match kind {
        Kind::Break(at, what) if *at == when => Some(what.clone()),
        _ => None,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) fn place(&self, channel: u16, handle: u32) -> Option<&Place> {
        match self.channels.get(&channel)? {
            Channel::Open(session) => session.slots.get(&handle)?.place(),
            Channel::Ending => None,
        }
    }

    /// Lets a fault take something from the client at this moment; `true` if one did.
    pub(super) fn break_at(&mut self, when: When, channel: u16, handle: u32) -> bool {
        let Some(place) = self.place(channel, handle) else {
            return false;
        };
        let Some((_, what)) = self.broker.faults.strike(place, broken(when)) else {
            return false;
        };
        self.break_off(what, channel, Some(handle));
        true
    }

    /// Takes a link, or the session or connection that holds it.
    pub(super) fn break_off(&mut self, what: Break, channel: u16, handle: Option<u32>) {
        // What was dealt with before is told before.
        self.acks.write_due(Instant::now(), &mut self.io.output);
        let place = handle.and_then(|handle| self.place(channel, handle));
        let place = place.cloned().unwrap_or(NOWHERE);
        match what {
            Break::Link(failure) => {
                let error = self.broker.told(failure, &place);
                if let Some(handle) = handle {
                    self.take_link(channel, handle, error);
                }
            }
            Break::Session(failure) => {
                let error = self.broker.told(failure, &place);
                self.end_session(channel, error);
            }
            Break::Connection(failure) => {
                let failure = failure.map(|failure| self.broker.told(failure, &place));
                self.ending = Some(failure.map_or(Ending::Dropped, Ending::Fault));
            }
        }
    }

    fn take_link(&mut self, channel: u16, handle: u32, error: AmqpError) {
        let slot = self
            .session(channel)
            .and_then(|session| session.slots.insert(handle, Slot::Detaching));
        if let Some(slot) = slot {
            self.drop_slot(slot);
        }
        self.write_detach(channel, handle, error);
    }

    /// What a fault does to the message that a link has brought.
    pub(super) fn outcome_fault(
        &self,
        channel: u16,
        handle: u32,
    ) -> Option<(FaultId, OutcomeFault)> {
        let place = self.place(channel, handle)?;
        self.broker.faults.strike(place, |kind| match kind {
            Kind::Outcome(fault) => Some(fault.clone()),
            _ => None,
        })
    }

    /// A fault was injected, or one is over.
    pub(super) fn on_faults_changed(&mut self) {
        let faults = Arc::clone(&self.broker.faults);
        for fault in faults.immediate(&mut self.faults_seen) {
            self.break_now(&fault);
        }
        self.acks
            .let_go(Instant::now(), |fault| !faults.holds(fault));
        let (mut credit, mut stalled) = (Vec::new(), Vec::new());
        for (&channel, session) in &mut self.channels {
            let Channel::Open(session) = session else {
                continue;
            };
            for (&handle, slot) in &mut session.slots {
                if let Slot::Incoming(link) = slot {
                    let before = link.withheld;
                    link.has_no_credit(&faults);
                    if link.withheld != before {
                        credit.push((channel, handle));
                    }
                }
            }
            stalled.extend(session.outgoing_keys(channel));
        }
        for (channel, handle) in credit {
            self.write_flow(channel, Some(handle));
        }
        for key in stalled {
            self.enqueue(key);
        }
    }

    /// Takes all that a fault concerns, as far as its strikes go.
    fn break_now(&mut self, fault: &Immediate) {
        let mut links = Vec::new();
        for (&channel, session) in &self.channels {
            let Channel::Open(session) = session else {
                continue;
            };
            let here = session.slots.iter().filter_map(|(&handle, slot)| {
                fault.scope.covers(slot.place()?).then_some(Some(handle))
            });
            let before = links.len();
            links.extend(here.map(|handle| (channel, handle)));
            // A session counts once.
            if let Break::Session(_) = fault.what {
                links.truncate(before + 1);
                if links.len() == before && fault.scope.is_everywhere() {
                    links.push((channel, None));
                }
            }
        }
        links.sort_unstable();
        if let Break::Connection(_) = fault.what {
            links.truncate(1);
            if links.is_empty() && fault.scope.is_everywhere() {
                links.push((0, None));
            }
        }
        for (channel, handle) in links {
            if self.broker.faults.strike_by(fault.id) {
                self.break_off(fault.what.clone(), channel, handle);
            }
        }
    }
}
