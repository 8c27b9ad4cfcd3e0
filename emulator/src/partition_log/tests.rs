use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::position::Bound;

/// An event read from a log, on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    sequence_number: i64,
    offset: i64,
    enqueued_time: i64,
    sections: Vec<u8>,
    annotations: (u32, Vec<u8>),
}

impl Stored {
    fn new(event: &LoggedEvent<'_>) -> Self {
        Self {
            sequence_number: event.sequence_number,
            offset: event.offset,
            enqueued_time: event.enqueued_time,
            sections: event.sections.to_vec(),
            annotations: (event.annotations.items, event.annotations.encoded.to_vec()),
        }
    }
}

fn log_of(retention: u64, partitions: u64) -> PartitionLog {
    let scope = Scope::hub("ns", "eh1").partition(0, 4);
    let retention = Retention::new(retention, partitions);
    PartitionLog::new(scope, &retention, watch::Sender::new(0))
}

fn log() -> PartitionLog {
    log_of(1 << 30, 1)
}

fn event(sections: &(impl AsRef<[u8]> + ?Sized)) -> NewEvent<'_> {
    NewEvent {
        sections: sections.as_ref(),
        annotations: EventAnnotations::default(),
    }
}

fn append(log: &PartitionLog, batch: &[Vec<u8>]) -> usize {
    log.append(batch.iter().map(event))
}

fn numbered(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| n.to_string().into_bytes()).collect()
}

fn read_from(log: &PartitionLog, mut cursor: Cursor) -> Vec<Stored> {
    let mut events = Vec::new();
    events.extend(std::iter::from_fn(|| {
        log.read(&mut cursor, |event, _| Stored::new(event))
    }));
    assert_eq!(cursor.sequence_number(), log.next());
    events
}

fn read_all(log: &PartitionLog) -> Vec<Stored> {
    read_from(log, log.resolve(StartPosition::Earliest).unwrap())
}

fn bound(value: i64, inclusive: bool) -> Bound {
    Bound { value, inclusive }
}

/// The sequence number that a receiver at `position` starts with.
fn resolved(log: &PartitionLog, position: StartPosition) -> i64 {
    log.resolve(position).unwrap().sequence_number()
}

#[test]
fn an_empty_partition_says_so() {
    let info = PartitionInfo {
        begin_sequence_number: 0,
        last_sequence_number: -1,
        last_offset: -1,
        last_enqueued_time: 0,
        is_empty: true,
    };
    assert_eq!(log().info(), info);
    assert_eq!(read_all(&log()), []);
}

#[test]
fn an_empty_batch_changes_nothing() {
    let log = log();
    assert_eq!(append(&log, &[]), 0);
    assert!(log.info().is_empty);
}

#[test]
fn an_empty_partition_holds_no_memory_for_events() {
    assert_eq!(log().events().held(), 0);
}

#[test]
fn a_million_events_cost_their_bytes_and_at_most_64_more_each() {
    for (size, events) in [
        (8, 1_000_000),
        (100, 1_000_000),
        (1024, 100_000),
        (20_000, 5000),
    ] {
        for batch in [1, 1000] {
            let log = log_of(4 << 30, 4);
            let sections = vec![7; size];
            for _ in 0..events / batch {
                log.append((0..batch).map(|_| event(&sections)));
            }
            let each = log.events().held() / events;
            assert_eq!(log.next() - log.info().begin_sequence_number, events as i64);
            assert!(each <= size as u64 + 64, "{size} bytes cost {each}");
        }
    }
}

#[test]
fn annotations_are_kept_with_their_event_and_shared_by_those_that_follow() {
    let log = log();
    let given = |encoded: &'static str| NewEvent {
        sections: b"sections",
        annotations: EventAnnotations {
            items: encoded.len() as u32,
            encoded: encoded.as_bytes(),
        },
    };
    let all = ["one", "one", "", "one", "other", "one"];
    log.append(all.map(given));
    let read = read_all(&log).into_iter().map(|event| event.annotations);
    let expected = all.map(|encoded| (encoded.len() as u32, encoded.as_bytes().to_vec()));
    assert!(read.eq(expected));

    let long = "k".repeat(1000);
    let event = NewEvent {
        sections: b"",
        annotations: EventAnnotations {
            items: 1,
            encoded: long.as_bytes(),
        },
    };
    let before = log.events().held();
    log.append([event; 1000]);
    assert!(log.events().held() - before < 1000 * 64);
}

