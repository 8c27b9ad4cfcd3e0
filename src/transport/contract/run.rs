//! Running all checks.

use std::future::Future;

use super::harness::Harness;
use super::{cancelling, closing, outcomes, owners, properties, receiving, sending};
use crate::contract::{Checking, Report, Verdict, checks};

checks! { Harness:
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
}

/// Runs every check, each on a fresh harness.
///
/// # Panics
/// If a check does not hold or takes longer than a minute, or if one holds that is
/// named as a [gap](Harness::known_gap); all that do are named, after the last one
/// has run.
pub async fn run<F, H>(fresh: impl Fn() -> F) -> Report
where
    F: Future<Output = H>,
    H: Harness,
{
    let mut checking = Checking::default();
    for check in CHECKS {
        let hub = fresh().await;
        let checked = (check.run)(&hub);
        match hub.known_gap(check.name) {
            Some(reason) => checking.gap(check.name, reason, checked).await,
            None => checking.check(check.name, checked).await,
        }
    }
    checking.report()
}
