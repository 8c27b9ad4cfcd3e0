//! Fences: what an older generation writes is refused, from whatever handle.

use std::sync::Arc;

use tokio::sync::Notify;

use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::CheckpointStore;
use crate::contract::Verdict;
use crate::error::ErrorKind;

/// More stores than pass before a fence that was asked for.
const MOST_STORES: i64 = 10_000;

/// Asserts that all writes of a generation are refused, and change nothing.
async fn assert_fenced(harness: &dyn Harness, store: &dyn CheckpointStore, generation: u64) {
    let before = read(store, &scope(), FIRST).await;
    let refused = [
        try_store(store, generation, i64::MAX).await,
        try_reset(store, generation, Some(&at(0))).await,
        try_reset(store, generation, None).await,
        store.fence(&scope(), FIRST, generation).await.map(drop),
    ];
    for refused in refused {
        let error = refused.expect_err("a write of a generation that was fenced");
        assert_kind!(error, ErrorKind::Fenced);
        assert!(
            !error.is_retryable(),
            "a later generation stays the later one"
        );
    }
    assert_at(harness, before.map(|before| before.sequence_number)).await;
}

/// Older generations are refused, by every handle; the others are not.
pub async fn older_generations(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 4, 100).await;
    assert_eq!(fence(&other, 5).await, Some(100));
    for handle in [&store, &other] {
        for generation in [0, 1, 4] {
            assert_fenced(harness, handle, generation).await;
        }
    }
    super::kit::store(&store, 5, 101).await;
    super::kit::store(&other, 6, 102).await;
    assert_at(harness, 102).await;
    Verdict::Held
}

/// A partition without a checkpoint is fenced as well.
pub async fn before_the_first_checkpoint(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    assert_eq!(fence(&store, 2).await, None);
    assert_fenced(harness, &other, 1).await;
    assert_eq!(fence(&other, 2).await, None);
    Verdict::Held
}

/// The generation that has fenced may do so again, and reads what it stored.
pub async fn the_same_generation(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 5, 100).await;
    for handle in [&store, &other, &store] {
        assert_eq!(fence(handle, 5).await, Some(100));
    }
    super::kit::store(&other, 5, 101).await;
    assert_eq!(fence(&store, 5).await, Some(101));
    Verdict::Held
}

/// A write of a later generation fences, too.
pub async fn by_writing(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 7, 100).await;
    assert_fenced(harness, &other, 6).await;
    // Where it stands already.
    super::kit::store(&store, 8, 100).await;
    assert_fenced(harness, &other, 7).await;
    reset(&store, 9, 50).await;
    assert_fenced(harness, &other, 8).await;
    reset(&store, 10, None).await;
    assert_fenced(harness, &other, 9).await;
    Verdict::Held
}

/// Generations are numbers, to the highest that there are.
pub async fn any_generation(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    let generations = [
        0,
        9,
        10,
        99,
        1 << 32,
        1 << 53,
        (1 << 53) + 1,
        1 << 63,
        u64::MAX,
    ];
    for pair in generations.windows(2) {
        fence(&store, pair[0]).await;
        fence(&store, pair[1]).await;
        assert_fenced(harness, &store, pair[0]).await;
    }
    Verdict::Held
}

/// Once a generation has fenced, nothing of an older one is stored, though that is
/// just storing: what the fence has read is the last, and stays.
pub async fn racing_writers(harness: &dyn Harness) -> Verdict {
    drop(checkpoints!(harness));
    for round in 0..ROUNDS {
        let (old, new) = (round.unsigned_abs() * 2, round.unsigned_abs() * 2 + 1);
        let begun = Arc::new(Notify::new());
        let (store, others) = (checkpoints!(harness), checkpoints!(harness));
        reset(&store, old, None).await;
        let writing = {
            let begun = Arc::clone(&begun);
            async move {
                let mut last = None;
                for place in 0..MOST_STORES {
                    match try_store(&others, old, place).await {
                        Ok(()) => {
                            last = Some(place);
                            begun.notify_one();
                        }
                        Err(error) => {
                            assert_kind!(error, ErrorKind::Fenced);
                            return last;
                        }
                    }
                    tokio::task::yield_now().await;
                }
                panic!("{MOST_STORES} stores, and no fence")
            }
        };
        let fencing = async move {
            begun.notified().await;
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            fence(&store, new).await
        };
        let tasks: [futures::future::BoxFuture<'static, _>; 2] =
            [Box::pin(writing), Box::pin(fencing)];
        let ended = at_once(tasks).await;
        assert_eq!(
            ended[0], ended[1],
            "the last that was stored is what the fence has read"
        );
        assert!(ended[0].is_some(), "something was stored before the fence");
        assert_at(harness, ended[0]).await;
    }
    Verdict::Held
}

/// A claim fences nobody: the old owner may store until the new one has fenced.
pub async fn not_by_claims(harness: &dyn Harness) -> Verdict {
    let (store, owners) = (checkpoints!(harness), owners!(harness));
    let first = claim(&owners, "a").await;
    assert_eq!(fence(&store, first).await, None);
    let second = claim(&owners, "b").await;
    super::kit::store(&store, first, 100).await;
    assert_eq!(fence(&store, second).await, Some(100));
    assert_fenced(harness, &store, first).await;
    // Who was fenced is still an owner's predecessor, and the later one stays.
    release(&owners, first).await;
    assert_owned(harness, Some("b"), second).await;
    super::kit::store(&store, second, 101).await;
    Verdict::Held
}
