//! Owners for a while: what was seen is claimed if nothing has changed, and renewals
//! say that an owner is still there.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::{Ownership, OwnershipStore};
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::partition::PartitionId;

/// How coarse a store's clock may be.
const RESOLUTION: Duration = Duration::from_secs(1);

/// What others say now of the first partition.
async fn now(harness: &dyn Harness) -> Ownership {
    let store = harness.owners().await.expect("handles as before");
    ownership(&store).await.expect("it was claimed")
}

/// All partitions of the consumer group are listed that were ever claimed, the released
/// too, as each is read, and no other.
pub async fn listing(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    assert_eq!(store.ownerships(&scope()).await.expect("nobody"), []);
    for scope in look_alikes() {
        // A name that is refused is not listed either.
        let _ = store.claim(&scope, FIRST, "elsewhere").await;
    }
    let mut partitions = [0, 1, 2, 10, 11, 31, 100, u32::MAX].map(PartitionId::new);
    for partition in partitions {
        let generation = store
            .claim(&scope(), partition, "a")
            .await
            .expect("claimed");
        if partition.number() % 2 == 0 {
            let released = store.release(&scope(), partition, generation).await;
            released.expect("a partition can always be given up");
        }
    }
    for handle in [&store, &other] {
        let mut listed = handle.ownerships(&scope()).await.expect("what was stored");
        listed.sort_by_key(|(partition, _)| *partition);
        partitions.sort();
        let of: Vec<_> = listed.iter().map(|(partition, _)| *partition).collect();
        assert_eq!(of, partitions);
        for (partition, listed) in listed {
            let read = store.ownership(&scope(), partition).await.expect("read");
            let read = read.expect("it was claimed");
            assert_eq!(
                (listed.owner, listed.generation, listed.version),
                (read.owner, read.generation, read.version)
            );
        }
    }
    Verdict::Held
}

/// What was seen is claimed, under a higher generation, if nothing has changed since:
/// neither claimed, nor renewed, nor released.
pub async fn seen_claims(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let first = claim_if(&store, "a", None).await.expect("nobody's");
    let second = claim_if(&other, "b", Some(&first)).await.expect("as seen");
    assert!(second.generation > first.generation);
    assert_owned(harness, Some("b"), second.generation).await;

    let renewed = renew(&other, &second).await.expect("held");
    assert_eq!(claim_if(&store, "c", Some(&second)).await, None, "renewed");
    release(&other, renewed.generation).await;
    assert_eq!(
        claim_if(&store, "c", Some(&renewed)).await,
        None,
        "released"
    );
    let released = now(harness).await;
    let again = claim_if(&other, "b", Some(&released)).await;
    let again = again.expect("as seen");
    assert!(again.generation > second.generation);
    for seen in [&first, &second, &renewed, &released] {
        assert_eq!(claim_if(&store, "c", Some(seen)).await, None, "{seen:?}");
        assert_owned(harness, Some("b"), again.generation).await;
        assert_eq!(now(harness).await.version, again.version);
    }
    Verdict::Held
}

/// Who saw nobody claims nothing that somebody has owned, though it was released.
pub async fn seen_by_none(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let generation = claim(&store, "a").await;
    assert_eq!(claim_if(&store, "b", None).await, None);
    release(&store, generation).await;
    assert_eq!(claim_if(&store, "b", None).await, None);
    assert_owned(harness, None, generation).await;

    // And who saw somebody where nobody was.
    let seen = now(harness).await;
    let claimed = store.claim_if(&scope(), SECOND, "b", Some(&seen)).await;
    assert_eq!(claimed.expect("nothing is wrong with it"), None);
    let second = store.ownership(&scope(), SECOND).await.expect("read");
    assert_eq!(second, None);
    Verdict::Held
}

/// Each claim, renewal and release makes another version, and what is done about
/// checkpoints makes none.
pub async fn versions(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let checkpoints = harness.checkpoints().await;
    let mut versions = HashSet::new();
    let mut is_new = |ownership: &Ownership| versions.insert(ownership.version.clone());
    for round in 0..ROUNDS {
        claim(&store, "a").await;
        let claimed = now(harness).await;
        assert!(is_new(&claimed), "a claim has an old version");
        let renewed = renew(&other, &claimed).await.expect("held");
        assert!(is_new(&renewed), "a renewal has an old version");
        assert_eq!(now(harness).await.version, renewed.version);
        if let Some(checkpoints) = &checkpoints {
            super::kit::store(checkpoints, renewed.generation, round).await;
            fence(checkpoints, renewed.generation).await;
            reset(checkpoints, renewed.generation, round).await;
            assert_eq!(now(harness).await.version, renewed.version);
        }
        let stolen = claim_if(&other, "b", Some(&renewed))
            .await
            .expect("as seen");
        assert!(is_new(&stolen), "a claim has an old version");
        assert_eq!(now(harness).await.version, stolen.version);
        release(&store, stolen.generation).await;
        assert!(is_new(&now(harness).await), "a release has an old version");
    }
    Verdict::Held
}

