//! What the store of blobs makes of others that write between its reading and its own
//! writing.

mod blobs;

use std::sync::Arc;

use blobs::proxy::{Fate, Proxy};
use blobs::*;
use eventhubs_flow::ErrorKind;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, OwnershipStore};
use eventhubs_interop::Azurite;

/// Does something just before our next write of a blob.
fn before_writing(
    proxy: &Proxy,
    blob: &'static str,
    done: impl Future<Output = ()> + Send + 'static,
) {
    let writes = move |line: &str| line.starts_with("PUT ") && line.contains(blob);
    proxy.once(writes, Fate::after(done));
}

#[tokio::test]
async fn a_checkpoint_that_loses_a_race_is_decided_again() {
    let azurite = Arc::new(azurite!());
    let proxy = Proxy::to(azurite.port()).await;
    let ours = store_by(&azurite, proxy.port, options()).await;
    let other = store(&azurite).await;
    let theirs = |offset: &'static str, number: &'static str| {
        let azurite = Arc::clone(&azurite);
        async move {
            let entries = [("offset", offset), ("sequencenumber", number)];
            azurite.put_metadata(CONTAINER, CHECKPOINT, &entries).await;
        }
    };
    ours.fence(&scope(), FIRST, 1).await.unwrap();
    // Of three that write the first checkpoint, the last one counts.
    before_writing(&proxy, "/checkpoint/0", theirs("500", "5"));
    ours.store(&scope(), FIRST, 1, &at(6)).await.unwrap();
    assert_eq!(
        other.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(6))
    );
    before_writing(&proxy, "/checkpoint/0", theirs("700", "7"));
    ours.store(&scope(), FIRST, 1, &at(8)).await.unwrap();
    assert_eq!(
        other.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(8))
    );
    before_writing(&proxy, "/checkpoint/0", theirs("900", "9"));
    let back = ours.store(&scope(), FIRST, 1, &at(8)).await;
    back.unwrap();
    let back = ours.store(&scope(), FIRST, 1, &at(7)).await.unwrap_err();
    assert_eq!(*back.kind(), ErrorKind::InvalidPosition);
    before_writing(&proxy, "/checkpoint/0", theirs("2000", "20"));
    let back = ours.store(&scope(), FIRST, 1, &at(10)).await.unwrap_err();
    assert_eq!(*back.kind(), ErrorKind::InvalidPosition);
    assert_eq!(
        other.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(20))
    );

    let fence = {
        let other = other.clone();
        async move { drop(other.fence(&scope(), FIRST, 2).await.unwrap()) }
    };
    before_writing(&proxy, "/checkpoint/0", fence);
    let fenced = ours.store(&scope(), FIRST, 1, &at(30)).await.unwrap_err();
    assert_eq!(*fenced.kind(), ErrorKind::Fenced);
    assert_eq!(
        other.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(20))
    );
}

#[tokio::test]
async fn a_fence_that_comes_before_the_first_checkpoint_refuses_it() {
    let azurite = azurite!();
    let proxy = Proxy::to(azurite.port()).await;
    let ours = store_by(&azurite, proxy.port, options()).await;
    let other = store(&azurite).await;
    ours.fence(&scope(), FIRST, 1).await.unwrap();
    let fence = {
        let other = other.clone();
        async move { assert_eq!(other.fence(&scope(), FIRST, 2).await.unwrap(), None) }
    };
    before_writing(&proxy, "/generation/0", fence);
    let fenced = ours.store(&scope(), FIRST, 1, &at(30)).await.unwrap_err();
    assert_eq!(*fenced.kind(), ErrorKind::Fenced);
    assert_eq!(other.checkpoint(&scope(), FIRST).await.unwrap(), None);
    assert_eq!(azurite.metadata(CONTAINER, CHECKPOINT).await, None);

    // One that comes between the draft and the blob reads the draft.
    let fence = {
        let other = other.clone();
        async move { assert_eq!(other.fence(&scope(), FIRST, 3).await.unwrap(), Some(at(31))) }
    };
    before_writing(&proxy, "/checkpoint/0", fence);
    let stored = ours.store(&scope(), FIRST, 2, &at(31)).await;
    stored.expect("it counted before the fence");
    assert_eq!(
        ours.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(31))
    );
    let refused = ours.store(&scope(), FIRST, 2, &at(32)).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_claim_that_loses_a_race_claims_nothing() {
    let azurite = Arc::new(azurite!());
    let proxy = Proxy::to(azurite.port()).await;
    let ours = store_by(&azurite, proxy.port, options()).await;
    let other = store(&azurite).await;
    let theirs = || {
        let azurite = Arc::clone(&azurite);
        async move {
            azurite
                .put_metadata(CONTAINER, OWNERSHIP, &[("ownerid", "theirs")])
                .await
        }
    };
    let owner = || async {
        let seen = other.ownership(&scope(), FIRST).await.unwrap().unwrap();
        seen.owner.unwrap()
    };
    before_writing(&proxy, "/ownership/0", theirs());
    assert_eq!(
        ours.claim_if(&scope(), FIRST, "ours", None).await.unwrap(),
        None
    );
    assert_eq!(owner().await, "theirs");

    let seen = ours.ownership(&scope(), FIRST).await.unwrap();
    before_writing(&proxy, "/ownership/0", theirs());
    let lost = ours.claim_if(&scope(), FIRST, "ours", seen.as_ref()).await;
    assert_eq!(lost.unwrap(), None, "the same owner, but renewed");
    let seen = ours.ownership(&scope(), FIRST).await.unwrap();
    let held = ours.claim_if(&scope(), FIRST, "ours", seen.as_ref()).await;
    let held = held.unwrap().unwrap();

    before_writing(&proxy, "/ownership/0", theirs());
    assert_eq!(ours.renew(&scope(), FIRST, &held).await.unwrap(), None);
    assert_eq!(owner().await, "theirs");
    let held = ours.claim(&scope(), FIRST, "ours").await.unwrap();
    before_writing(&proxy, "/ownership/0", theirs());
    ours.release(&scope(), FIRST, held).await.unwrap();
    assert_eq!(owner().await, "theirs");

    // Whoever claims whatever is there is followed by the later one, not before it.
    let later = {
        let other = other.clone();
        async move { assert!(other.claim(&scope(), FIRST, "later").await.is_ok()) }
    };
    before_writing(&proxy, "/ownership/0", later);
    let earlier = ours.claim(&scope(), FIRST, "earlier").await.unwrap();
    let last = other.ownership(&scope(), FIRST).await.unwrap().unwrap();
    assert_eq!(last.owner.as_deref(), Some("later"));
    assert!(last.generation > earlier);
}
