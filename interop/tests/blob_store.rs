//! What the store of blobs keeps beside what the contract asks: the layout, other
//! SDKs' writes, rights, and what comes of faults on the way to Azurite.

mod blobs;

use std::time::Duration;

use blobs::proxy::{Fate, Proxy};
use blobs::*;
use eventhubs_flow::consumer::checkpoint::{
    BlobStore, BlobStoreOptions, CheckpointStore, OwnershipStore,
};
use eventhubs_flow::{Error, ErrorKind};
use eventhubs_interop::Azurite;
use eventhubs_interop::azurite::{ALL, KEY};
use futures_util::future::join_all;
use tokio::time::Instant;

async fn metadata(azurite: &Azurite, blob: &str) -> Vec<(String, String)> {
    let metadata = azurite.metadata(CONTAINER, blob).await;
    metadata.unwrap_or_else(|| panic!("there is no {blob}"))
}

fn entries(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    entries.iter().map(owned).collect()
}

#[tokio::test]
async fn blobs_are_laid_out_as_other_sdks_read_them() {
    let azurite = azurite!();
    let store = store(&azurite).await;
    let generation = store.claim(&scope(), FIRST, "worker-1").await.unwrap();
    assert_eq!(
        store.fence(&scope(), FIRST, generation).await.unwrap(),
        None
    );
    assert_eq!(
        metadata(&azurite, OWNERSHIP).await,
        entries(&[("flowgeneration", "1"), ("ownerid", "worker-1")])
    );
    let checkpoint = azurite.metadata(CONTAINER, CHECKPOINT).await;
    assert_eq!(checkpoint, None, "they expect a position in every one");
    for place in [7, 8] {
        let stored = store.store(&scope(), FIRST, generation, &at(place)).await;
        stored.unwrap();
        let mut written = metadata(&azurite, CHECKPOINT).await;
        written.retain(|(name, _)| !name.starts_with("flow"));
        let (number, offset) = (place.to_string(), (place * 100).to_string());
        let expected = [("offset", &*offset), ("sequencenumber", &*number)];
        assert_eq!(written, entries(&expected));
    }
    store.release(&scope(), FIRST, generation).await.unwrap();
    assert_eq!(
        metadata(&azurite, OWNERSHIP).await,
        entries(&[("flowgeneration", "1"), ("ownerid", "")])
    );
}

#[tokio::test]
async fn what_another_sdk_writes_is_taken_as_it_is_and_the_fence_stands() {
    let azurite = azurite!();
    let store = store(&azurite).await;
    let theirs = [("offset", "500"), ("sequencenumber", "5")];
    for first in [true, false] {
        // Where nothing is, and over what is ours.
        azurite.put_metadata(CONTAINER, CHECKPOINT, &theirs).await;
        let read = store.checkpoint(&scope(), FIRST).await.unwrap();
        assert_eq!(read, Some(at(5)));
        let generation = if first { 1 } else { 3 };
        let fenced = store.fence(&scope(), FIRST, generation).await.unwrap();
        assert_eq!(fenced, Some(at(5)));
        azurite.put_metadata(CONTAINER, CHECKPOINT, &theirs).await;
        let refused = store.store(&scope(), FIRST, generation - 1, &at(6)).await;
        assert_eq!(
            *refused.unwrap_err().kind(),
            ErrorKind::Fenced,
            "they took no fence away"
        );
        store
            .store(&scope(), FIRST, generation, &at(6))
            .await
            .unwrap();
    }

    azurite
        .put_metadata(CONTAINER, OWNERSHIP, &[("ownerid", "theirs")])
        .await;
    let seen = store.ownership(&scope(), FIRST).await.unwrap().unwrap();
    assert_eq!(
        (seen.owner.as_deref(), seen.generation),
        (Some("theirs"), 0)
    );
    let generation = store.claim(&scope(), FIRST, "ours").await.unwrap();
    assert!(generation > 3, "higher than the fence");
    let ours = store.ownership(&scope(), FIRST).await.unwrap().unwrap();
    azurite
        .put_metadata(CONTAINER, OWNERSHIP, &[("ownerid", "theirs")])
        .await;
    let theirs = store.ownership(&scope(), FIRST).await.unwrap().unwrap();
    assert_eq!(
        (theirs.owner.as_deref(), theirs.generation),
        (Some("theirs"), generation)
    );
    assert_ne!(theirs.version, ours.version);
    // Who was displaced by them gives nothing of theirs up, and renews nothing.
    store.release(&scope(), FIRST, generation).await.unwrap();
    assert_eq!(store.renew(&scope(), FIRST, &ours).await.unwrap(), None);
    assert_eq!(
        store
            .claim_if(&scope(), FIRST, "ours", Some(&ours))
            .await
            .unwrap(),
        None
    );
    let listed = store.ownerships(&scope()).await.unwrap();
    assert_eq!(listed[0].1.owner.as_deref(), Some("theirs"));
    assert_eq!(
        (listed.len(), listed[0].1.generation),
        (1, generation + 1),
        "the lost claim's"
    );
}

