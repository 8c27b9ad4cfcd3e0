//! Cancelling: every future is dropped after every number of polls. What it was to
//! do is done whole or not at all, and never after what was asked for later.

use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::{CheckpointStore, Ownership, OwnershipStore};
use crate::contract::Verdict;

/// Polls a call so often, again and again, and goes on to more polls until one of
/// them is enough.
macro_rules! dropped {
    ($round:ident: $call:expr => $after:expr) => {{
        let mut $round = 0;
        for polls in more_and_more_polls() {
            let mut is_done = false;
            for _ in 0..ROUNDS {
                $round += 1;
                let done = polled(polls, $call).await;
                is_done |= done.is_some();
                let well = done.is_none_or(|done| done.is_ok());
                assert!(well, "nothing is wrong with it");
                $after.await;
            }
            if is_done {
                break;
            }
        }
    }};
}

/// A checkpoint whose store was dropped is stored whole or not at all, and not
/// after a later write.
pub async fn stores(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (checkpoints!(harness), checkpoints!(harness));
    reset(&handle, 1, 0).await;
    dropped!(round: handle.store(&scope(), FIRST, 1, &at(100 + round)) => async {
        let left = fence(&other, 1).await;
        assert!(left == Some(0) || left == Some(100 + round), "{left:?} in round {round}");
        reset(&other, 1, 0).await;
        fence(&other, 1).await;
        assert_at(harness, 0).await;
    });
    Verdict::Held
}

/// A fence that was dropped is there or is not.
pub async fn fencing(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (checkpoints!(harness), checkpoints!(harness));
    store(&handle, 0, 100).await;
    dropped!(round: handle.fence(&scope(), FIRST, 2 * round) => async {
        // A later one, which a dropped one does not take back.
        let later = 2 * round + 1;
        assert_eq!(fence(&other, later).await, Some(100));
        assert_eq!(fence(&handle, later).await, Some(100));
        let refused = try_store(&other, later - 1, 101).await;
        assert_kind!(refused.expect_err("stored"), crate::error::ErrorKind::Fenced);
    });
    Verdict::Held
}

/// A reset that was dropped is done whole or not at all, and not after a later
/// write.
pub async fn resets(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (checkpoints!(harness), checkpoints!(harness));
    store(&handle, 0, 100).await;
    dropped!(round: handle.reset(&scope(), FIRST, 2 * round, Some(&at(1))) => async {
        let left = fence(&other, 2 * round).await;
        assert!(left == Some(100) || left == Some(1), "{left:?} in round {round}");
        reset(&other, 2 * round, 100).await;
        fence(&other, 2 * round).await;
        assert_at(harness, 100).await;
    });
    Verdict::Held
}

/// A claim that was dropped was made or was not, and does not follow a later one.
pub async fn claims(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (owners!(harness), owners!(harness));
    let mut last = claim(&handle, "a").await;
    dropped!(_round: handle.claim(&scope(), FIRST, "dropped") => async {
        let generation = claim(&other, "later").await;
        assert!(generation > last, "generation {generation} after {last}");
        // A while for what would still be done.
        for _ in 0..3 {
            release(&other, last).await;
        }
        assert_owned(harness, Some("later"), generation).await;
        last = generation;
    });
    Verdict::Held
}

/// A claim of what was seen that was dropped was made or was not, and does not follow
/// a later one.
pub async fn seen_claims(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (owners!(harness), owners!(harness));
    claim(&handle, "a").await;
    let mut last = ownership(&other).await;
    dropped!(_round: handle.claim_if(&scope(), FIRST, "dropped", last.as_ref()) => async {
        let seen = ownership(&other).await;
        let is_made = seen.as_ref().is_some_and(|seen| seen.owner.as_deref() == Some("dropped"));
        assert!(is_made || same(&seen, &last), "{seen:?} after {last:?}");
        let generation = claim(&other, "later").await;
        for _ in 0..3 {
            release(&other, 0).await;
        }
        assert_owned(harness, Some("later"), generation).await;
        last = ownership(&other).await;
    });
    Verdict::Held
}

/// A renewal that was dropped was made or was not, and takes nothing from a later owner.
pub async fn renewals(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (owners!(harness), owners!(harness));
    claim(&handle, "a").await;
    let mut held = ownership(&other).await.expect("it was claimed");
    dropped!(_round: handle.renew(&scope(), FIRST, &held) => async {
        assert_owned(harness, Some("a"), held.generation).await;
        let generation = claim(&other, "later").await;
        let later = ownership(&other).await;
        for _ in 0..3 {
            release(&other, 0).await;
        }
        assert_owned(harness, Some("later"), generation).await;
        assert!(same(&ownership(&other).await, &later), "it was renewed by another");
        claim(&other, "a").await;
        held = ownership(&other).await.expect("it was claimed");
    });
    Verdict::Held
}

/// Whether nothing has changed in between.
fn same(one: &Option<Ownership>, other: &Option<Ownership>) -> bool {
    let version = |ownership: &Option<Ownership>| ownership.as_ref().map(|it| it.version.clone());
    version(one) == version(other)
}

/// A release that was dropped was done or was not, and takes nothing of a later
/// owner.
pub async fn releases(harness: &dyn Harness) -> Verdict {
    let (handle, other) = (owners!(harness), owners!(harness));
    let mut last = claim(&handle, "a").await;
    dropped!(_round: handle.release(&scope(), FIRST, last) => async {
        let left = ownership(&other).await.expect("it was claimed");
        assert_eq!(left.generation, last);
        last = claim(&other, "a").await;
        release(&other, left.generation).await;
        assert_owned(harness, Some("a"), last).await;
    });
    Verdict::Held
}

/// A read that was dropped harms no other.
pub async fn reads(harness: &dyn Harness) -> Verdict {
    let (checkpoints, owners) = (checkpoints!(harness), owners!(harness));
    store(&checkpoints, 1, 100).await;
    let generation = claim(&owners, "a").await;
    dropped!(_round: checkpoints.checkpoint(&scope(), FIRST) => assert_at(harness, 100));
    dropped!(_round: owners.ownership(&scope(), FIRST)
        => assert_owned(harness, Some("a"), generation));
    dropped!(_round: owners.ownerships(&scope())
        => assert_owned(harness, Some("a"), generation));
    Verdict::Held
}
