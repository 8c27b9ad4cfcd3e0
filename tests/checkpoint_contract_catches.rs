//! Every store with a bug breaks the contract, at the check that is about it.
#![cfg(feature = "contract")]

#[path = "store_support/buggy.rs"]
mod buggy;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use buggy::{Bug, Buggy, Shared};
use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::contract::{self, Guard, Harness, Report};
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, ConsumerScope, OwnershipStore};
use futures::FutureExt as _;

#[derive(Debug)]
struct Handles {
    shared: Arc<Shared>,
    bug: Bug,
}

#[async_trait]
impl Harness for Handles {
    async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
        Some(Arc::new(Buggy::new(&self.shared, self.bug)))
    }

    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        Some(Arc::new(Buggy::new(&self.shared, self.bug)))
    }

    async fn damage(&self, scope: &ConsumerScope, partition: PartitionId) -> bool {
        Buggy::new(&self.shared, self.bug).damage(scope, partition);
        true
    }

    async fn cut_off(&self) -> Option<Guard> {
        self.shared.cut_off(true);
        Some(Guard::new(Reached(Arc::clone(&self.shared))))
    }
}

struct Reached(Arc<Shared>);

impl Drop for Reached {
    fn drop(&mut self) {
        self.0.cut_off(false);
    }
}

async fn run(bug: Bug) -> Report {
    let fresh = async || Handles {
        shared: Shared::new(),
        bug,
    };
    contract::run(fresh).await
}

