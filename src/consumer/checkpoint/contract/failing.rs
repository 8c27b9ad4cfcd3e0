//! Failing: what cannot be reached or understood is told, and never taken for
//! nothing.

use super::checkpoints::no_positions;
use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::{CheckpointStore, ConsumerScope, OwnershipStore};
use crate::contract::Verdict;
use crate::error::{Error, ErrorKind};

/// A checkpoint that cannot be understood is refused, by every handle, and stays
/// until it is reset.
pub async fn damaged(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    for (generation, place) in [(10, Some(50)), (20, None)] {
        reset(&store, generation, 100).await;
        if !harness.damage(&scope(), FIRST).await {
            return Verdict::Skipped;
        }
        for handle in [&store, &other] {
            assert_damaged(handle, generation).await;
        }
        let no_position = no_positions().remove(0);
        let refused = try_reset(&store, generation, Some(&no_position)).await;
        assert_kind!(refused.expect_err("reset"), ErrorKind::CorruptCheckpoint);
        assert_damaged(&other, generation).await;

        reset(&other, generation + 1, place).await;
        assert_at(harness, place).await;
        let refused = try_store(&store, generation, 200).await;
        assert_kind!(refused.expect_err("stored"), ErrorKind::Fenced);
        super::kit::store(&store, generation + 1, 200).await;
        assert_at(harness, 200).await;
    }
    Verdict::Held
}

async fn assert_damaged(store: &dyn CheckpointStore, generation: u64) {
    let refused = [
        store.checkpoint(&scope(), FIRST).await.map(drop),
        store.fence(&scope(), FIRST, generation).await.map(drop),
        store.fence(&scope(), FIRST, u64::MAX).await.map(drop),
        try_store(store, generation, 101).await,
        try_store(store, u64::MAX, i64::MAX).await,
    ];
    for refused in refused {
        let error = refused.expect_err("what cannot be understood was taken for something");
        assert_kind!(error, ErrorKind::CorruptCheckpoint);
        assert!(!error.is_retryable(), "it stays as it is");
    }
}

/// A damaged checkpoint harms no other partition.
pub async fn damaged_apart(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    super::kit::store(&store, 1, 100).await;
    let stored = store.store(&scope(), SECOND, 1, &at(7)).await;
    stored.expect("nothing is wrong with it");
    if !harness.damage(&scope(), FIRST).await {
        return Verdict::Skipped;
    }
    assert_eq!(read(&store, &scope(), SECOND).await, Some(at(7)));
    let stored = store.store(&scope(), SECOND, 1, &at(8)).await;
    stored.expect("nothing is wrong with it");
    Verdict::Held
}

/// No generation is handed out twice, though a checkpoint was damaged and reset.
pub async fn damaged_owners(harness: &dyn Harness) -> Verdict {
    let (store, owners) = (checkpoints!(harness), owners!(harness));
    let before = claim(&owners, "a").await;
    super::kit::store(&store, before, 100).await;
    if !harness.damage(&scope(), FIRST).await {
        return Verdict::Skipped;
    }
    let mut last = before;
    if let Ok(generation) = owners.claim(&scope(), FIRST, "b").await {
        assert!(generation > last, "generation {generation} after {last}");
        last = generation;
    }
    reset(&store, last + 10, 100).await;
    let generation = claim(&owners, "c").await;
    assert!(generation > last, "generation {generation} after {last}");
    Verdict::Held
}

/// A damaged checkpoint hides no other partition's owner from those who list them.
pub async fn damaged_listing(harness: &dyn Harness) -> Verdict {
    let (store, owners) = (checkpoints!(harness), owners!(harness));
    let generation = claim(&owners, "a").await;
    super::kit::store(&store, generation, 100).await;
    let claimed = owners.claim(&scope(), SECOND, "b").await;
    let generation = claimed.expect("nothing is wrong with it");
    if !harness.damage(&scope(), FIRST).await {
        return Verdict::Skipped;
    }
    let listed = owners.ownerships(&scope()).await.expect("the others");
    let second = listed.iter().find(|(partition, _)| *partition == SECOND);
    let second = second.map(|(_, it)| (it.owner.as_deref(), it.generation));
    assert_eq!(second, Some((Some("b"), generation)));
    Verdict::Held
}

/// A store that cannot be reached says so, and is as before once it can be.
pub async fn cut_off(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    super::kit::store(&store, 5, 100).await;
    let Some(guard) = harness.cut_off().await else {
        return Verdict::Skipped;
    };
    assert_unavailable(store.checkpoint(&scope(), FIRST).await);
    assert_unavailable(store.checkpoint(&scope(), SECOND).await);
    assert_unavailable(store.fence(&scope(), FIRST, 6).await);
    assert_unavailable(try_store(&store, 6, 101).await);
    assert_unavailable(try_reset(&store, 6, None).await);
    drop(guard);
    assert_at(harness, 100).await;
    super::kit::store(&store, 5, 101).await;
    Verdict::Held
}

/// Owners that cannot be reached are not taken for nobody.
pub async fn cut_off_owners(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let generation = claim(&store, "a").await;
    let held = ownership(&store).await.expect("it was claimed");
    let nobody = ConsumerScope::new("ns.servicebus.windows.net", "eh1", "nobody's");
    let Some(guard) = harness.cut_off().await else {
        return Verdict::Skipped;
    };
    assert_unavailable(store.ownership(&scope(), FIRST).await);
    assert_unavailable(store.ownership(&scope(), SECOND).await);
    assert_unavailable(store.claim(&scope(), FIRST, "b").await);
    assert_unavailable(store.ownerships(&scope()).await);
    assert_unavailable(store.ownerships(&nobody).await);
    assert_unavailable(store.claim_if(&scope(), FIRST, "b", Some(&held)).await);
    assert_unavailable(store.claim_if(&scope(), SECOND, "b", None).await);
    assert_unavailable(store.renew(&scope(), FIRST, &held).await);
    assert_unavailable(store.release(&scope(), FIRST, generation).await);
    drop(guard);
    assert_owned(harness, Some("a"), generation).await;
    release(&store, generation).await;
    Verdict::Held
}

fn assert_unavailable<T>(called: Result<T, Error>) {
    let Err(error) = called else {
        panic!("an answer of a store that cannot be reached")
    };
    assert_kind!(error, ErrorKind::StoreUnavailable);
    assert!(error.is_retryable(), "it may be reached later");
}
