//! A session: the transfer windows of both directions, and the links by handle.

use super::connection::LinkKey;
use super::error::{AmqpError, condition};
use super::link::{IncomingLink, OutgoingLink};
use super::performative::{Begin, Disposition, Flow};
use crate::faults::Place;
use crate::service::{Claim, Node, Source};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// How many transfer frames a peer may have under way, as the service.
const INCOMING_WINDOW: u32 = 5000;
/// The highest handle, as the service: 256 links per session.
pub(crate) const HANDLE_MAX: u32 = 255;

/// What a handle stands for.
pub(crate) enum Slot {
    /// The peer sends.
    Incoming(IncomingLink),
    /// The peer receives.
    Outgoing(OutgoingLink),
    /// The peer's attach is answered later; the last flow it sent meanwhile.
    Attaching(u64, Option<Flow>),
    /// We have detached, or never answer; what still arrives is ignored until the peer's detach.
    Detaching,
}

impl Slot {
    /// What the link needs to be allowed as long as it lives.
    pub(super) fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Incoming(link) => link.sink.claim(),
            Self::Outgoing(link) => link.source.claim(),
            Self::Attaching(..) | Self::Detaching => None,
        }
    }

    /// Where its link leads, if there is one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::Incoming(link) => Some(&link.place),
            Self::Outgoing(link) => Some(&link.place),
            Self::Attaching(..) | Self::Detaching => None,
        }
    }
}

pub(crate) struct Session {
    next_incoming_id: u32,
    incoming_left: u32,
    next_outgoing_id: u32,
    remote_incoming_window: u32,
    next_delivery_id: u32,
    handle_max: u32,
    pub(crate) slots: BTreeMap<u32, Slot>,
}

impl Session {
    pub(crate) fn new(begin: &Begin) -> Self {
        Self {
            next_incoming_id: begin.next_outgoing_id,
            incoming_left: INCOMING_WINDOW,
            next_outgoing_id: 0,
            remote_incoming_window: begin.incoming_window,
            next_delivery_id: 0,
            handle_max: begin.handle_max.min(HANDLE_MAX),
            slots: BTreeMap::new(),
        }
    }

    /// The answer to the begin that came on `channel`.
    pub(crate) fn answer(&self, channel: u16) -> Begin {
        Begin {
            remote_channel: Some(channel),
            next_outgoing_id: self.next_outgoing_id,
            incoming_window: self.incoming_left,
            outgoing_window: INCOMING_WINDOW,
            handle_max: HANDLE_MAX,
        }
    }

    /// Checks that a link may be attached at `handle`, where the peer must take ours, too.
    pub(crate) fn check_handle(&self, handle: u32) -> Result<(), AmqpError> {
        if handle > self.handle_max {
            let text = format!(
                "The handle {handle} is above the maximum of {}.",
                self.handle_max
            );
            return Err(AmqpError::new(condition::NOT_ALLOWED, text));
        }
        match self.slots.get(&handle) {
            // A peer that attaches anew has let go of what we detached.
            None | Some(Slot::Detaching) => Ok(()),
            Some(_) => Err(AmqpError::new(
                condition::HANDLE_IN_USE,
                format!("The handle {handle} is attached already."),
            )),
        }
    }

    /// Counts a transfer frame that came in; `true` when the peer is to be told of its new window.
    pub(crate) fn transfer_received(&mut self) -> Result<bool, AmqpError> {
        let Some(left) = self.incoming_left.checked_sub(1) else {
            return Err(AmqpError::new(
                condition::WINDOW_VIOLATION,
                "The session's incoming window is exceeded.",
            ));
        };
        self.incoming_left = left;
        self.next_incoming_id = self.next_incoming_id.wrapping_add(1);
        Ok(left <= INCOMING_WINDOW / 2)
    }

    /// Takes in the peer's view of the session; `true` if transfers may go out that could not before.
    pub(crate) fn flow_received(&mut self, flow: &Flow) -> bool {
        let was_shut = self.remote_incoming_window == 0;
        // A peer that has not seen our begin does not know our first id, which is 0.
        let base = flow.next_incoming_id.unwrap_or(0);
        let under_way = self.next_outgoing_id.wrapping_sub(base);
        self.remote_incoming_window = flow.incoming_window.saturating_sub(under_way);
        was_shut && self.remote_incoming_window > 0
    }

    /// Takes the place of one transfer frame in the peer's window; `false` if there is none.
    pub(crate) fn transfer_sent(&mut self) -> bool {
        let Some(left) = self.remote_incoming_window.checked_sub(1) else {
            return false;
        };
        self.remote_incoming_window = left;
        self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
        true
    }

    /// Whether [`Session::transfer_sent`] would find a place.
    pub(crate) fn may_send(&self) -> bool {
        self.remote_incoming_window > 0
    }

