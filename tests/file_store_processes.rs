//! What several processes at one store in files see of each other, dead, frozen or
//! alive: row 32.
//!
//! `FILE_STORE_KILLS` is how often a writer is killed, 20 unless it is set.
#![cfg(unix)]

#[path = "support/child.rs"]
mod child;
mod store_support;

use child::{Child, say};
use eventhubs_flow::ErrorKind;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, FileStore, OwnershipStore};
use std::collections::HashSet;
use store_support::{Directory, FIRST, at, folder_of, record_in, scope};

async fn open(directory: &str) -> FileStore {
    FileStore::open(directory).await.unwrap()
}

/// Claims the partition and goes on from where it stands, until it is fenced, and
/// says each step before and after.
async fn write(directory: &str) {
    let store = open(directory).await;
    let generation = store.claim(&scope(), FIRST, "writer").await.unwrap();
    say(format_args!("claimed {generation}"));
    let left = store.fence(&scope(), FIRST, generation).await.unwrap();
    let first = left.map_or(0, |left| left.sequence_number + 1);
    for place in first.. {
        say(format_args!("storing {place}"));
        match store.store(&scope(), FIRST, generation, &at(place)).await {
            Ok(()) => say(format_args!("stored {place}")),
            Err(error) if *error.kind() == ErrorKind::Fenced => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The last of what a child has said.
#[derive(Debug, Default, Clone, Copy)]
struct Said {
    claimed: u64,
    storing: Option<i64>,
    stored: Option<i64>,
}

impl Said {
    fn note(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("claimed", number)) => self.claimed = number.parse().unwrap(),
            Some(("storing", number)) => self.storing = Some(number.parse().unwrap()),
            Some(("stored", number)) => self.stored = Some(number.parse().unwrap()),
            _ => panic!("{line}"),
        }
    }

    /// Asserts that a store is where the child has left it.
    async fn assert_left(self, store: &FileStore) -> Option<i64> {
        let owner = store.ownership(&scope(), FIRST).await.unwrap();
        assert!(owner.is_none_or(|owner| owner.generation >= self.claimed));
        let left = store.checkpoint(&scope(), FIRST).await.unwrap();
        let place = left.as_ref().map(|left| left.sequence_number);
        assert_eq!(left, place.map(at), "it is whole");
        let expected = self.stored..=self.storing.max(self.stored);
        assert!(expected.contains(&place), "{place:?} after {self:?}");
        place
    }
}

#[tokio::test]
async fn row_32_a_kill_in_mid_write_leaves_a_whole_checkpoint_that_never_goes_back() {
    if let Some(directory) = child::told() {
        return write(&directory).await;
    }
    let kills = std::env::var("FILE_STORE_KILLS");
    let kills: u32 = kills.map_or(20, |kills| kills.parse().unwrap());
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let store = open(path).await;
    let mut said = Said::default();
    let mut unfinished = 0;
    for round in 0..kills {
        let mut child = Child::start(
            "row_32_a_kill_in_mid_write_leaves_a_whole_checkpoint_that_never_goes_back",
            path,
        );
        let claimed = said.claimed;
        for _ in 0..1 + round % 40 {
            said.note(&child.next().await.expect("it writes without end"));
        }
        child.kill().await;
        while let Some(line) = child.next().await {
            said.note(&line);
        }
        assert!(said.claimed > claimed, "a later generation");
        unfinished += u32::from(said.storing > said.stored);
        said.stored = said.assert_left(&store).await;
    }
    assert!(unfinished > 0, "no kill came in mid write");
    // Nothing that the dead have left stands in the way.
    let generation = store.claim(&scope(), FIRST, "last").await.unwrap();
    assert!(generation > said.claimed);
    let folder = folder_of(directory.path(), &scope(), FIRST);
    assert!(record_in(&folder).is_some());
}

/// How many processes claim at once, and how often each.
const CLAIMANTS: u64 = 6;
const CLAIMS: u64 = 50;

#[tokio::test]
async fn processes_that_claim_at_once_have_generations_of_their_own() {
    if let Some(directory) = child::told() {
        let store = open(&directory).await;
        for _ in 0..CLAIMS {
            say(store.claim(&scope(), FIRST, "one of many").await.unwrap());
        }
        return;
    }
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let start = |_| {
        Child::start(
            "processes_that_claim_at_once_have_generations_of_their_own",
            path,
        )
    };
    let mut children: Vec<_> = (0..CLAIMANTS).map(start).collect();
    let mut generations = HashSet::new();
    for child in &mut children {
        let mut last = 0;
        while let Some(line) = child.next().await {
            let generation = line.parse().unwrap();
            assert!(generation > last, "{generation} after {last}");
            assert!(
                generations.insert(generation),
                "{generation} was handed out twice"
            );
            last = generation;
        }
        child.succeeds().await;
    }
    // Some may be skipped, where one claim came right after another.
    assert_eq!(generations.len() as u64, CLAIMANTS * CLAIMS);
}

#[tokio::test]
async fn row_30_a_process_that_was_followed_stores_nothing_more() {
    if let Some(directory) = child::told() {
        return write(&directory).await;
    }
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let store = open(path).await;
    let mut child = Child::start(
        "row_30_a_process_that_was_followed_stores_nothing_more",
        path,
    );
    let mut said = Said::default();
    while said.stored < Some(20) {
        said.note(&child.next().await.expect("it writes without end"));
    }
    // It writes on while this one follows.
    let generation = store.claim(&scope(), FIRST, "later").await.unwrap();
    let left = store.fence(&scope(), FIRST, generation).await.unwrap();
    while let Some(line) = child.next().await {
        said.note(&line);
    }
    let stored = said.stored.map(at);
    assert_eq!(left, stored, "the fence has read the last that was stored");
    assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), stored);
}

#[tokio::test]
async fn a_process_that_was_frozen_while_it_wrote_spoils_nothing_and_holds_up_nobody() {
    if let Some(directory) = child::told() {
        return write(&directory).await;
    }
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let store = open(path).await;
    let mut child = Child::start(
        "a_process_that_was_frozen_while_it_wrote_spoils_nothing_and_holds_up_nobody",
        path,
    );
    let mut said = Said::default();
    for round in 0..20 {
        for _ in 0..3 + round % 4 {
            said.note(&child.next().await.expect("it writes without end"));
        }
        child.signal("STOP").await;
        let left = store.checkpoint(&scope(), FIRST).await.unwrap();
        let place = left.as_ref().map(|left| left.sequence_number);
        assert_eq!(left, place.map(at), "it is whole");
        assert!(place >= said.stored, "{place:?} after {said:?}");
        // Another one comes first, wherever in its change it stands.
        let (next, generation) = (place.unwrap() + 1_000_000, said.claimed);
        let scope = scope();
        if round == 19 {
            let generation = store.claim(&scope, FIRST, "other").await.unwrap();
            let fenced = store.fence(&scope, FIRST, generation).await.unwrap();
            assert!(fenced.unwrap().sequence_number >= place.unwrap());
            store
                .store(&scope, FIRST, generation, &at(next))
                .await
                .unwrap();
        } else {
            store.fence(&scope, FIRST, generation).await.unwrap();
        }
        child.signal("CONT").await;
    }
    // Thawed, it is fenced, and ends.
    let after = store.checkpoint(&scope(), FIRST).await.unwrap();
    while let Some(line) = child.next().await {
        said.note(&line);
    }
    assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), after);
}
