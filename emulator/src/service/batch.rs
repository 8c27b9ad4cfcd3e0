//! Taking a batch apart: each event becomes a slice of the message it came in, its body never looked at.

use super::message::{Section, Sections, section};
use crate::partition_log::{EventAnnotations, NewEvent};
use crate::wire::decode::{DecodeError, Decoder, Result};
use crate::wire::encode;
use bytes::{BufMut, BytesMut};

/// The message format of a batch: each data section is an encoded message.
const BATCH_FORMAT: u32 = 0x8001_3700;

const PARTITION_KEY: &str = "x-opt-partition-key";
/// What the hub itself says about an event; a sender's claims are dropped.
const SYSTEM_ANNOTATIONS: [&str; 3] = [
    "x-opt-sequence-number",
    "x-opt-offset",
    "x-opt-enqueued-time",
];

/// The events of one message.
#[derive(Default)]
pub(super) struct Batch<'a> {
    events: Vec<Event<'a>>,
    /// The annotations of all events, encoded: one set after the other, those that follow each other and are the
    /// same only once.
    annotations: BytesMut,
    envelope_key: Option<&'a str>,
    first_key: Option<&'a str>,
    /// In characters.
    longest_key: usize,
}

struct Event<'a> {
    sections: &'a [u8],
    annotations: Set,
}

/// A part of a batch's annotations.
#[derive(Clone, Copy, Default)]
struct Set {
    items: u32,
    start: usize,
    end: usize,
}

impl<'a> Batch<'a> {
    /// What decides where the batch goes: the envelope's key, else the first event's.
    pub(super) fn partition_key(&self) -> Option<&'a str> {
        self.envelope_key.or(self.first_key)
    }

    /// Whether the envelope or an event has a partition key of more than `limit` characters.
    pub(super) fn has_key_longer_than(&self, limit: usize) -> bool {
        self.longest_key > limit
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events in order.
    pub(super) fn events(&self) -> impl Iterator<Item = NewEvent<'_>> {
        self.events.iter().map(|event| NewEvent {
            sections: event.sections,
            annotations: EventAnnotations {
                items: event.annotations.items,
                encoded: &self.annotations[event.annotations.start..event.annotations.end],
            },
        })
    }

    /// Adds the event that is encoded in `message`.
    fn push(&mut self, message: &'a [u8]) -> Result<()> {
        let mut given = Given::default();
        let mut start = None;
        let mut has_body = false;
        let mut sections = Sections::new(message);
        while let Some(Section {
            code,
            start: at,
            mut content,
        }) = sections.next()?
        {
            if code >= section::PROPERTIES {
                start.get_or_insert(at);
            } else if start.is_some() {
                return Err(DecodeError("the sections are out of order"));
            }
            match code {
                section::MESSAGE_ANNOTATIONS => given = Given::read(&mut content)?,
                section::DATA..=section::VALUE => has_body = true,
                _ => {}
            }
        }
        let (Some(start), true) = (start, has_body) else {
            return Err(DecodeError("a message has no body"));
        };
        if self.events.is_empty() {
            self.first_key = given.partition_key;
        }
        let annotations = self.annotate(&given);
        self.events.push(Event {
            sections: &message[start..],
            annotations,
        });
        Ok(())
    }

    /// The set of an event's annotations: the last one again, if they are the same.
    fn annotate(&mut self, given: &Given<'a>) -> Set {
        let start = self.annotations.len();
        let mut items = 2 * given.pairs.len() as u32;
        if let Some(key) = given.partition_key.or(self.envelope_key) {
            // No text has more characters than bytes, which are faster counted.
            if key.len() > self.longest_key {
                self.longest_key = self.longest_key.max(key.chars().count());
            }
            encode::symbol(&mut self.annotations, PARTITION_KEY);
            encode::string(&mut self.annotations, key);
            items += 2;
        }
        given
            .pairs
            .iter()
            .for_each(|pair| self.annotations.put_slice(pair));
        let set = Set {
            items,
            start,
            end: self.annotations.len(),
        };
        let last = self.events.last().map(|event| event.annotations);
        match last {
            Some(last) if self.annotations[last.start..last.end] == self.annotations[start..] => {
                self.annotations.truncate(start);
                last
            }
            _ => set,
        }
    }
}