#[tokio::test]
async fn a_checkpoint_that_was_removed_by_hand_is_gone() {
    let azurite = azurite!();
    let store = store(&azurite).await;
    for place in [1, 2] {
        store.store(&scope(), FIRST, 1, &at(place)).await.unwrap();
    }
    azurite.remove(CONTAINER, CHECKPOINT).await;
    assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), None);
    store.store(&scope(), FIRST, 1, &at(0)).await.unwrap();
    assert_eq!(
        store.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(0))
    );
    let refused = store.store(&scope(), FIRST, 0, &at(3)).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_container_that_is_missing_is_told_and_can_be_made() {
    let azurite = azurite!();
    let account = azurite.connection_string();
    let store = BlobStore::from_connection_string(&account, "elsewhere", options()).unwrap();
    for error in every_call(&store).await {
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
        assert!(!error.is_retryable());
        assert!(
            error.to_string().contains("create_container_if_missing"),
            "{error}"
        );
    }
    assert!(store.create_container_if_missing().await.unwrap());
    assert!(!store.create_container_if_missing().await.unwrap());
    assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), None);
}

/// The errors of every call that there is.
async fn every_call(store: &BlobStore) -> Vec<Error> {
    let at = at(1);
    let scope = scope();
    let seen = eventhubs_flow::consumer::checkpoint::Ownership {
        owner: Some("a".to_owned()),
        generation: 1,
        version: "\"0x1\"".to_owned(),
        age: Duration::ZERO,
    };
    let calls: [futures_util::future::BoxFuture<'_, Result<(), Error>>; 11] = [
        Box::pin(async { store.checkpoint(&scope, FIRST).await.map(drop) }),
        Box::pin(async { store.fence(&scope, FIRST, 1).await.map(drop) }),
        Box::pin(store.store(&scope, FIRST, 1, &at)),
        Box::pin(store.reset(&scope, FIRST, 1, None)),
        Box::pin(async { store.ownership(&scope, FIRST).await.map(drop) }),
        Box::pin(async { store.ownerships(&scope).await.map(drop) }),
        Box::pin(async { store.claim(&scope, FIRST, "a").await.map(drop) }),
        Box::pin(async { store.claim_if(&scope, FIRST, "a", None).await.map(drop) }),
        Box::pin(async {
            store
                .claim_if(&scope, FIRST, "a", Some(&seen))
                .await
                .map(drop)
        }),
        Box::pin(async { store.renew(&scope, FIRST, &seen).await.map(drop) }),
        Box::pin(store.release(&scope, FIRST, 1)),
    ];
    let failed = join_all(calls).await.into_iter();
    failed
        .map(|failed| failed.expect_err("it cannot have done it"))
        .collect()
}

