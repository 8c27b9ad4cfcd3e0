//! Resets: the only way back.

use super::checkpoints::no_positions;
use super::harness::Harness;
use super::kit::*;
use crate::contract::Verdict;
use crate::error::ErrorKind;

/// A checkpoint is set back, and goes on from there.
pub async fn back(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 5, 100).await;
    for place in [50, 0, 70, 70] {
        reset(&other, 5, place).await;
        assert_at(harness, place).await;
    }
    super::kit::store(&store, 5, 71).await;
    assert_at(harness, 71).await;
    Verdict::Held
}

/// A checkpoint is taken away, and any comes after that.
pub async fn away(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 5, 100).await;
    for _ in 0..2 {
        reset(&other, 5, None).await;
        assert_at(harness, None).await;
    }
    super::kit::store(&store, 5, 3).await;
    assert_at(harness, 3).await;
    Verdict::Held
}

/// A partition without a checkpoint is set anywhere, too.
pub async fn before_the_first_checkpoint(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    reset(&store, 1, None).await;
    assert_at(harness, None).await;
    reset(&store, 1, 100).await;
    assert_at(harness, 100).await;
    Verdict::Held
}

/// What is no position is refused; what is stored stays.
pub async fn no_position(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    super::kit::store(&store, 4, 100).await;
    for checkpoint in no_positions() {
        let refused = try_reset(&store, 5, Some(&checkpoint)).await;
        assert_kind!(refused.expect_err("reset"), ErrorKind::CorruptCheckpoint);
        assert_at(harness, 100).await;
    }
    // A refused write has raised no fence.
    super::kit::store(&store, 4, 101).await;
    Verdict::Held
}

/// Only the one partition of the one consumer group is reset.
pub async fn apart(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    let mut scopes = look_alikes();
    scopes.truncate(4);
    for scope in &scopes {
        for partition in [FIRST, SECOND] {
            let stored = store.store(scope, partition, 1, &at(100)).await;
            stored.expect("nothing is wrong with it");
        }
    }
    let reset = store.reset(&scopes[0], FIRST, 9, None).await;
    reset.expect("nothing is wrong with it");
    for (scope, partition) in scopes
        .iter()
        .flat_map(|scope| [(scope, FIRST), (scope, SECOND)])
    {
        let is_reset = (scope, partition) == (&scopes[0], FIRST);
        let expected = (!is_reset).then(|| at(100));
        assert_eq!(read(&store, scope, partition).await, expected);
        let again = store.store(scope, partition, 1, &at(100)).await;
        assert_eq!(again.is_err(), is_reset, "a fence of its own");
    }
    Verdict::Held
}