/// An age is the time since the last claim, renewal or release, whatever is done about
/// checkpoints. This check takes some seconds.
pub async fn ages(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let checkpoints = harness.checkpoints().await;
    let first = Instant::now();
    claim(&store, "a").await;
    let held = now(harness).await;
    assert!(held.age <= first.elapsed() + RESOLUTION, "{held:?}");

    let mut place = 0;
    let aged = loop {
        let since_claim = first.elapsed();
        let aged = now(harness).await;
        assert!(aged.age <= first.elapsed() + RESOLUTION, "{aged:?}");
        let least = since_claim.saturating_sub(RESOLUTION * 2);
        assert!(aged.age >= least, "{aged:?} after {since_claim:?}");
        if aged.age > RESOLUTION * 2 {
            break aged;
        }
        if let Some(checkpoints) = &checkpoints {
            place += 1;
            super::kit::store(checkpoints, held.generation, place).await;
        }
        sleep(RESOLUTION / 10).await;
    };
    let listed = store.ownerships(&scope()).await.expect("what was stored");
    assert!(listed[0].1.age >= aged.age, "{listed:?}");

    let second = Instant::now();
    let renewed = renew(&store, &held).await.expect("held");
    assert!(renewed.age <= second.elapsed() + RESOLUTION, "{renewed:?}");
    let renewed = now(harness).await;
    assert!(renewed.age <= second.elapsed() + RESOLUTION, "{renewed:?}");
    Verdict::Held
}

/// A renewal keeps the owner and the generation, and can be made again and again, also
/// by who has not heard of the last one.
pub async fn renewals(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let generation = claim(&store, "a").await;
    let claimed = now(harness).await;
    let mut held = claimed.clone();
    for _ in 0..ROUNDS {
        renew(&other, &claimed).await.expect("held");
        held = renew(&store, &held).await.expect("held");
        assert_owned(harness, Some("a"), generation).await;
    }
    // It is no claim: the next is the next.
    let stolen = claim_if(&other, "b", Some(&held)).await.expect("as seen");
    assert!(stolen.generation > generation);
    Verdict::Held
}

/// Who was followed by another renews nothing, nor who has released, nor who never
/// was the owner.
pub async fn renewals_by_others(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    let generation = claim(&store, "a").await;
    let first = now(harness).await;
    let never = Ownership {
        owner: Some("b".to_owned()),
        ..first.clone()
    };
    assert_eq!(renew(&other, &never).await, None);
    let second = claim(&other, "a").await;
    assert_eq!(renew(&store, &first).await, None, "claimed anew");
    let held = now(harness).await;
    let later = Ownership {
        generation: second + 1,
        ..held.clone()
    };
    assert_eq!(renew(&store, &later).await, None);
    assert_owned(harness, Some("a"), second).await;
    assert_eq!(now(harness).await.version, held.version);

    release(&other, second).await;
    let released = now(harness).await;
    for gone in [&first, &held, &released] {
        assert_eq!(renew(&store, gone).await, None);
        assert_owned(harness, None, second).await;
    }
    let elsewhere = store.renew(&scope(), SECOND, &first).await;
    assert_eq!(elsewhere.expect("nothing is wrong with it"), None);
    let elsewhere = store.ownership(&scope(), SECOND).await.expect("read");
    assert_eq!(elsewhere, None);
    assert!(second > generation);
    Verdict::Held
}

/// Partitions are claimed and renewed each on its own.
pub async fn apart(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let mut held = Vec::new();
    for partition in [0, 1, 10, 11].map(PartitionId::new) {
        let owner = format!("owner of {partition}");
        let claimed = store.claim_if(&scope(), partition, &owner, None).await;
        let claimed = claimed.expect("nothing is wrong with it");
        held.push((partition, claimed.expect("nobody's")));
    }
    for (partition, claimed) in held {
        let renewed = store.renew(&scope(), partition, &claimed).await;
        let renewed = renewed.expect("nothing is wrong with it");
        assert_eq!(renewed.expect("held").owner, claimed.owner);
    }
    Verdict::Held
}

/// A name that is empty or too long claims nothing.
pub async fn no_name(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    for name in ["", &"n".repeat(1025)] {
        let refused = store.claim_if(&scope(), FIRST, name, None).await;
        assert_kind!(refused.expect_err("claimed"), ErrorKind::InvalidOptions);
        assert_eq!(ownership(&store).await, None);
    }
    Verdict::Held
}

/// Of those who claim what they all have seen, one does.
pub async fn claims_at_once(harness: &dyn Harness) -> Verdict {
    let store = owners!(harness);
    let mut seen = None;
    for _ in 0..ROUNDS {
        let handles = many_owners(harness).await;
        let claimants = (0..).zip(handles).map(|(claimant, store)| {
            let seen = seen.clone();
            async move { claim_if(&store, &format!("owner {claimant}"), seen.as_ref()).await }
        });
        let claimed = at_once(claimants).await;
        let mut claimed = claimed.into_iter().flatten();
        let winner = claimed.next().expect("one claims it");
        assert_eq!(claimed.next(), None, "beside {winner:?}");
        assert_owned(harness, winner.owner.as_deref(), winner.generation).await;
        seen = ownership(&store).await;
    }
    Verdict::Held
}

/// An owner that renews while another claims what it saw is the owner still, or renews
/// nothing any more.
pub async fn renewals_at_once(harness: &dyn Harness) -> Verdict {
    let (store, other) = (owners!(harness), owners!(harness));
    for _ in 0..ROUNDS {
        claim(&store, "a").await;
        let held = now(harness).await;
        let (renewing, claiming) = (Arc::clone(&store), Arc::clone(&other));
        let (mine, seen) = (held.clone(), held.clone());
        let renewed = tokio::spawn(async move { renew(&renewing, &mine).await });
        let claimed = tokio::spawn(async move { claim_if(&claiming, "b", Some(&seen)).await });
        let renewed = renewed.await.expect("no panic");
        let claimed = claimed.await.expect("no panic");
        match (renewed, claimed) {
            (Some(_), None) => assert_owned(harness, Some("a"), held.generation).await,
            (None, Some(claimed)) => assert_owned(harness, Some("b"), claimed.generation).await,
            both => panic!("{both:?}"),
        }
    }
    Verdict::Held
}
