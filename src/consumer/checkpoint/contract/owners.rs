//! Owners: each has a generation higher than any before it.

use std::collections::HashSet;

use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::OwnershipStore;
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::partition::PartitionId;

/// A partition that was never claimed has no owner, and can be given up.
pub async fn nobody(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    assert_eq!(ownership(&store).await, None);
    release(&store, 0).await;
    release(&store, 1).await;
    assert_eq!(ownership(&store).await, None);
    Verdict::Held
}

/// Each claim is of a higher generation, by whatever handle and whatever owner.
pub async fn rising(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let mut last = 0;
    for (handle, owner) in [(&store, "a"), (&other, "b"), (&other, "b"), (&store, "a")] {
        let generation = claim(handle, owner).await;
        assert!(generation > last, "generation {generation} after {last}");
        assert_owned(harness, Some(owner), generation).await;
        last = generation;
    }
    Verdict::Held
}

/// An owner's name is read as it was given.
pub async fn names(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let longest = "n".repeat(1024);
    for owner in [
        "A",
        "a",
        " ",
        "-",
        "a b\nc\t%20%\"'\\\0é€\u{1F980}",
        "None",
        &longest,
    ] {
        let generation = claim(&store, owner).await;
        assert_owned(harness, Some(owner), generation).await;
    }
    Verdict::Held
}

/// A name that is empty or too long is refused; the owner stays.
pub async fn no_name(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let too_long = "n".repeat(1025);
    let names = ["", &too_long];
    for name in names {
        let refused = store.claim(&scope(), FIRST, name).await;
        assert_kind!(refused.expect_err("claimed"), ErrorKind::InvalidOptions);
        assert_eq!(ownership(&store).await, None);
    }
    let generation = claim(&store, "a").await;
    for name in names {
        let refused = store.claim(&scope(), FIRST, name).await;
        assert_kind!(refused.expect_err("claimed"), ErrorKind::InvalidOptions);
        assert_owned(harness, Some("a"), generation).await;
    }
    Verdict::Held
}

/// Who gives a partition up is not its owner any more; the generation stays, and
/// the next is higher.
pub async fn releases(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let first = claim(&store, "a").await;
    for _ in 0..2 {
        release(&other, first).await;
        assert_owned(harness, None, first).await;
    }
    let second = claim(&other, "b").await;
    assert!(second > first, "generation {second} after {first}");
    assert_owned(harness, Some("b"), second).await;
    Verdict::Held
}

/// Who was followed by another gives nothing up, and neither does who never was.
pub async fn releases_by_others(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let first = claim(&store, "a").await;
    let second = claim(&other, "b").await;
    for generation in [0, first, second + 1, u64::MAX] {
        release(&store, generation).await;
        assert_owned(harness, Some("b"), second).await;
    }
    Verdict::Held
}

/// Partitions have owners of their own.
pub async fn apart_by_partition(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let mut claimed = Vec::new();
    for partition in [0, 1, 2, 10, 11, 31, 100, u32::MAX].map(PartitionId::new) {
        let owner = format!("owner of {partition}");
        let generation = store.claim(&scope(), partition, &owner).await;
        claimed.push((partition, owner, generation.expect("claimed")));
    }
    for (partition, owner, generation) in claimed {
        let read = store.ownership(&scope(), partition).await.expect("read");
        let read = read.expect("it was claimed");
        assert_eq!((read.owner, read.generation), (Some(owner), generation));
    }
    Verdict::Held
}

/// Namespaces, hubs and consumer groups have owners of their own, whatever they are
/// called. A store may refuse names that the service has not.
pub async fn apart_by_scope(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let mut claimed = Vec::new();
    for (number, scope) in look_alikes().into_iter().enumerate() {
        let owner = format!("owner {number}");
        match store.claim(&scope, FIRST, &owner).await {
            Ok(generation) => claimed.push((scope, owner, generation)),
            Err(error) => {
                assert_kind!(error, ErrorKind::InvalidOptions);
                assert!(number > 4, "{scope} is a usual name");
            }
        }
    }
    for (scope, owner, generation) in claimed {
        let read = store.ownership(&scope, FIRST).await.expect("read");
        let read = read.expect("it was claimed");
        assert_eq!(
            (read.owner, read.generation),
            (Some(owner), generation),
            "{scope:?}"
        );
    }
    Verdict::Held
}

/// Of claims at the same time, each has a generation of its own, and the highest
/// is the owner.
pub async fn claims_at_once(harness: &dyn Harness) -> Verdict {
    drop(owners!(harness));
    let handles = many_owners(harness).await;
    let claimants = (0..).zip(handles).map(|(claimant, store)| async move {
        let owner = format!("owner {claimant}");
        let mut claimed = Vec::new();
        for _ in 0..ROUNDS {
            let generation = claim(&store, &owner).await;
            let rises = claimed.last().is_none_or(|(last, _)| generation > *last);
            assert!(rises, "generation {generation} after {claimed:?}");
            claimed.push((generation, owner.clone()));
            tokio::task::yield_now().await;
        }
        claimed
    });
    let claimed = at_once(claimants).await.concat();
    let generations: HashSet<_> = claimed.iter().map(|(generation, _)| generation).collect();
    assert_eq!(generations.len(), claimed.len(), "each has one of its own");
    let (highest, owner) = claimed.iter().max().expect("claims");
    assert_owned(harness, Some(owner), *highest).await;
    Verdict::Held
}

/// All handles say the same of whether the owners are shared.
pub async fn shared_or_not(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    assert_eq!(store.is_shared(), other.is_shared());
    Verdict::Held
}
