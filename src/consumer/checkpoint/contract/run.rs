//! Running all checks.

use std::future::Future;

use super::harness::Harness;
use super::{cancelling, checkpoints, failing, fences, leases, owners, resets};
use crate::contract::{Checking, Report, Verdict, checks};

checks! { Harness:
    checkpoints: absent, contents, again, forward, backward, no_position, apart_by_partition,
        apart_by_scope, long_names, same_in_any_case, the_furthest_stays;
    fences: older_generations, before_the_first_checkpoint, the_same_generation, by_writing,
        any_generation, racing_writers, not_by_claims;
    resets: back, away, before_the_first_checkpoint, no_position, apart;
    owners: nobody, rising, names, no_name, releases, releases_by_others, apart_by_partition,
        apart_by_scope, claims_at_once, shared_or_not;
    leases: listing, seen_claims, seen_by_none, versions, ages, renewals, renewals_by_others,
        apart, no_name, claims_at_once, renewals_at_once;
    cancelling: stores, fencing, resets, claims, seen_claims, renewals, releases, reads;
    failing: damaged, damaged_apart, damaged_owners, damaged_listing, cut_off, cut_off_owners;
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
    let mut checking = Checking::default();
    for check in CHECKS {
        let harness = fresh().await;
        checking.check(check.name, (check.run)(&harness)).await;
    }
    checking.report()
}
