use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: Some(format!("offset of {sequence_number}")),
    }
}

fn with_offset(offset: &str) -> Checkpoint {
    Checkpoint {
        sequence_number: 200,
        offset: Some(offset.to_owned()),
    }
}

/// Owned by generation 6, fenced by 5, at 100.
fn used() -> Record {
    Record {
        fence: 5,
        checkpoint: Some(at(100)),
        claimed: 6,
        owner: Some("b".to_owned()),
        changes: 3,
        changed_at: 20,
    }
}

#[test]
fn a_claim_takes_the_next_generation_and_fences_nobody() {
    let claimed = Record::default().after(Change::Claim("a".to_owned(), 30));
    let first = Record {
        claimed: 1,
        owner: Some("a".to_owned()),
        changed_at: 30,
        ..Record::default()
    };
    assert_eq!(claimed.unwrap(), first);

    let again = used().after(Change::Claim("b".to_owned(), 0)).unwrap();
    assert_eq!(
        again,
        Record {
            claimed: 7,
            changes: 0,
            changed_at: 0,
            ..used()
        }
    );
}

#[test]
fn a_claim_of_what_was_seen_is_made_if_nothing_has_changed() {
    let claim = |seen: Option<&str>| {
        let seen = seen.map(str::to_owned);
        used().after(Change::ClaimIf("c".to_owned(), seen, 30))
    };
    let claimed = Record {
        claimed: 7,
        owner: Some("c".to_owned()),
        changes: 0,
        changed_at: 30,
        ..used()
    };
    assert_eq!(claim(Some("6.3")).unwrap(), claimed);
    for seen in [None, Some("6.2"), Some("6.4"), Some("5.3"), Some("")] {
        let lost = claim(seen);
        assert_eq!(unless_lost(lost, 30).unwrap(), None, "{seen:?}");
    }
    let first = Record::default().after(Change::ClaimIf("c".to_owned(), None, 30));
    assert_eq!(first.unwrap().claimed, 1);
}

#[test]
fn a_renewal_keeps_the_generation_and_changes_the_version() {
    let renewed = used().after(Change::Renew(Some("b".to_owned()), 6, 30));
    let expected = Record {
        changes: 4,
        changed_at: 30,
        ..used()
    };
    assert_eq!(renewed.unwrap(), expected);
    let released = Record {
        owner: None,
        ..used()
    };
    for (record, owner, generation) in [
        (used(), Some("a"), 6),
        (used(), Some("b"), 5),
        (used(), Some("b"), 7),
        (used(), None, 6),
        (released.clone(), Some("b"), 6),
        (released, None, 6),
    ] {
        let lost = record.after(Change::Renew(owner.map(str::to_owned), generation, 30));
        assert_eq!(unless_lost(lost, 30).unwrap(), None);
    }
}

#[test]
fn a_claim_comes_after_the_fence_too() {
    let fenced = Record { fence: 9, ..used() };
    let claimed = fenced.after(Change::Claim("c".to_owned(), 0)).unwrap();
    assert_eq!(claimed.claimed, 10);
}

#[test]
fn the_last_generation_is_not_followed_by_the_first() {
    for last in [
        Record {
            claimed: u64::MAX,
            ..used()
        },
        Record {
            fence: u64::MAX,
            ..used()
        },
    ] {
        let error = last.after(Change::Claim("c".to_owned(), 0)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::CorruptCheckpoint);
        assert!(error.message().contains("no generation comes after"));
    }
    let last_but_one = Record {
        claimed: u64::MAX - 1,
        ..used()
    };
    let claimed = last_but_one
        .after(Change::Claim("c".to_owned(), 0))
        .unwrap();
    assert_eq!(claimed.claimed, u64::MAX);
}

#[test]
fn only_the_last_generation_gives_a_partition_up() {
    let released = used().after(Change::Release(6, 30)).unwrap();
    let expected = Record {
        owner: None,
        changes: 4,
        changed_at: 30,
        ..used()
    };
    assert_eq!(released, expected);
    let again = expected.after(Change::Release(6, 40)).unwrap();
    assert_eq!(again, expected, "nothing happens");
    for other in [0, 5, 7] {
        assert_eq!(used().after(Change::Release(other, 0)).unwrap(), used());
    }
    assert_eq!(
        Record::default().after(Change::Release(0, 0)).unwrap(),
        Record::default()
    );
}

