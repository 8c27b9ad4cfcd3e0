//! Faults as they are described, before they are injected.

use super::kind::{AnswerFault, AttachFault, Break, Failure, Kind, OutcomeFault, When};
use super::scope::{LinkKind, Scope};
use crate::wire::error::AmqpError;
use std::borrow::Cow;
use std::time::Duration;

/// The wait in the service's text where a hub is throttled, in seconds.
const SERVER_BUSY_WAIT: u64 = 4;

/// Something that goes wrong: what, where and how often. See the [module](super) for the choice.
///
/// Where nothing is said it concerns every hub, partition and role, and strikes at every chance until it is healed.
///
/// # Examples
///
/// ```
/// use eventhubs_emulator::{Fault, When};
/// use std::time::Duration;
///
/// // The first partition throttles its senders three times:
/// let busy = Fault::server_busy().hub("eh1").partition(0).senders().times(3);
/// // The second batch is stored, but its sender loses the connection before it hears of it:
/// let lost = Fault::drop_connection(When::AfterStoring).after(1).times(1);
/// // Nothing is delivered for five seconds:
/// let stalled = Fault::stall_delivery().lasting(Duration::from_secs(5));
/// # let _ = (busy, lost, stalled);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) skip: u64,
    pub(super) times: Option<u64>,
    pub(super) lasting: Option<Duration>,
}

/// Outcomes of what is sent.
impl Fault {
    /// Messages are stored; their outcomes come late by `delay`.
    pub fn delay_outcomes(delay: Duration) -> Self {
        Self::outcome(OutcomeFault::Delay(delay))
    }

    /// Messages are stored; their outcomes come when the fault is over. A connection takes in no more while it owes
    /// 10,000 of them.
    pub fn hold_outcomes() -> Self {
        Self::outcome(OutcomeFault::Hold)
    }

    /// Messages are stored; their outcomes never come, not even when the fault is over.
    pub fn lose_outcomes() -> Self {
        Self::outcome(OutcomeFault::Lose)
    }

    /// Messages are not stored; their outcome is `released`.
    pub fn release() -> Self {
        Self::outcome(OutcomeFault::Release)
    }

    /// Messages are not stored; their outcome is `modified`, with `delivery-failed` set.
    pub fn modify() -> Self {
        Self::outcome(OutcomeFault::Modify)
    }

    /// Messages are not stored; their outcome is `rejected` with an error condition and a text.
    pub fn reject(condition: impl Into<String>, text: impl Into<String>) -> Self {
        Self::outcome(OutcomeFault::Reject(said(condition, text)))
    }

    /// Messages are not stored; they are rejected as over the throughput limit, and told to wait 4 seconds.
    pub fn server_busy() -> Self {
        Self::server_busy_for(SERVER_BUSY_WAIT)
    }

    /// The same, with the wait in seconds that the text tells of.
    pub fn server_busy_for(wait_seconds: u64) -> Self {
        Self::outcome(OutcomeFault::Reject(Failure::ServerBusy { wait_seconds }))
    }

    fn outcome(fault: OutcomeFault) -> Self {
        Self::new(Kind::Outcome(fault)).senders()
    }
}

/// What is taken from a client.
impl Fault {
    /// Links are detached for good with an error condition and a text.
    pub fn detach(when: When, condition: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Kind::Break(when, Break::Link(said(condition, text))))
    }

    /// Links are detached as over the throughput limit, told to wait 4 seconds. (The service itself rejects messages:
    /// [`Fault::server_busy`].)
    pub fn detach_busy(when: When) -> Self {
        let busy = Failure::ServerBusy {
            wait_seconds: SERVER_BUSY_WAIT,
        };
        Self::new(Kind::Break(when, Break::Link(busy)))
    }

    /// Links are detached as the service detaches those that were not used for 30 minutes, at once.
    pub fn detach_idle() -> Self {
        Self::new(Kind::Break(When::Now, Break::Link(Failure::Idle)))
    }

    /// Sessions that hold such a link are ended with an error condition and a text.
    pub fn end_session(when: When, condition: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Kind::Break(when, Break::Session(said(condition, text))))
    }

    /// Connections that hold such a link are closed with an error condition and a text.
    pub fn close_connection(
        when: When,
        condition: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let failure = said(condition, text);
        Self::new(Kind::Break(when, Break::Connection(Some(failure))))
    }

    /// The sockets of connections that hold such a link are closed without a word.
    pub fn drop_connection(when: When) -> Self {
        Self::new(Kind::Break(when, Break::Connection(None)))
    }
}