#[test]
fn a_cursor_reads_on_where_it_was_whatever_is_appended() {
    let log = log();
    let mut cursor = log.resolve(StartPosition::Latest).unwrap();
    for n in 0..5000 {
        let sections = vec![7; n % 700];
        assert!(log.read(&mut cursor, |_, _| ()).is_none());
        log.append([event(&sections)]);
        let read = log.read(&mut cursor, |event, info| {
            (Stored::new(event).sections, info.last_sequence_number)
        });
        assert_eq!(read, Some((sections, n as i64)));
    }
}

#[test]
fn a_full_log_drops_its_oldest_events_and_reads_on_from_the_rest() {
    const LIMIT: u64 = 100_000;
    let log = log_of(LIMIT, 1);
    let batch = vec![vec![0; 100]; 100];
    append(&log, &batch);
    let mut slow = log.resolve(StartPosition::Earliest).unwrap();
    for _ in 1..100 {
        append(&log, &batch);
        assert!(log.events().held() <= LIMIT);
    }
    let info = log.info();
    assert_eq!(info.last_sequence_number, 9999);
    let events = read_all(&log);
    let begin = info.begin_sequence_number;
    assert_eq!(events[0].sequence_number, begin);
    assert_eq!(events.len() as i64, 10_000 - begin);
    assert!(
        events.len() as u64 * 112 >= LIMIT * 9 / 10,
        "most of the room is used"
    );
    let next = log.read(&mut slow, |event, _| event.sequence_number);
    assert_eq!(next, Some(begin));
    for position in [
        StartPosition::Earliest,
        StartPosition::SequenceNumber(bound(5, true)),
        StartPosition::Offset(bound(5, true)),
        StartPosition::EnqueuedTime(bound(5, true)),
    ] {
        assert_eq!(resolved(&log, position), begin);
    }
}

#[test]
fn a_full_partition_leaves_another_its_share() {
    let retention = Retention::new(80_000, 2);
    let scope = Scope::hub("ns", "eh1");
    let log = || PartitionLog::new(scope.clone(), &retention, watch::Sender::new(0));
    let (full, other) = (log(), log());
    append(&full, &vec![vec![0; 100]; 1000]);
    append(&other, &vec![vec![0; 100]; 60]);
    assert_eq!(other.info().begin_sequence_number, 0);
    assert!(full.events().held() + other.events().held() <= 80_000);
}

#[test]
fn an_event_that_cannot_be_kept_is_gone_at_once_and_its_number_used() {
    let log = log_of(1000, 1);
    let mut cursor = log.resolve(StartPosition::Latest).unwrap();
    let mut last_offset = -1;
    for sequence in 0..3 {
        log.append([event(&[0; 2000])]);
        let info = log.info();
        assert_eq!(info.begin_sequence_number, sequence + 1);
        assert_eq!(info.last_sequence_number, sequence);
        assert!(info.is_empty && info.last_offset > last_offset);
        last_offset = info.last_offset;
    }
    assert!(log.read(&mut cursor, |_, _| ()).is_none());
    assert_eq!(cursor.sequence_number(), 3);
    log.append([event("x")]);
    assert_eq!(read_from(&log, cursor)[0].sequence_number, 3);
}