/// What the contract says of a store with a bug.
async fn said_of(bug: Bug) -> String {
    match AssertUnwindSafe(run(bug)).catch_unwind().await {
        Ok(report) => panic!("{bug:?} passes: {report}"),
        Err(panic) => *panic.downcast::<String>().expect("a text"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_without_a_bug_keeps_the_contract() {
    let report = run(Bug::None).await;
    assert!(report.skipped().is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn every_bug_is_caught_by_the_checks_that_are_about_it() {
    let table: [(Bug, &[&str]); 62] = [
        (Bug::SameGenerationFenced, &["fences::the_same_generation"]),
        (
            Bug::LastGenerationNotFenced,
            &["fences::older_generations", "fences::by_writing"],
        ),
        (
            Bug::FencesOfEachHandle,
            &["fences::older_generations", "fences::racing_writers"],
        ),
        (Bug::ResetsNotFenced, &["fences::older_generations"]),
        (Bug::StoreRaisesNoFence, &["fences::by_writing"]),
        (
            Bug::ResetRaisesNoFence,
            &["fences::by_writing", "failing::damaged"],
        ),
        (
            Bug::RefusedRaisesFence,
            &[
                "checkpoints::backward",
                "checkpoints::no_position",
                "resets::no_position",
            ],
        ),
        (Bug::ClaimsFence, &["fences::not_by_claims"]),
        (
            Bug::NoFenceWithoutCheckpoint,
            &["fences::before_the_first_checkpoint"],
        ),
        (
            Bug::FenceReadsNothing,
            &["fences::older_generations", "fences::the_same_generation"],
        ),
        (Bug::GenerationsRounded, &["fences::any_generation"]),
        (
            Bug::ReadThenWrite,
            &[
                "fences::racing_writers",
                "checkpoints::the_furthest_stays",
                "owners::claims_at_once",
            ],
        ),
        (
            Bug::GoesBack,
            &["checkpoints::backward", "checkpoints::the_furthest_stays"],
        ),
        (Bug::NotAgain, &["checkpoints::again"]),
        (Bug::OffsetsDropped, &["checkpoints::contents"]),
        (
            Bug::NegativeTaken,
            &["checkpoints::no_position", "resets::no_position"],
        ),
        (Bug::LongOffsetsTaken, &["checkpoints::no_position"]),
        (Bug::ReadsAreOld, &["checkpoints::contents"]),
        (
            Bug::PartitionsMixed,
            &[
                "checkpoints::apart_by_partition",
                "owners::apart_by_partition",
            ],
        ),
        (
            Bug::ScopesMixed,
            &["checkpoints::apart_by_scope", "owners::apart_by_scope"],
        ),
        (Bug::LongNamesCut, &["checkpoints::long_names"]),
        (Bug::ResetsGoForward, &["resets::back"]),
        (Bug::ResetsTakeNothingAway, &["resets::away"]),
        (Bug::ResetsOfAll, &["resets::apart"]),
        (Bug::NobodyIsSomebody, &["owners::nobody"]),
        (
            Bug::OneGenerationPerOwner,
            &["owners::rising", "owners::claims_at_once"],
        ),
        (Bug::ReleaseTakesGenerationBack, &["owners::releases"]),
        (Bug::ReleaseForgets, &["owners::releases"]),
        (
            Bug::ReleaseByAnyone,
            &["owners::releases_by_others", "fences::not_by_claims"],
        ),
        (Bug::NoNames, &["owners::no_name"]),
        (Bug::NamesLowered, &["owners::names"]),
        (Bug::SharedAtTimes, &["owners::shared_or_not"]),
        (Bug::ListsAllScopes, &["leases::listing"]),
        (Bug::ListForgetsReleased, &["leases::listing"]),
        (Bug::ListIsHeldUpByDamage, &["failing::damaged_listing"]),
        (
            Bug::ClaimsWhateverWasSeen,
            &[
                "leases::seen_claims",
                "leases::seen_by_none",
                "leases::claims_at_once",
            ],
        ),
        (Bug::SeenByGeneration, &["leases::seen_claims"]),
        (Bug::NobodySeenIsAnything, &["leases::seen_by_none"]),
        (Bug::SeenClaimKeepsGeneration, &["leases::seen_claims"]),
        (Bug::SeenClaimsReadThenWrite, &["leases::claims_at_once"]),
        (
            Bug::RenewalRaisesGeneration,
            &["leases::renewals", "leases::versions"],
        ),
        (Bug::RenewalKeepsVersion, &["leases::versions"]),
        (Bug::RenewalKeepsAge, &["leases::ages"]),
        (Bug::RenewalNeedsVersion, &["leases::renewals"]),
        (Bug::RenewalOfAnyone, &["leases::renewals_by_others"]),
        (
            Bug::RenewalOfOwnersOlderClaim,
            &["leases::renewals_by_others"],
        ),
        (Bug::RenewalOfReleased, &["leases::renewals_by_others"]),
        (Bug::RenewalsReadThenWrite, &["leases::renewals_at_once"]),
        (Bug::CheckpointsChangeVersion, &["leases::versions"]),
        (Bug::CheckpointsChangeAge, &["leases::ages"]),
        (Bug::AgesStandStill, &["leases::ages"]),
        (Bug::ReleaseKeepsVersion, &["leases::versions"]),
        (Bug::StoredByHalf, &["cancelling::stores"]),
        (
            Bug::DoneLater,
            &[
                "cancelling::stores",
                "cancelling::resets",
                "cancelling::claims",
            ],
        ),
        (
            Bug::LockKept,
            &[
                "cancelling::reads",
                "cancelling::fencing",
                "cancelling::releases",
            ],
        ),
        (Bug::DamageIsNothing, &["failing::damaged"]),
        (Bug::DamageOverwritten, &["failing::damaged"]),
        (Bug::DamageStays, &["failing::damaged"]),
        (Bug::DamageForgetsGenerations, &["failing::damaged_owners"]),
        (Bug::DamageSpreads, &["failing::damaged_apart"]),
        (
            Bug::CutOffIsNothing,
            &["failing::cut_off", "failing::cut_off_owners"],
        ),
        (
            Bug::CutOffForGood,
            &["failing::cut_off", "failing::cut_off_owners"],
        ),
    ];
    for (bug, checks) in table {
        let said = said_of(bug).await;
        for check in checks {
            let named = said
                .lines()
                .any(|line| line.starts_with(&format!("{check}: ")));
            assert!(named, "{check} does not catch {bug:?}:\n{said}");
        }
    }
}