/// Takes a message apart and forgets it: for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn split_message(is_batch: bool, message: &[u8]) {
    let format = if is_batch { BATCH_FORMAT } else { 0 };
    if let Ok(batch) = split(format, message) {
        assert!(
            batch
                .events()
                .all(|event| event.sections.len() <= message.len())
        );
    }
}

/// Takes a message apart.
///
/// # Errors
///
/// If the message, or one within the batch, is not encoded as AMQP says.
pub(super) fn split(format: u32, message: &[u8]) -> Result<Batch<'_>> {
    let mut batch = Batch::default();
    if format != BATCH_FORMAT {
        batch.push(message)?;
        return Ok(batch);
    }
    let mut sections = Sections::new(message);
    while let Some(mut found) = sections.next()? {
        match found.code {
            section::MESSAGE_ANNOTATIONS => {
                batch.envelope_key = Given::read(&mut found.content)?.partition_key;
            }
            section::DATA => batch.push(found.content.binary()?)?,
            _ => {}
        }
    }
    Ok(batch)
}

/// The message annotations that a sender gave.
#[derive(Default)]
struct Given<'a> {
    partition_key: Option<&'a str>,
    /// Those to be passed on as they are: a key and its value each.
    pairs: Vec<&'a [u8]>,
}

impl<'a> Given<'a> {
    fn read(content: &mut Decoder<'a>) -> Result<Self> {
        let mut given = Self::default();
        let items = content.map()?;
        let mut decoder = items.decoder;
        for _ in 0..items.left / 2 {
            let pair = decoder.rest();
            let key = decoder.text()?;
            if key == Some(PARTITION_KEY) {
                given.partition_key = decoder.text()?;
                continue;
            }
            decoder.skip()?;
            if !key.is_some_and(|key| SYSTEM_ANNOTATIONS.contains(&key)) {
                given.pairs.push(&pair[..pair.len() - decoder.rest().len()]);
            }
        }
        Ok(given)
    }
}