#[test]
fn a_write_raises_the_fence() {
    for generation in [5, 6, 9] {
        let raised = Record {
            fence: generation,
            ..used()
        };
        assert_eq!(used().after(Change::Fence(generation)).unwrap(), raised);
        let moved = Record {
            checkpoint: Some(at(101)),
            ..raised.clone()
        };
        assert_eq!(
            used().after(Change::Store(generation, at(101))).unwrap(),
            moved
        );
        let back = Record {
            checkpoint: Some(at(3)),
            ..raised.clone()
        };
        assert_eq!(
            used()
                .after(Change::Reset(generation, Some(at(3))))
                .unwrap(),
            back
        );
        let none = Record {
            checkpoint: None,
            ..raised
        };
        assert_eq!(used().after(Change::Reset(generation, None)).unwrap(), none);
    }
}

#[test]
fn a_checkpoint_may_be_stored_again() {
    let again = Record { fence: 6, ..used() };
    assert_eq!(used().after(Change::Store(6, at(100))).unwrap(), again);
}

#[test]
fn refusals_say_why() {
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    let table = [
        (
            Change::Claim(String::new(), 0),
            ErrorKind::InvalidOptions,
            "no name",
        ),
        (
            Change::Claim(long.clone(), 0),
            ErrorKind::InvalidOptions,
            "1025 bytes exceeds 1024",
        ),
        (
            Change::Fence(4),
            ErrorKind::Fenced,
            "generation 4 was followed by 5",
        ),
        (
            Change::Store(4, at(101)),
            ErrorKind::Fenced,
            "was followed by",
        ),
        (Change::Reset(4, None), ErrorKind::Fenced, "was followed by"),
        // Who is fenced is told so first.
        (
            Change::Store(4, at(-1)),
            ErrorKind::Fenced,
            "was followed by",
        ),
        (
            Change::Store(5, at(99)),
            ErrorKind::InvalidPosition,
            "from 100 to 99",
        ),
        (
            Change::Store(5, at(-1)),
            ErrorKind::CorruptCheckpoint,
            "-1 is no sequence number",
        ),
        (
            Change::Reset(5, Some(at(-1))),
            ErrorKind::CorruptCheckpoint,
            "-1 is no",
        ),
        (
            Change::Store(5, with_offset("")),
            ErrorKind::CorruptCheckpoint,
            "offset is empty",
        ),
        (
            Change::Store(5, with_offset(&long)),
            ErrorKind::CorruptCheckpoint,
            "1025 bytes",
        ),
        (
            Change::Reset(5, Some(with_offset(""))),
            ErrorKind::CorruptCheckpoint,
            "empty",
        ),
    ];
    for (change, kind, text) in table {
        let shown = format!("{change:?}");
        let error = used().after(change).unwrap_err();
        assert_eq!(*error.kind(), kind, "{shown}");
        assert!(error.message().contains(text), "{shown}: {error}");
    }
}

#[test]
fn the_longest_texts_are_taken() {
    let long = "x".repeat(MAX_TEXT_BYTES);
    used().after(Change::Claim(long.clone(), 0)).unwrap();
    used().after(Change::Store(5, with_offset(&long))).unwrap();
    used()
        .after(Change::Store(
            5,
            Checkpoint {
                sequence_number: i64::MAX,
                offset: None,
            },
        ))
        .unwrap();
    Record::default().after(Change::Store(0, at(0))).unwrap();
}

#[test]
fn nobody_owns_what_was_never_claimed() {
    let unclaimed = Record {
        claimed: 0,
        owner: None,
        ..used()
    };
    assert_eq!(unclaimed.ownership(50), None);
    let owned = |age| Ownership {
        owner: Some("b".to_owned()),
        generation: 6,
        version: "6.3".to_owned(),
        age: Duration::from_millis(age),
    };
    assert_eq!(used().ownership(50), Some(owned(30)));
    assert_eq!(used().ownership(19), Some(owned(0)), "the clock went back");
    let first = Record {
        claimed: 1,
        ..used()
    };
    assert_eq!(first.ownership(50).unwrap().generation, 1);
}