#[tokio::test]
async fn what_the_service_refuses_is_told_apart_and_asked_for_once() {
    let azurite = azurite!();
    let proxy = Proxy::to(azurite.port()).await;
    let store = store_by(&azurite, proxy.port, options()).await;
    let unavailable = || ErrorKind::StoreUnavailable;
    let rejected = |code: &str| ErrorKind::Rejected {
        condition: code.to_owned(),
    };
    for (status, code, kind) in [
        ("500 Internal Server Error", "InternalError", unavailable()),
        ("503 Service Unavailable", "ServerBusy", unavailable()),
        ("429 Too Many Requests", "TooManyRequests", unavailable()),
        (
            "403 Forbidden",
            "AuthenticationFailed",
            ErrorKind::Unauthorized,
        ),
        (
            "401 Unauthorized",
            "InvalidAuthenticationInfo",
            ErrorKind::Unauthorized,
        ),
        ("404 Not Found", "ContainerNotFound", ErrorKind::NotFound),
        ("404 Not Found", "ResourceNotFound", ErrorKind::NotFound),
        ("409 Conflict", "ContainerBeingDeleted", unavailable()),
        ("412 Precondition Failed", "LeaseIdMissing", unavailable()),
        (
            "400 Bad Request",
            "InvalidMetadata",
            rejected("InvalidMetadata"),
        ),
        ("200 OK", "", unavailable()),
    ] {
        proxy.forget();
        proxy.judge(move |_| Fate::Answer(status, code));
        for error in every_call(&store).await {
            assert_eq!(*error.kind(), kind, "{status} {code}: {error}");
            assert!(
                error.to_string().contains(&azurite.url(CONTAINER)[..16]),
                "{error}"
            );
        }
        assert_eq!(proxy.seen().len(), 11, "each call is one attempt");
    }
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_after_ten_seconds() {
    let azurite = azurite!();
    let proxy = Proxy::to(azurite.port()).await;
    let store = store_by(&azurite, proxy.port, BlobStoreOptions::default()).await;
    store.store(&scope(), FIRST, 1, &at(1)).await.unwrap();
    proxy.judge(|_| Fate::Hang);
    let begun = Instant::now();
    for error in every_call(&store).await {
        assert_eq!(*error.kind(), ErrorKind::StoreUnavailable, "{error}");
        assert!(error.is_retryable());
    }
    let took = begun.elapsed();
    let ten = Duration::from_secs(10);
    assert!(
        (ten..ten + Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    proxy.judge(|_| Fate::Pass);
    assert_eq!(
        store.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(1))
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_and_what_was_asked_can_be_asked_again() {
    let azurite = azurite!();
    let proxy = Proxy::to(azurite.port()).await;
    let store = store_by(&azurite, proxy.port, options()).await;
    let writes = |line: &str| line.starts_with("PUT ");
    let mut last = 0;
    for (round, fate) in [
        || Fate::Drop,
        || Fate::LoseAnswer,
        || Fate::Answer("503 Service Unavailable", "ServerBusy"),
    ]
    .into_iter()
    .cycle()
    .take(6)
    .enumerate()
    {
        let place = i64::try_from(round).unwrap();
        proxy.once(writes, fate());
        let failed = store.claim(&scope(), FIRST, "a").await.unwrap_err();
        assert_eq!(*failed.kind(), ErrorKind::StoreUnavailable);
        let generation = store.claim(&scope(), FIRST, "a").await.unwrap();
        assert!(generation > last);
        last = generation;
        store.fence(&scope(), FIRST, generation).await.unwrap();
        proxy.once(writes, fate());
        let failed = store.store(&scope(), FIRST, generation, &at(place)).await;
        assert_eq!(*failed.unwrap_err().kind(), ErrorKind::StoreUnavailable);
        let left = store.checkpoint(&scope(), FIRST).await.unwrap();
        let place_left = left.map(|left| left.sequence_number);
        assert!([(place > 0).then(|| place - 1), Some(place)].contains(&place_left));
        store
            .store(&scope(), FIRST, generation, &at(place))
            .await
            .unwrap();
        assert_eq!(
            store.checkpoint(&scope(), FIRST).await.unwrap(),
            Some(at(place))
        );
        proxy.once(writes, fate());
        let failed = store
            .release(&scope(), FIRST, generation)
            .await
            .unwrap_err();
        assert_eq!(*failed.kind(), ErrorKind::StoreUnavailable);
        store.release(&scope(), FIRST, generation).await.unwrap();
        let released = store.ownership(&scope(), FIRST).await.unwrap().unwrap();
        assert_eq!((released.owner, released.generation), (None, generation));
    }
}

#[tokio::test]
async fn a_signature_does_what_it_allows_and_no_secret_is_told() {
    let azurite = azurite!();
    let by_key = store(&azurite).await;
    by_key.store(&scope(), FIRST, 1, &at(1)).await.unwrap();
    let hour = Duration::from_secs(3600);
    let url = azurite.signed_url(CONTAINER, ALL, hour);
    let signature = url.split("sig=").nth(1).unwrap();
    let store = BlobStore::from_sas_url(&url, options()).unwrap();
    let generation = store.claim(&scope(), FIRST, "a").await.unwrap();
    store
        .store(&scope(), FIRST, generation, &at(2))
        .await
        .unwrap();
    store
        .reset(&scope(), FIRST, generation, None)
        .await
        .unwrap();
    assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), None);
    assert_eq!(store.ownerships(&scope()).await.unwrap().len(), 1);
    assert!(!format!("{store:?}").contains(&signature[..10]));

    let wrong = azurite.connection_string().replace(KEY, "c2VjcmV0");
    let stores = [
        BlobStore::from_sas_url(&azurite.signed_url(CONTAINER, "r", hour), options()),
        BlobStore::from_sas_url(
            &azurite.signed_url(CONTAINER, ALL, Duration::ZERO),
            options(),
        ),
        BlobStore::from_sas_url(&url.replace("sig=", "sig=x"), options()),
        BlobStore::from_connection_string(&wrong, CONTAINER, options()),
    ];
    for store in stores {
        let store = store.unwrap();
        let refused = store.claim(&scope(), FIRST, "b").await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Unauthorized, "{refused}");
        assert!(!refused.is_retryable());
        for told in [format!("{refused:?}"), format!("{store:?}")] {
            assert!(
                !told.contains("sig=") && !told.contains("c2VjcmV0"),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_error_of_a_request_without_an_answer() {
    let port = {
        // Nobody listens there any more.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/devstoreaccount1/{CONTAINER}?sv=1&sig=c2VjcmV0");
    let store = BlobStore::from_sas_url(&url, options()).unwrap();
    for error in every_call(&store).await {
        assert_eq!(*error.kind(), ErrorKind::StoreUnavailable, "{error}");
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}
