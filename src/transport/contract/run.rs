//! Running all checks.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::harness::{Harness, Verdict};
use super::{cancelling, closing, outcomes, owners, properties, receiving, sending};

/// The longest that a check may take: one that hangs is named, too.
const PATIENCE: Duration = Duration::from_secs(60);

struct Check {
    name: &'static str,
    run: for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, Verdict>,
}

macro_rules! checks {
    ($($topic:ident: $($check:ident),+;)+) => {
        &[$($(Check {
            name: concat!(stringify!($topic), "::", stringify!($check)),
            run: |hub| Box::pin($topic::$check(hub)),
        },)+)+]
    };
}

const CHECKS: &[Check] = checks! {
    sending: whole_batches, keys, any_partition, empty_batches, order, unknown_partitions,
        batches_at_the_limit, batches_above_the_limit;
    outcomes: accepted, throttled, rejected, released, modified, lost_before_storing,
        lost_after_storing;
    properties: of_the_hub, of_partitions, of_unknown_partitions;
    receiving: places, contents, positions, positions_beyond_the_end, unknown_partitions,
        new_events, credit, credit_without_a_call, waiting_for_the_end, lost_connections;
    owners: displaced_by_an_equal_level, displaced_by_a_higher_level, displaced_without_room,
        displaced_unawares,
        refused_below_the_holder, refused_without_a_level, displaced_without_a_level,
        five_without_a_level, apart_by_partition;
    cancelling: sends, receives, opening, closing_producers, closing_consumers,
        closing_receivers, reading_properties;
    closing: producers, consumers, receivers, apart, senders_under_way, stalled_senders,
        waiting_receivers;
};

/// Which checks held, and which were skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    held: Vec<&'static str>,
    skipped: Vec<&'static str>,
}

impl Report {
    /// The checks that held, such as `sending::order`.
    #[must_use]
    pub fn held(&self) -> &[&'static str] {
        &self.held
    }

    /// The checks that have shown nothing, since the harness cannot provoke or
    /// tell what they need.
    #[must_use]
    pub fn skipped(&self) -> &[&'static str] {
        &self.skipped
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks held", self.held.len())?;
        match &self.skipped[..] {
            [] => Ok(()),
            skipped => write!(f, ", {} skipped: {}", skipped.len(), skipped.join(", ")),
        }
    }
}

/// Runs every check, each on a fresh harness.
///
/// # Panics
/// If a check does not hold or takes longer than a minute; all that do are named,
/// after the last one has run.
pub async fn run<F, H>(fresh: impl Fn() -> F) -> Report
where
    F: Future<Output = H>,
    H: Harness,
{
    let mut report = Report::default();
    let mut broken = Vec::new();
    for check in CHECKS {
        let hub = fresh().await;
        let checking = AssertUnwindSafe((check.run)(&hub)).catch_unwind();
        match timeout(PATIENCE, checking).await {
            Ok(Ok(Verdict::Held)) => report.held.push(check.name),
            Ok(Ok(Verdict::Skipped)) => report.skipped.push(check.name),
            Ok(Err(panic)) => broken.push(format!("{}: {}", check.name, said(&*panic))),
            Err(_) => broken.push(format!("{}: not done within {PATIENCE:?}", check.name)),
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} checks do not hold:\n{}",
        broken.len(),
        CHECKS.len(),
        broken.join("\n")
    );
    report
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("it panicked")
}