#[test]
fn a_record_that_no_change_leads_to_is_told() {
    used().check().unwrap();
    Record::default().check().unwrap();
    let table = [
        Record {
            claimed: 0,
            ..used()
        },
        Record {
            owner: Some(String::new()),
            ..used()
        },
        Record {
            owner: Some("x".repeat(MAX_TEXT_BYTES + 1)),
            ..used()
        },
        Record {
            checkpoint: Some(at(-1)),
            ..used()
        },
        Record {
            checkpoint: Some(with_offset("")),
            ..used()
        },
    ];
    for record in table {
        assert!(record.check().is_err(), "{record:?}");
    }
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let offset = prop_oneof![Just(None), "[0-9]{0,3}".prop_map(Some)];
    (-1..20_i64, offset).prop_map(|(sequence_number, offset)| Checkpoint {
        sequence_number,
        offset,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let generation = || prop_oneof![20 => 0..8_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        ("[ab]{0,2}", 0..9_u64).prop_map(|(owner, now)| Change::Claim(owner, now)),
        ("[ab]{0,2}", proptest::option::of("[1-4]\\.[0-2]"), 0..9_u64)
            .prop_map(|(owner, seen, now)| Change::ClaimIf(owner, seen, now)),
        (proptest::option::of("[ab]{1,2}"), generation(), 0..9_u64)
            .prop_map(|(owner, by, now)| Change::Renew(owner, by, now)),
        (generation(), 0..9_u64).prop_map(|(by, now)| Change::Release(by, now)),
        generation().prop_map(Change::Fence),
        (generation(), checkpoint()).prop_map(|(by, to)| Change::Store(by, to)),
        (generation(), proptest::option::of(checkpoint()))
            .prop_map(|(by, to)| Change::Reset(by, to)),
    ]
}

proptest! {
    #[test]
    fn generations_rise_and_checkpoints_go_on_whatever_is_asked(changes in vec(change(), 0..40)) {
        let mut record = Record::default();
        let mut versions = HashSet::from([None]);
        for change in changes {
            let Ok(after) = record.after(change.clone()) else {
                continue;
            };
            prop_assert!(after.check().is_ok());
            prop_assert!(after.fence >= record.fence);
            let claims = u64::from(matches!(change, Change::Claim(..) | Change::ClaimIf(..)));
            prop_assert!(after.claimed >= record.claimed + claims);
            prop_assert!(claims == 0 || after.claimed > record.fence);
            let writer = match change {
                Change::Store(by, _) | Change::Reset(by, _) | Change::Fence(by) => Some(by),
                Change::Claim(..)
                | Change::ClaimIf(..)
                | Change::Renew(..)
                | Change::Release(..) => None,
            };
            let is_new = versions.insert(after.version());
            let is_owners = after.owner != record.owner || after.changes != record.changes;
            prop_assert_eq!(is_new, writer.is_none() && (claims == 1 || is_owners));
            prop_assert_eq!(after.fence, writer.unwrap_or(record.fence));
            if writer.is_none() {
                prop_assert_eq!(&after.checkpoint, &record.checkpoint);
            } else {
                prop_assert_eq!((after.claimed, &after.owner), (record.claimed, &record.owner));
            }
            let place = |record: &Record| record.checkpoint.as_ref().map(|at| at.sequence_number);
            let is_reset = matches!(change, Change::Reset(..));
            prop_assert!(is_reset || place(&after) >= place(&record));
            record = after;
        }
    }

    #[test]
    fn who_was_fenced_changes_nothing(by in 0..5_u64, at in checkpoint()) {
        for change in [
            Change::Fence(by),
            Change::Store(by, at.clone()),
            Change::Reset(by, Some(at.clone())),
            Change::Reset(by, None),
        ] {
            let refused = used().after(change).unwrap_err();
            prop_assert_eq!(refused.kind(), &ErrorKind::Fenced);
        }
        prop_assert_eq!(used().after(Change::Release(by, 0)).unwrap(), used());
        let renewed = used().after(Change::Renew(Some("b".to_owned()), by, 0));
        let renewed = renewed.unwrap_err();
        prop_assert_eq!(renewed.kind(), &ErrorKind::Fenced);
    }
}