/// Links: how they begin, and what flows on them.
impl Fault {
    /// Attaches are refused with an error condition and a text, in the way of the service.
    pub fn refuse_attach(condition: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Kind::Attach(AttachFault::Refuse(said(condition, text))))
    }

    /// Attaches take effect, and are answered, late by `delay`.
    pub fn delay_attach(delay: Duration) -> Self {
        Self::new(Kind::Attach(AttachFault::Delay(delay)))
    }

    /// Attaches are never answered, not even when the fault is over, and nothing else that is said of such a link.
    pub fn ignore_attach() -> Self {
        Self::new(Kind::Attach(AttachFault::Ignore))
    }

    /// Links that are attached take messages of so many bytes at most, unless their limit is lower anyway. What is
    /// larger is rejected.
    pub fn max_message_size(bytes: u64) -> Self {
        Self::new(Kind::MaxMessageSize(bytes)).senders()
    }

    /// Senders have no link credit: what they have is taken back, and none is granted until the fault is over.
    /// It strikes once at each link.
    pub fn withhold_credit() -> Self {
        Self::new(Kind::WithholdCredit).senders()
    }

    /// Receivers get no events until the fault is over; then they get them all. It strikes once at each link, when it
    /// has something to deliver.
    pub fn stall_delivery() -> Self {
        Self::new(Kind::StallDelivery).receivers()
    }
}

/// The nodes `$cbs` and `$management`.
impl Fault {
    /// Tokens are refused with a status and a description.
    pub fn refuse_tokens(status: i32, description: impl Into<String>) -> Self {
        Self::answer(refusal(status, description)).cbs()
    }

    /// Tokens are taken at once, and answered late by `delay`.
    pub fn delay_tokens(delay: Duration) -> Self {
        Self::answer(AnswerFault::Delay(delay)).cbs()
    }

    /// Tokens are neither taken nor answered.
    pub fn ignore_tokens() -> Self {
        Self::answer(AnswerFault::Ignore).cbs()
    }

    /// Questions about hubs and partitions are refused with a status and a description.
    pub fn refuse_management(status: i32, description: impl Into<String>) -> Self {
        Self::answer(refusal(status, description)).management()
    }

    /// Questions about hubs and partitions are answered late by `delay`.
    pub fn delay_management(delay: Duration) -> Self {
        Self::answer(AnswerFault::Delay(delay)).management()
    }

    /// Questions about hubs and partitions are not answered.
    pub fn ignore_management() -> Self {
        Self::answer(AnswerFault::Ignore).management()
    }

    fn answer(fault: AnswerFault) -> Self {
        Self::new(Kind::Answer(fault))
    }
}

/// Where.
impl Fault {
    /// Only at this hub, in any case of letters. A question to `$management` is at the hub that it asks about.
    pub fn hub(mut self, name: impl Into<String>) -> Self {
        self.scope.hub = Some(name.into());
        self
    }

    /// Only at links to or from this partition. The gateway, where the hub chooses, belongs to none.
    pub fn partition(mut self, id: u32) -> Self {
        self.scope.partition = Some(id);
        self
    }

    /// Only where the client sends events.
    pub fn senders(self) -> Self {
        self.link(LinkKind::Sender)
    }

    /// Only where the client receives events.
    pub fn receivers(self) -> Self {
        self.link(LinkKind::Receiver)
    }

    /// Only at links to and from `$cbs`, which are spared where they are not named.
    pub fn cbs(self) -> Self {
        self.link(LinkKind::Cbs)
    }

    /// Only at links to and from `$management`, which are spared where they are not named.
    pub fn management(self) -> Self {
        self.link(LinkKind::Management)
    }

    fn link(mut self, link: LinkKind) -> Self {
        self.scope.link = Some(link);
        self
    }
}

/// How often.
impl Fault {
    /// Lets the first `chances` pass. Defaults to none.
    pub fn after(mut self, chances: u64) -> Self {
        self.skip = chances;
        self
    }

    /// Strikes so often at most. Defaults to no limit. What was struck stays so until the fault is healed.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Is over after this time, by tokio's clock. Defaults to no limit.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            scope: Scope::default(),
            skip: 0,
            times: None,
            lasting: None,
        }
    }
}

fn said(condition: impl Into<String>, text: impl Into<String>) -> Failure {
    Failure::Said(AmqpError {
        condition: Cow::Owned(condition.into()),
        description: text.into(),
    })
}

fn refusal(status: i32, description: impl Into<String>) -> AnswerFault {
    AnswerFault::Refuse {
        status,
        description: description.into(),
    }
}