#[test]
fn positions_resolve_to_the_first_event_wanted() {
    let log = log();
    append(&log, &numbered(600));
    let events = read_all(&log);
    let offset = events[300].offset;
    for (position, expected) in [
        (StartPosition::Earliest, 0),
        (StartPosition::Latest, 600),
        (StartPosition::Offset(bound(offset, true)), 300),
        (StartPosition::Offset(bound(offset, false)), 301),
        (StartPosition::Offset(bound(offset + 1, true)), 301),
        (StartPosition::Offset(bound(events[599].offset, false)), 600),
        (StartPosition::SequenceNumber(bound(300, true)), 300),
        (StartPosition::SequenceNumber(bound(300, false)), 301),
        (StartPosition::SequenceNumber(bound(599, false)), 600),
        (StartPosition::SequenceNumber(bound(i64::MIN, false)), 0),
        (StartPosition::EnqueuedTime(bound(0, false)), 0),
        (StartPosition::EnqueuedTime(bound(i64::MAX, false)), 600),
        (
            StartPosition::EnqueuedTime(bound(events[0].enqueued_time, true)),
            0,
        ),
        (
            StartPosition::EnqueuedTime(bound(events[0].enqueued_time, false)),
            600,
        ),
    ] {
        assert_eq!(resolved(&log, position), expected, "{position:?}");
        let read = read_from(&log, log.resolve(position).unwrap());
        assert_eq!(read, events[expected as usize..]);
    }
}

#[test]
fn a_time_between_two_batches_resolves_to_the_later() {
    let mut events = Events::new(Retention::new(1 << 20, 1).allowance());
    for time in [100, 100, 200, 200, 300] {
        events.push(&event("x"), time);
    }
    let resolve = |value, inclusive| {
        let position = StartPosition::EnqueuedTime(bound(value, inclusive));
        events.resolve(position).unwrap().sequence_number()
    };
    assert_eq!(resolve(150, false), 2);
    assert_eq!(resolve(200, true), 2);
    assert_eq!(resolve(200, false), 4);
    assert_eq!(resolve(301, true), 5);
}

#[test]
fn a_time_beyond_what_a_segment_can_say_begins_another() {
    let mut events = Events::new(Retention::new(1 << 20, 1).allowance());
    let times = [
        5,
        5 + i64::from(u32::MAX),
        6 + i64::from(u32::MAX),
        i64::MAX,
    ];
    for time in times {
        events.push(&event("x"), time);
    }
    let mut cursor = events.begin();
    let read = std::iter::from_fn(|| events.read(&mut cursor).map(|event| event.enqueued_time));
    assert!(read.eq(times));
}

#[test]
fn a_position_beyond_the_end_is_refused_with_the_last_one() {
    let log = log();
    let refusal = |position| {
        let error = log.resolve(position).unwrap_err();
        assert_eq!(error.condition, "com.microsoft:argument-error");
        let (text, tracking) = error.text.split_once(" TrackingId:").unwrap();
        assert!(tracking.contains("SystemTracker:ns:eventhub:eh1~8191,"));
        text.to_owned()
    };
    assert_eq!(
        refusal(StartPosition::SequenceNumber(bound(0, true))),
        "The supplied sequence number '0' is invalid. The last sequence number in the system is '-1'"
    );
    append(&log, &numbered(10));
    let last = log.info().last_offset;
    let beyond = last + 1;
    assert_eq!(
        refusal(StartPosition::Offset(bound(beyond, false))),
        format!(
            "The supplied offset '{beyond}' is invalid. The last offset in the system is '{last}'"
        )
    );
    assert_eq!(
        refusal(StartPosition::SequenceNumber(bound(10, false))),
        "The supplied sequence number '10' is invalid. The last sequence number in the system is '9'"
    );
}

#[tokio::test]
async fn a_reader_that_waits_before_the_append_is_woken() {
    let log = Arc::new(log());
    let waiting = Arc::clone(&log);
    let waiter = tokio::spawn(async move { waiting.appended(2).await });
    append(&log, &numbered(2));
    append(&log, &numbered(1));
    waiter.await.unwrap();
}

#[tokio::test]
async fn waiting_ends_at_once_for_an_event_that_was_appended_and_not_for_the_next() {
    let log = log();
    append(&log, &numbered(1));
    log.appended(0).await;
    let next = tokio::time::timeout(Duration::ZERO, log.appended(1));
    assert!(next.await.is_err());
}

#[test]
fn concurrent_appends_interleave_only_as_whole_batches() {
    let log = log();
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let log = &log;
            scope.spawn(move || {
                for _ in 0..100 {
                    log.append([event(&[writer]); 10]);
                }
            });
        }
    });
    let events = read_all(&log);
    assert_eq!(events.len(), 4000);
    for batch in events.chunks(10) {
        assert!(batch.iter().all(|e| e.sections == batch[0].sections));
    }
}

