//! Who may send while the service is busy, as a pure state machine.
//!
//! | seen | then |
//! |---|---|
//! | a partition is refused | it pauses |
//! | a second partition is refused within the wait, or the gateway | all pause |
//! | the wait is over | one batch goes, the probe; the rest wait for it |
//! | the probe is accepted | open |
//! | the probe is refused | paused again |
//! | the probe's fate says nothing | the next one probes |

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::snapshot::ThrottleGateSnapshot;
use crate::partition::PartitionId;

/// Which partition a batch is for; `None` for the gateway, which picks one.
pub(super) type Place = Option<u32>;

#[derive(Debug, Default)]
pub(super) struct State {
    all: Scope,
    /// Those that are not open.
    partitions: BTreeMap<u32, Scope>,
    /// How many began.
    pauses: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scope {
    #[default]
    Open,
    Paused {
        until: Instant,
    },
    /// The wait is over, and a batch finds out whether the service takes more.
    Probing,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Nothing goes before then.
    Until(Instant),
    /// A probe is on its way.
    Probing,
}

/// Leave to send one batch, whose fate is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    place: Place,
    probes_all: bool,
    probes_partition: bool,
}

/// What became of the batch, as far as the gate cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Accepted,
    /// The service asks to wait that long.
    Throttled(Duration),
    /// Whether the service is busy was not learned.
    Other,
}

impl State {
    /// Leave to send a batch; where a wait is over, it is the probe.
    pub(super) fn ask(&mut self, place: Place, now: Instant) -> Result<Ticket, Closed> {
        let probes_all = self.all.probe(now)?;
        let partition = place.map_or(Scope::Open, |number| self.partition(number));
        let probes_partition = partition.probe(now)?;
        if probes_all {
            self.all = Scope::Probing;
        }
        if let Some(number) = place.filter(|_| probes_partition) {
            self.partitions.insert(number, Scope::Probing);
        }
        Ok(Ticket {
            place,
            probes_all,
            probes_partition,
        })
    }

    /// Why nothing may be sent there now.
    pub(super) fn closed(&self, place: Place, now: Instant) -> Option<Closed> {
        let partition = place.map_or(Scope::Open, |number| self.partition(number));
        self.all.probe(now).and(partition.probe(now)).err()
    }

    /// Takes note of a batch's fate; says whether those who wait should ask again.
    pub(super) fn tell(&mut self, ticket: Ticket, fate: Fate, now: Instant) -> bool {
        let probed = match fate {
            Fate::Throttled(wait) => {
                self.refuse(ticket.place, wait, now);
                return true;
            }
            Fate::Accepted => Scope::Open,
            Fate::Other => Scope::Paused { until: now },
        };
        // What was paused meanwhile stays so.
        if ticket.probes_all && self.all == Scope::Probing {
            self.all = probed;
        }
        if let Some(number) = ticket.place.filter(|_| ticket.probes_partition)
            && self.partition(number) == Scope::Probing
        {
            self.set(number, probed);
        }
        ticket.probes_all || ticket.probes_partition
    }

    /// Takes note of a refusal.
    pub(super) fn refuse(&mut self, place: Place, wait: Duration, now: Instant) {
        let until = now + wait;
        let elsewhere =
            |(number, scope): (&u32, &Scope)| Some(*number) != place && scope.is_closed(now);
        if place.is_none() || self.all != Scope::Open || self.partitions.iter().any(elsewhere) {
            self.pauses += u64::from(self.all.pause(until, now));
        }
        if let Some(number) = place {
            let mut scope = self.partition(number);
            self.pauses += u64::from(scope.pause(until, now));
            self.set(number, scope);
        }
    }

    /// How long everything, or this partition, is paused from now on.
    pub(super) fn paused_for(&self, place: Place, now: Instant) -> Option<Duration> {
        let partition = place.map_or(Scope::Open, |number| self.partition(number));
        let ends = [self.all, partition].into_iter().filter_map(Scope::until);
        let left = ends.map(|until| until.saturating_duration_since(now)).max();
        left.filter(|left| !left.is_zero())
    }

    pub(super) fn snapshot(&self, now: Instant) -> ThrottleGateSnapshot {
        let left = |scope: Scope| {
            let left = scope.until()?.saturating_duration_since(now);
            (!left.is_zero()).then_some(left)
        };
        let paused = |(number, scope): (&u32, &Scope)| {
            left(*scope).map(|left| (PartitionId::new(*number), left))
        };
        let mut scopes = self.partitions.values().chain([&self.all]);
        ThrottleGateSnapshot {
            all_paused_for: left(self.all),
            partitions_paused_for: self.partitions.iter().filter_map(paused).collect(),
            is_probing: scopes.any(|scope| *scope == Scope::Probing),
            pauses: self.pauses,
        }
    }

    fn partition(&self, number: u32) -> Scope {
        self.partitions.get(&number).copied().unwrap_or_default()
    }

    fn set(&mut self, number: u32, scope: Scope) {
        match scope {
            Scope::Open => self.partitions.remove(&number),
            scope => self.partitions.insert(number, scope),
        };
    }
}

impl Scope {
    /// Whether one who goes now is the probe.
    fn probe(self, now: Instant) -> Result<bool, Closed> {
        match self {
            Self::Open => Ok(false),
            Self::Paused { until } if until <= now => Ok(true),
            Self::Paused { until } => Err(Closed::Until(until)),
            Self::Probing => Err(Closed::Probing),
        }
    }

    /// Whether the service was busy here a moment ago, as far as is known.
    fn is_closed(self, now: Instant) -> bool {
        match self {
            Self::Open => false,
            Self::Paused { until } => until > now,
            Self::Probing => true,
        }
    }

    fn until(self) -> Option<Instant> {
        match self {
            Self::Paused { until } => Some(until),
            Self::Open | Self::Probing => None,
        }
    }

    /// Pauses, and never shortens a pause; says whether one began.
    fn pause(&mut self, until: Instant, now: Instant) -> bool {
        let begins = self.until().is_none_or(|before| before <= now);
        let until = self.until().map_or(until, |before| before.max(until));
        *self = Self::Paused { until };
        begins
    }
}
