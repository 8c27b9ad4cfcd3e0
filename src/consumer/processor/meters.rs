//! What a processor counts, and tells a metrics recorder: see [`crate::telemetry`].
//!
//! Behind a shield: a recorder is not ours.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Histogram, Label, counter, gauge, histogram};

use super::balance::From;
use super::snapshot::ProcessorCounts;
use crate::error::Error;
use crate::shield::shielded;
use crate::sync::{Mutex, lock};
use crate::telemetry as names;

pub(super) struct Meters {
    labels: Vec<Label>,
    owned: Gauge,
    unowned: Gauge,
    time_unowned: Histogram,
    counts: Mutex<ProcessorCounts>,
}

/// A call of the store.
#[derive(Debug, Clone, Copy)]
pub(super) enum StoreCall {
    List,
    Claim,
    Renew,
    Release,
}

/// How a partition was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Another has claimed it.
    Stolen,
    /// It could not be renewed in time.
    Lapsed,
}

impl Meters {
    pub(super) fn new(hub: &str, consumer_group: &str) -> Self {
        names::describe_processor();
        let mut labels = names::hub_labels(&hub.into());
        let group: Arc<str> = consumer_group.into();
        labels.push(Label::new(names::CONSUMER_GROUP_NAME, group));
        Self {
            owned: gauge!(names::OWNED_PARTITIONS, labels.clone()),
            unowned: gauge!(names::UNOWNED_PARTITIONS, labels.clone()),
            time_unowned: histogram!(names::UNOWNED_TIME, labels.clone()),
            labels,
            counts: Mutex::default(),
        }
    }

    pub(super) fn counts(&self) -> ProcessorCounts {
        lock(&self.counts).clone()
    }

    /// A partition was claimed.
    pub(super) fn claimed(&self, from: From) {
        let mut counts = lock(&self.counts);
        let (kind, unowned) = match from {
            From::Nobody(unowned) => {
                counts.claims += 1;
                ("unowned", Some(unowned))
            }
            From::Expired(unowned) => {
                counts.claims_of_expired += 1;
                ("expired", Some(unowned))
            }
            From::Owner => {
                counts.steals += 1;
                ("stolen", None)
            }
        };
        let time = unowned.unwrap_or(Duration::ZERO);
        counts.unowned += time;
        counts.longest_unowned = counts.longest_unowned.max(time);
        drop(counts);
        let labels = names::with(&self.labels, names::CLAIMED_FROM, kind);
        shielded(|| counter!(names::CLAIMS, labels).increment(1));
        if let Some(unowned) = unowned {
            shielded(|| self.time_unowned.record(unowned.as_secs_f64()));
        }
    }

    /// Another was faster.
    pub(super) fn lost_race(&self) {
        lock(&self.counts).lost_races += 1;
        let labels = self.labels.clone();
        shielded(|| counter!(names::LOST_RACES, labels).increment(1));
    }

    pub(super) fn lost(&self, loss: Loss) {
        let mut counts = lock(&self.counts);
        let kind = match loss {
            Loss::Stolen => {
                counts.stolen += 1;
                "stolen"
            }
            Loss::Lapsed => {
                counts.lapsed += 1;
                "lapsed"
            }
        };
        drop(counts);
        let labels = names::with(&self.labels, names::LOST_BY, kind);
        shielded(|| counter!(names::LOSSES, labels).increment(1));
    }

    pub(super) fn renewed_late(&self) {
        lock(&self.counts).late_renewals += 1;
        let labels = self.labels.clone();
        shielded(|| counter!(names::LATE_RENEWALS, labels).increment(1));
    }

    pub(super) fn store_failed(&self, call: StoreCall, error: &Error) {
        lock(&self.counts).store_errors += 1;
        let name = match call {
            StoreCall::List => "list",
            StoreCall::Claim => "claim",
            StoreCall::Renew => "renew",
            StoreCall::Release => "release",
        };
        let labels = names::with(&self.labels, names::OPERATION_NAME, name);
        let labels = names::with(&labels, names::ERROR_TYPE, names::error_type(error));
        shielded(|| counter!(names::STORE_ERRORS, labels).increment(1));
    }

    /// Sets the gauges.
    pub(super) fn sample(&self, owned: usize, unowned: Option<usize>) {
        shielded(|| {
            self.owned.set(owned as f64);
            if let Some(unowned) = unowned {
                self.unowned.set(unowned as f64);
            }
        });
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}