/// An event of the model: how long its sections are, and which annotations it has.
type Modelled = (usize, u8);

fn modelled() -> impl Strategy<Value = Vec<Vec<Modelled>>> {
    let size = prop_oneof![20 => 0_usize..200, 1 => 0_usize..20_000];
    vec(vec((size, 0_u8..3), 0..300), 0..12)
}

proptest! {
    /// The model is a list of all events ever appended; the log may have dropped those at its front.
    #[test]
    fn the_log_holds_the_end_of_what_was_appended_within_its_limit(
        batches in modelled(),
        limit in prop_oneof![0_u64..200_000, Just(1 << 30)],
    ) {
        let log = log_of(limit, 1);
        let mut model: Vec<(Vec<u8>, u8)> = Vec::new();
        let mut follower = log.resolve(StartPosition::Earliest).unwrap();
        let mut offsets = vec![-1];
        for batch in batches {
            let first = model.len();
            model.extend(batch.into_iter().enumerate().map(|(n, (size, annotations))| {
                let mut sections = vec![annotations; size];
                sections.extend_from_slice(&(first + n).to_le_bytes());
                (sections, annotations)
            }));
            let appended = log.append(model[first..].iter().map(|(sections, kind)| NewEvent {
                sections,
                annotations: EventAnnotations {
                    items: u32::from(*kind),
                    encoded: &[b'k'; 40][..20 * usize::from(*kind)],
                },
            }));
            prop_assert_eq!(appended, model.len() - first);
            let info = log.info();
            prop_assert!(log.events().held() <= limit);
            prop_assert_eq!(log.next(), model.len() as i64);
            prop_assert_eq!(info.last_sequence_number + 1, log.next());
            let kept = read_all(&log);
            prop_assert_eq!(kept.len() as i64, log.next() - info.begin_sequence_number);
            prop_assert_eq!(kept.is_empty(), info.is_empty);
            for (sequence, event) in (info.begin_sequence_number..).zip(&kept) {
                let (sections, kind) = &model[sequence as usize];
                prop_assert_eq!(event.sequence_number, sequence);
                prop_assert_eq!(&event.sections, sections);
                let annotations = (u32::from(*kind), vec![b'k'; 20 * usize::from(*kind)]);
                prop_assert_eq!(&event.annotations, &annotations);
            }
            for pair in kept.windows(2) {
                prop_assert!(pair[0].offset < pair[1].offset);
                prop_assert!(pair[0].enqueued_time <= pair[1].enqueued_time);
            }
            if let Some(last) = kept.last() {
                prop_assert_eq!(last.offset, info.last_offset);
            }
            if appended > 0 {
                prop_assert!(info.last_offset > offsets[offsets.len() - 1]);
                offsets.push(info.last_offset);
            }
            for event in kept.iter().step_by(37) {
                let sequence = event.sequence_number;
                for (value, position) in [
                    (event.offset, StartPosition::Offset as fn(Bound) -> _),
                    (sequence, StartPosition::SequenceNumber),
                ] {
                    prop_assert_eq!(resolved(&log, position(bound(value, true))), sequence);
                    prop_assert_eq!(resolved(&log, position(bound(value, false))), sequence + 1);
                }
            }
            // One that reads along sees what is left of what it has not seen.
            let seen = follower.sequence_number();
            let fresh = read_from(&log, follower);
            follower = log.resolve(StartPosition::Latest).unwrap();
            let fresh_from = seen.max(info.begin_sequence_number);
            prop_assert_eq!(&fresh[..], &kept[(fresh_from - info.begin_sequence_number) as usize..]);
        }
    }
}

#[test]
fn debug_shows_no_byte_of_an_event() {
    let log = log();
    log.append([event("payload")]);
    let shown = format!("{log:?}");
    let payload = format!("{:?}", b"payload");
    assert!(!shown.contains("payload") && !shown.contains(payload.trim_matches(['[', ']'])));
    assert!(shown.contains("Segment"));
}
