use proptest::prelude::*;

use super::*;
use crate::consumer::checkpoint::ConsumerScope;
use crate::partition::PartitionId;

fn place() -> Place {
    let scope = ConsumerScope::new("ns.servicebus.windows.net", "eh1", "$Default");
    Place::new(&scope, PartitionId::new(3))
}

fn full() -> Record {
    Record {
        fence: 8,
        checkpoint: Some(Checkpoint {
            sequence_number: 120,
            offset: Some("4294970808".to_owned()),
        }),
        claimed: 9,
        owner: Some("worker 2".to_owned()),
        changes: 4,
        changed_at: 1_765_432_100_000,
    }
}

/// A text with a checksum that is right.
fn summed(body: &str) -> String {
    format!("{body}crc32 {:08x}\n", crc32(body.as_bytes()))
}

#[test]
fn the_checksum_is_the_one_of_zip() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn a_person_can_read_it() {
    let body = "eventhubs-flow record 1\n\
                of ns.servicebus.windows.net/eh1/$default/3\n\
                fence 8\n\
                claimed 9\n\
                owner worker%202\n\
                renewed 4\n\
                at 1765432100000\n\
                sequence-number 120\n\
                offset 4294970808\n";
    assert_eq!(encode(&full(), &place()), summed(body));
    let body = "eventhubs-flow record 1\n\
                of ns.servicebus.windows.net/eh1/$default/3\n\
                fence 0\n\
                claimed 0\n";
    assert_eq!(encode(&Record::default(), &place()), summed(body));
}

#[test]
fn what_a_person_changed_is_refused_even_with_the_right_checksum() {
    let text = encode(&full(), &place());
    let (body, _) = text.split_once("crc32").unwrap();
    assert_eq!(decode(summed(body).as_bytes(), &place()), Ok(full()));
    let table = [
        ("record 1", "record 2", "its version is \"2\""),
        (
            "eventhubs-flow",
            "eventhubs",
            "does not begin like a record",
        ),
        ("/eh1/", "/eh2/", "it was moved"),
        ("default/3", "default/4", "it was moved"),
        ("fence 8", "fence 08", "not as they are written"),
        ("fence 8", "fence +8", "not as they are written"),
        ("fence 8", "fence -8", "not those of a record"),
        ("fence 8", "fence  8", "not those of a record"),
        ("fence 8\n", "", "not as they are written"),
        ("fence 8\n", "fence 7\nfence 8\n", "not as they are written"),
        ("fence 8\n", "fence 8\n\n", "not those of a record"),
        ("fence 8\n", "fence 8\r\n", "not as they are written"),
        (
            "fence 8\nclaimed 9",
            "claimed 9\nfence 8",
            "not as they are written",
        ),
        ("fence 8\n", "fence 8\nnew 1\n", "not those of a record"),
        (
            "fence 8",
            "fence 18446744073709551616",
            "not those of a record",
        ),
        ("claimed 9", "claimed 0", "never claimed"),
        ("renewed 4", "renewed 04", "not as they are written"),
        ("renewed 4", "renewed 0", "not as they are written"),
        ("at 1765432100000", "at noon", "not those of a record"),
        (
            "claimed 9\nowner worker%202",
            "claimed 0",
            "renewed but never claimed",
        ),
        ("worker%202", "worker 2", "not as they are written"),
        ("worker%202", "%77orker%202", "not as they are written"),
        ("worker%202", "%2", "not those of a record"),
        ("worker%202", "%FF", "not those of a record"),
        ("worker%202", "", "no name"),
        ("number 120", "number -120", "-120 is no sequence number"),
        ("sequence-number 120\n", "", "not as they are written"),
        ("4294970808", "", "an offset is empty"),
    ];
    for (from, to, why) in table {
        let changed = body.replacen(from, to, 1);
        assert_ne!(changed, body);
        let refused = decode(summed(&changed).as_bytes(), &place()).unwrap_err();
        assert!(refused.contains(why), "{to:?}: {refused}");
    }
}

#[test]
fn what_was_damaged_is_refused() {
    let text = encode(&full(), &place()).into_bytes();
    for length in 0..text.len() {
        assert!(decode(&text[..length], &place()).is_err(), "{length} bytes");
    }
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped, &place()).is_err(), "bit {bit}");
    }
    assert!(decode(&[&text[..], b"\n"].concat(), &place()).is_err());
    assert!(decode(&text.repeat(2), &place()).is_err());
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(
        fence in any::<u64>(),
        claimed in 1..=u64::MAX,
        owner in proptest::option::of(".{1,40}"),
        (changes, changed_at) in any::<(u64, u64)>(),
        checkpoint in proptest::option::of((0..=i64::MAX, proptest::option::of(".{1,40}"))),
    ) {
        let checkpoint = checkpoint.map(|(sequence_number, offset)| Checkpoint {
            sequence_number,
            offset,
        });
        let record = Record { fence, checkpoint, claimed, owner, changes, changed_at };
        let text = encode(&record, &place());
        prop_assert!(text.len() <= MAX_FILE_BYTES);
        prop_assert_eq!(decode(text.as_bytes(), &place()), Ok(record));
    }

    #[test]
    fn garbage_is_refused(bytes in any::<Vec<u8>>()) {
        prop_assert!(decode(&bytes, &place()).is_err());
    }
}