/// The key among the annotations of an event.
pub(crate) fn partition_key(annotations: EventAnnotations<'_>) -> Option<&str> {
    // The hub wrote it in front of the others.
    let mut decoder = Decoder::new(annotations.encoded);
    let key = decoder.text().ok().flatten();
    key.filter(|&key| key == PARTITION_KEY)?;
    decoder.text().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::value::Value;

    fn annotations(out: &mut BytesMut, entries: &[(&str, Value)]) {
        encode::descriptor(out, 0x72);
        Value::Map(
            entries
                .iter()
                .map(|(k, v)| (Value::symbol(k), v.clone()))
                .collect(),
        )
        .encode(out);
    }

    fn data(out: &mut BytesMut, payload: &[u8]) {
        encode::descriptor(out, 0x75);
        encode::binary(out, payload);
    }

    fn event(entries: &[(&str, Value)], body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        if !entries.is_empty() {
            annotations(&mut out, entries);
        }
        data(&mut out, body);
        out
    }

    fn batch(entries: &[(&str, Value)], events: &[BytesMut]) -> BytesMut {
        let mut out = BytesMut::new();
        if !entries.is_empty() {
            annotations(&mut out, entries);
        }
        events.iter().for_each(|event| data(&mut out, event));
        out
    }

    fn key(key: &str) -> (&'static str, Value) {
        (PARTITION_KEY, Value::string(key))
    }

    fn keys<'a>(batch: &'a Batch<'_>) -> Vec<Option<&'a str>> {
        batch
            .events()
            .map(|event| partition_key(event.annotations))
            .collect()
    }

    #[test]
    fn a_batch_is_sliced_not_copied() {
        let message = batch(&[], &[event(&[], b"one"), event(&[], b"two")]);
        let split = split(BATCH_FORMAT, &message).unwrap();
        let sections: Vec<_> = split.events().map(|event| event.sections).collect();
        assert_eq!(sections, [&event(&[], b"one"), &event(&[], b"two")]);
        assert!(message.as_ptr_range().contains(&sections[1].as_ptr()));
        assert_eq!(split.partition_key(), None);
        assert_eq!(keys(&split), [None, None]);
    }

    #[test]
    fn an_event_has_its_own_key_else_the_envelopes() {
        let events = [event(&[key("own")], b""), event(&[], b""), event(&[], b"")];
        let message = batch(&[key("all")], &events);
        let split = split(BATCH_FORMAT, &message).unwrap();
        assert_eq!(keys(&split), [Some("own"), Some("all"), Some("all")]);
        assert_eq!(split.partition_key(), Some("all"));
    }

    #[test]
    fn neighbours_with_the_same_annotations_share_them() {
        let events = [event(&[key("k")], b""), event(&[], b"")];
        let message = batch(&[key("k")], &events);
        let split = split(BATCH_FORMAT, &message).unwrap();
        let starts: Vec<_> = split
            .events()
            .map(|event| event.annotations.encoded.as_ptr())
            .collect();
        assert_eq!(starts[0], starts[1]);
    }

    #[test]
    fn a_batch_without_an_envelope_key_goes_where_its_first_event_says() {
        let events = [event(&[key("first")], b""), event(&[key("second")], b"")];
        let message = batch(&[], &events);
        let split = split(BATCH_FORMAT, &message).unwrap();
        assert_eq!(split.partition_key(), Some("first"));
    }

    #[test]
    fn a_long_key_is_found_wherever_it_stands_and_counted_in_characters() {
        let (fits, long) = ("ä".repeat(128), "a".repeat(129));
        let found = |envelope: &str, own: &str| {
            let events = [event(&[], b""), event(&[key(own)], b"")];
            let message = batch(&[key(envelope)], &events);
            let split = split(BATCH_FORMAT, &message).unwrap();
            split.has_key_longer_than(128)
        };
        assert!(!found(&fits, &fits));
        assert!(found(&long, &fits));
        assert!(found(&fits, &long));
    }

    #[test]
    fn other_annotations_are_passed_on_and_the_systems_dropped() {
        let mine = ("mine", Value::Long(5));
        let entries = [("x-opt-offset", Value::string("9")), mine.clone(), key("k")];
        let message = event(&entries, b"x");
        let split = split(0, &message).unwrap();
        let stored = split.events().next().unwrap();
        let mut expected = BytesMut::new();
        Value::symbol(PARTITION_KEY).encode(&mut expected);
        Value::string("k").encode(&mut expected);
        Value::symbol("mine").encode(&mut expected);
        Value::Long(5).encode(&mut expected);
        assert_eq!(stored.annotations.items, 4);
        assert_eq!(stored.annotations.encoded, expected);
        assert_eq!(
            stored.sections,
            event(&[], b"x"),
            "annotations are not stored twice"
        );
    }

    #[test]
    fn what_is_not_a_message_is_an_error() {
        let mut no_body = BytesMut::new();
        annotations(&mut no_body, &[key("k")]);
        let mut out_of_order = event(&[], b"x");
        annotations(&mut out_of_order, &[key("k")]);
        let mut truncated = event(&[], b"abc");
        truncated.truncate(truncated.len() - 1);
        let mut unknown = BytesMut::new();
        unknown.put_slice(b"\x00\x53\x79\x40");
        for bad in [
            no_body,
            out_of_order,
            truncated,
            unknown,
            BytesMut::new(),
            BytesMut::from(&b"junk"[..]),
        ] {
            assert!(split(0, &bad).is_err());
            assert!(split(BATCH_FORMAT, &batch(&[], &[event(&[], b"good"), bad])).is_err());
        }
    }
}
