use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn log_of(retention: u64, partitions: u64) -> PartitionLog {
    let scope = Scope::hub("ns", "eh1").partition(0, 4);
    let retention = Retention::new(retention, partitions);
    PartitionLog::new(scope, &retention, watch::Sender::new(0))
}

fn log() -> PartitionLog {
    log_of(1 << 30, 1)
}

fn event(sections: impl Into<Bytes>) -> NewEvent {
    NewEvent {
        sections: sections.into(),
        annotations: None,
    }
}

fn numbered(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| event(n.to_string())).collect()
}

fn read_all(log: &PartitionLog, from: i64) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    let next = log.read(from, usize::MAX, usize::MAX, &mut events);
    assert_eq!(next, log.info().last_sequence_number + 1);
    events
}

fn bound(value: i64, inclusive: bool) -> Bound {
    Bound { value, inclusive }
}

#[test]
fn a_stored_event_costs_no_more_than_it_is_counted_for() {
    assert!(size_of::<Slot>() as u64 <= EVENT_OVERHEAD);
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
    assert_eq!(read_all(&log(), 0), []);
}

#[test]
fn an_empty_batch_changes_nothing() {
    let log = log();
    assert_eq!(log.append([]), 0);
    assert!(log.info().is_empty);
}

#[test]
fn annotations_are_kept_with_their_event() {
    let log = log();
    let annotations = Some(Arc::new(EventAnnotations {
        partition_key: Some("key".into()),
        other: Bytes::from_static(b"pairs"),
        other_items: 2,
    }));
    log.append([NewEvent {
        sections: Bytes::from_static(b"a"),
        annotations: annotations.clone(),
    }]);
    assert_eq!(read_all(&log, 0)[0].annotations, annotations);
}

#[test]
fn sections_are_kept_without_a_copy() {
    let log = log();
    let sections = Bytes::from(vec![7; 100]);
    log.append([event(sections.clone())]);
    assert_eq!(read_all(&log, 0)[0].sections.as_ptr(), sections.as_ptr());
}

#[test]
fn reading_stops_at_the_event_and_byte_limits_but_gives_at_least_one() {
    let log = log();
    log.append((0..10).map(|_| event(vec![0; 100])));
    let read = |from, max_events, max_bytes| {
        let mut events = Vec::new();
        let next = log.read(from, max_events, max_bytes, &mut events);
        (events.len(), next)
    };
    assert_eq!(read(0, 3, usize::MAX), (3, 3));
    assert_eq!(read(0, 10, 250), (2, 2));
    assert_eq!(read(0, 10, 200), (2, 2));
    assert_eq!(read(5, 10, 1), (1, 6));
    assert_eq!(read(0, 0, usize::MAX), (0, 0));
    assert_eq!(read(10, 10, usize::MAX), (0, 10));
    assert_eq!(read(99, 10, usize::MAX), (0, 10));
    assert_eq!(read(i64::MIN, 1, usize::MAX), (1, 1));
}

#[test]
fn a_full_log_drops_its_oldest_events_and_reads_on_from_the_rest() {
    let log = log_of(100 * (100 + EVENT_OVERHEAD), 1);
    for _ in 0..10 {
        log.append((0..100).map(|_| event(vec![0; 100])));
    }
    let info = log.info();
    assert_eq!(info.begin_sequence_number, 900);
    assert_eq!(info.last_sequence_number, 999);
    let events = read_all(&log, 0);
    assert_eq!(events.len(), 100);
    assert_eq!(events[0].sequence_number, 900);
    assert_eq!(log.resolve(StartPosition::Earliest), Ok(900));
    let old = StartPosition::SequenceNumber(bound(5, true));
    assert_eq!(log.resolve(old), Ok(900));
    let old = StartPosition::Offset(bound(5, true));
    assert_eq!(log.resolve(old), Ok(900));
}

#[test]
fn dropped_events_free_their_bytes() {
    let log = log_of(10 * (100 + EVENT_OVERHEAD), 1);
    let first = Bytes::from(vec![0; 100]);
    log.append([event(first.clone())]);
    assert!(!first.is_unique());
    log.append((0..10).map(|_| event(vec![0; 100])));
    assert!(first.is_unique());
}

#[test]
fn a_full_partition_leaves_another_its_share() {
    let retention = Retention::new(8000, 2);
    let scope = Scope::hub("ns", "eh1");
    let log = || PartitionLog::new(scope.clone(), &retention, watch::Sender::new(0));
    let (full, other) = (log(), log());
    full.append((0..100).map(|_| event(vec![0; 100])));
    other.append((0..6).map(|_| event(vec![0; 100])));
    assert_eq!(other.info().begin_sequence_number, 0);
    let kept = read_all(&full, 0).len() + read_all(&other, 0).len();
    assert!(kept as u64 * (100 + EVENT_OVERHEAD) <= 8000);
}

