//! Checkpoints: what is stored is read, and goes forward only.

use super::harness::Harness;
use super::kit::*;
use crate::consumer::checkpoint::{Checkpoint, CheckpointStore, ConsumerScope};
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::partition::PartitionId;

/// A partition without a checkpoint has none, fenced or not.
pub async fn absent(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    assert_at(harness, None).await;
    assert_eq!(fence(&store, 1).await, None);
    assert_at(harness, None).await;
    Verdict::Held
}

/// What was stored is read as it was, by every handle.
pub async fn contents(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    let longest = "9".repeat(1024);
    let offsets = [
        None,
        Some("0"),
        Some("4294970808"),
        Some("a b\nc\t%20%\"'\\\0é€\u{1F980}"),
        Some(" "),
        Some(&longest),
    ];
    let numbers = [0, 1, 1 << 53, i64::MAX - 1, i64::MAX];
    let mut generation = 0;
    for sequence_number in numbers {
        for offset in offsets {
            generation += 1;
            let checkpoint = Checkpoint {
                sequence_number,
                offset: offset.map(str::to_owned),
            };
            let stored = store.store(&scope(), FIRST, generation, &checkpoint).await;
            stored.expect("nothing is wrong with it");
            for handle in [&store, &other] {
                let read = read(handle, &scope(), FIRST).await;
                assert_eq!(read.as_ref(), Some(&checkpoint));
            }
        }
    }
    Verdict::Held
}

/// A checkpoint that is stored may be stored again, by a later generation too.
pub async fn again(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    for generation in [1, 1, 2] {
        super::kit::store(&store, generation, 100).await;
        assert_at(harness, 100).await;
    }
    Verdict::Held
}

/// A checkpoint goes forward, by steps of any size.
pub async fn forward(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    for (handle, place) in [
        (&store, 0),
        (&other, 1),
        (&store, 70_000),
        (&other, i64::MAX),
    ] {
        super::kit::store(handle, 1, place).await;
        assert_at(harness, place).await;
    }
    Verdict::Held
}

/// A checkpoint does not go back, whatever generation asks; what is stored stays.
pub async fn backward(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 5, 100).await;
    for (handle, generation, place) in [(&store, 5, 99), (&other, 5, 0), (&other, 9, 99)] {
        let refused = try_store(handle, generation, place).await;
        let error = refused.expect_err("a checkpoint has gone back");
        assert_kind!(error, ErrorKind::InvalidPosition);
        assert!(!error.is_retryable(), "it never goes back");
        assert_at(harness, 100).await;
    }
    // A refused write has raised no fence.
    super::kit::store(&store, 5, 101).await;
    assert_at(harness, 101).await;
    Verdict::Held
}

/// What is no position is refused; what is stored stays.
pub async fn no_position(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    for checkpoint in no_positions() {
        let refused = store.store(&scope(), FIRST, 5, &checkpoint).await;
        assert_kind!(refused.expect_err("stored"), ErrorKind::CorruptCheckpoint);
        assert_at(harness, None).await;
    }
    super::kit::store(&store, 4, 100).await;
    for checkpoint in no_positions() {
        let refused = store.store(&scope(), FIRST, 5, &checkpoint).await;
        assert_kind!(refused.expect_err("stored"), ErrorKind::CorruptCheckpoint);
        assert_at(harness, 100).await;
    }
    // A refused write has raised no fence.
    super::kit::store(&store, 4, 101).await;
    Verdict::Held
}

/// Partitions have checkpoints and fences of their own.
pub async fn apart_by_partition(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    let partitions = [0, 1, 2, 10, 11, 31, 100, u32::MAX].map(PartitionId::new);
    for (place, partition) in (0_i64..).zip(partitions) {
        let generation = 100 - place.unsigned_abs();
        let stored = store
            .store(&scope(), partition, generation, &at(place))
            .await;
        stored.expect("no other partition fences it");
    }
    for (place, partition) in (0_i64..).zip(partitions) {
        assert_eq!(read(&store, &scope(), partition).await, Some(at(place)));
    }
    Verdict::Held
}

/// Namespaces, hubs and consumer groups have checkpoints and fences of their own,
/// whatever they are called. A store may refuse names that the service has not.
pub async fn apart_by_scope(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    let mut stored = Vec::new();
    for (place, scope) in (0_i64..).zip(look_alikes()) {
        let generation = 100 - place.unsigned_abs();
        match store.store(&scope, FIRST, generation, &at(place)).await {
            Ok(()) => stored.push((place, scope)),
            Err(error) => {
                assert_kind!(error, ErrorKind::InvalidOptions);
                assert!(place > 4, "{scope} is a usual name");
            }
        }
    }
    for (place, scope) in stored {
        assert_eq!(
            read(&store, &scope, FIRST).await,
            Some(at(place)),
            "{scope:?}"
        );
    }
    Verdict::Held
}

/// The longest names that the service takes are taken.
pub async fn long_names(harness: &dyn Harness) -> Verdict {
    let store = checkpoints!(harness);
    let names = [(50, 256, 50), (50, 255, 51), (50, 256, 51)];
    let scopes = names.map(|(namespace, hub, group)| {
        let [namespace, hub, group] = [namespace, hub, group].map(|long| "n".repeat(long));
        ConsumerScope::new(&format!("{namespace}.servicebus.windows.net"), &hub, &group)
    });
    for (place, scope) in (0..).zip(&scopes) {
        let stored = store.store(scope, FIRST, 1, &at(place)).await;
        stored.expect("a name that is not too long");
    }
    for (place, scope) in (0..).zip(&scopes) {
        assert_eq!(read(&store, scope, FIRST).await, Some(at(place)));
    }
    Verdict::Held
}

/// Names are the same in any case, as those of the service are.
pub async fn same_in_any_case(harness: &dyn Harness) -> Verdict {
    let (store, other) = (checkpoints!(harness), checkpoints!(harness));
    super::kit::store(&store, 1, 100).await;
    let shouted = ConsumerScope::new("NS.ServiceBus.Windows.NET", "EH1", "$DEFAULT");
    assert_eq!(read(&other, &shouted, FIRST).await, Some(at(100)));
    Verdict::Held
}

/// Writers of one generation at the same time: the furthest stays.
pub async fn the_furthest_stays(harness: &dyn Harness) -> Verdict {
    drop(checkpoints!(harness));
    let handles = many_checkpoints(harness).await;
    let writers = (0..).zip(handles).map(|(first, store)| async move {
        let mut furthest = None;
        for step in 0..ROUNDS {
            let place = first + step * 8;
            match try_store(&store, 1, place).await {
                Ok(()) => furthest = Some(place),
                Err(error) => assert_kind!(error, ErrorKind::InvalidPosition),
            }
            tokio::task::yield_now().await;
        }
        furthest
    });
    let furthest = at_once(writers).await.into_iter().flatten().max();
    assert_at(harness, furthest).await;
    Verdict::Held
}

/// Checkpoints that are none.
pub(super) fn no_positions() -> Vec<Checkpoint> {
    let with = |sequence_number, offset: Option<&str>| Checkpoint {
        sequence_number,
        offset: offset.map(str::to_owned),
    };
    vec![
        with(-1, None),
        with(i64::MIN, Some("1")),
        with(200, Some("")),
        with(200, Some(&"9".repeat(1025))),
    ]
}