    /// The links on which the peer receives.
    pub(super) fn outgoing_keys(&self, channel: u16) -> impl Iterator<Item = LinkKey> {
        self.slots
            .iter()
            .filter_map(move |(&handle, slot)| match slot {
                Slot::Outgoing(link) => Some(LinkKey {
                    channel,
                    handle,
                    id: link.id,
                }),
                _ => None,
            })
    }

    /// The peer has told outcomes: the links whose deliveries they can be about are in use.
    pub(super) fn settled(&mut self, outcomes: &Disposition, now: Instant) {
        let (first, last) = (outcomes.first, outcomes.last.unwrap_or(outcomes.first));
        for slot in self.slots.values_mut() {
            if let Slot::Outgoing(link) = slot
                && link.may_have_delivered(first, last, self.next_delivery_id)
            {
                link.last_used = now;
            }
        }
    }

    /// The link from a node, by the address the peer gave it where one is asked for.
    pub(super) fn answers_link(
        &self,
        channel: u16,
        node: Node,
        address: Option<&str>,
    ) -> Option<LinkKey> {
        self.slots.iter().find_map(|(&handle, slot)| match slot {
            Slot::Outgoing(OutgoingLink {
                id,
                source: Source::Answers(answers),
                ..
            }) if answers.node == node
                && (address.is_none() || answers.target.as_deref() == address) =>
            {
                Some(LinkKey {
                    channel,
                    handle,
                    id: *id,
                })
            }
            _ => None,
        })
    }

    /// The id of the next delivery to the peer.
    pub(crate) fn delivery_id(&self) -> u32 {
        self.next_delivery_id
    }

    /// Counts a delivery that was begun under [`Session::delivery_id`].
    pub(crate) fn delivery_begun(&mut self) {
        self.next_delivery_id = self.next_delivery_id.wrapping_add(1);
    }

    /// Our view of the session, the peer's window full again: what we receive is dealt with at once.
    pub(crate) fn flow(&mut self) -> Flow {
        self.incoming_left = INCOMING_WINDOW;
        Flow {
            next_incoming_id: Some(self.next_incoming_id),
            incoming_window: INCOMING_WINDOW,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: INCOMING_WINDOW,
            handle: None,
            delivery_count: None,
            link_credit: None,
            available: None,
            drain: false,
            echo: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(incoming_window: u32) -> Session {
        Session::new(&Begin {
            remote_channel: None,
            next_outgoing_id: u32::MAX,
            incoming_window,
            outgoing_window: 1,
            handle_max: 7,
        })
    }

    fn flow(next_incoming_id: Option<u32>, incoming_window: u32) -> Flow {
        Flow {
            next_incoming_id,
            incoming_window,
            ..session(0).flow()
        }
    }

    #[test]
    fn a_transfer_beyond_the_incoming_window_is_a_violation() {
        let mut session = session(0);
        for _ in 0..INCOMING_WINDOW {
            session.transfer_received().unwrap();
        }
        assert_eq!(
            session.transfer_received().unwrap_err().condition,
            condition::WINDOW_VIOLATION
        );
        assert_eq!(
            session.flow().next_incoming_id,
            Some(INCOMING_WINDOW - 1),
            "ids wrap around"
        );
        assert_eq!(
            session.transfer_received(),
            Ok(false),
            "a flow opens the window again"
        );
    }

    #[test]
    fn the_peer_is_told_of_its_window_when_half_is_used() {
        let mut session = session(0);
        let calls = (1..).find(|_| session.transfer_received().unwrap());
        assert_eq!(calls, Some(INCOMING_WINDOW as usize / 2));
    }

    #[test]
    fn transfers_stop_at_the_peers_window_and_go_on_after_its_flow() {
        let mut session = session(2);
        assert!(session.transfer_sent() && session.transfer_sent() && !session.transfer_sent());
        assert!(
            !session.flow_received(&flow(Some(0), 2)),
            "both transfers are still under way"
        );
        assert!(!session.may_send());
        assert!(
            session.flow_received(&flow(Some(1), 2)),
            "one of them has arrived"
        );
        assert!(session.transfer_sent() && !session.transfer_sent());
        assert!(
            session.flow_received(&flow(None, 4)),
            "no id: counted from our first"
        );
        assert!(session.transfer_sent() && !session.transfer_sent());
    }

    #[test]
    fn a_handle_must_be_free_and_within_the_peers_maximum() {
        let mut session = session(0);
        assert_eq!(session.check_handle(7), Ok(()));
        assert!(session.check_handle(8).is_err());
        session.slots.insert(3, Slot::Detaching);
        assert_eq!(session.check_handle(3), Ok(()));
    }
}