#[test]
fn an_event_that_cannot_be_kept_is_gone_at_once_and_its_number_used() {
    let log = log_of(100, 1);
    log.append([event(vec![0; 1000])]);
    let info = log.info();
    assert_eq!(info.begin_sequence_number, 1);
    assert_eq!(info.last_sequence_number, 0);
    assert!(info.is_empty);
    log.append([event("x")]);
    assert_eq!(read_all(&log, 0)[0].sequence_number, 1);
}

#[test]
fn positions_resolve_to_the_first_event_wanted() {
    let log = log();
    log.append(numbered(600));
    let events = read_all(&log, 0);
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
        assert_eq!(log.resolve(position), Ok(expected), "{position:?}");
    }
}

#[test]
fn a_time_between_two_batches_resolves_to_the_later() {
    let mut events = Events::new(Retention::new(1 << 20, 1).allowance());
    for time in [100, 100, 200, 200, 300] {
        events.push(event("x"), time);
    }
    let resolve = |value, inclusive| {
        let position = StartPosition::EnqueuedTime(bound(value, inclusive));
        events.resolve(position).unwrap()
    };
    assert_eq!(resolve(150, false), 2);
    assert_eq!(resolve(200, true), 2);
    assert_eq!(resolve(200, false), 4);
    assert_eq!(resolve(301, true), 5);
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
    log.append(numbered(10));
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
    log.append(numbered(2));
    log.append(numbered(1));
    waiter.await.unwrap();
}

#[tokio::test]
async fn waiting_ends_at_once_for_an_event_that_was_appended_and_not_for_the_next() {
    let log = log();
    log.append(numbered(1));
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
                    log.append((0..10).map(|_| event(vec![writer])));
                }
            });
        }
    });
    let events = read_all(&log, 0);
    assert_eq!(events.len(), 4000);
    for batch in events.chunks(10) {
        assert!(batch.iter().all(|e| e.sections == batch[0].sections));
    }
}

proptest! {
    #[test]
    fn reading_gives_exactly_what_was_appended_in_order(
        batches in vec(vec(vec(any::<u8>(), 0..50), 0..400), 0..8),
        chunk in 1_usize..300,
    ) {
        let log = log();
        let mut expected = Vec::new();
        for batch in batches {
            prop_assert_eq!(log.append(batch.iter().cloned().map(event)), batch.len());
            expected.extend(batch);
        }
        let (mut events, mut next) = (Vec::new(), 0);
        loop {
            let before = events.len();
            next = log.read(next, chunk, usize::MAX, &mut events);
            if events.len() == before {
                break;
            }
        }
        prop_assert_eq!(events.len(), expected.len());
        for (n, (event, expected)) in events.iter().zip(&expected).enumerate() {
            prop_assert_eq!(event.sequence_number, n as i64);
            prop_assert_eq!(&event.sections, expected);
        }
        for pair in events.windows(2) {
            prop_assert!(pair[0].offset < pair[1].offset);
            prop_assert!(pair[0].enqueued_time <= pair[1].enqueued_time);
        }
    }

    #[test]
    fn after_retention_every_kept_event_is_found_under_its_number(
        sizes in vec(vec(0_usize..200, 1..300), 1..10),
        limit in 0_u64..100_000,
    ) {
        let log = log_of(limit, 1);
        let mut appended = Vec::new();
        for batch in sizes {
            let first = appended.len();
            let batch: Vec<_> = batch
                .into_iter()
                .enumerate()
                .map(|(n, size)| {
                    let mut sections = vec![0; size];
                    sections.extend_from_slice(&(first + n).to_le_bytes());
                    sections
                })
                .collect();
            log.append(batch.iter().cloned().map(event));
            appended.extend(batch);
            let info = log.info();
            prop_assert_eq!(info.last_sequence_number + 1, appended.len() as i64);
            let kept = read_all(&log, 0);
            let cost = |e: &LoggedEvent| e.sections.len() as u64 + EVENT_OVERHEAD;
            prop_assert!(kept.iter().map(cost).sum::<u64>() <= limit);
            prop_assert_eq!(kept.len() as i64, appended.len() as i64 - info.begin_sequence_number);
            for (sequence, event) in (info.begin_sequence_number..).zip(&kept) {
                prop_assert_eq!(event.sequence_number, sequence);
                prop_assert_eq!(&event.sections, &appended[sequence as usize]);
                let mut one = Vec::new();
                log.read(sequence, 1, usize::MAX, &mut one);
                prop_assert_eq!(&one[0], event);
                let position = StartPosition::Offset(bound(event.offset, true));
                prop_assert_eq!(log.resolve(position), Ok(sequence));
            }
            // Nothing is dropped that need not be.
            if let Some(dropped) = info.begin_sequence_number.checked_sub(1).filter(|n| *n >= 0) {
                let one_more = appended[dropped as usize].len() as u64 + EVENT_OVERHEAD;
                prop_assert!(kept.iter().map(cost).sum::<u64>() + one_more > limit);
            }
        }
    }
}
