//! Taking a batch apart: each event becomes a slice of the message it came in, its body never looked at.

use super::message::{Section, Sections, section};
use crate::partition_log::{EventAnnotations, NewEvent};
use crate::wire::decode::{DecodeError, Decoder, Result};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

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
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<NewEvent>,
    envelope_key: Option<Box<str>>,
}

impl Batch {
    /// What decides where the batch goes: the envelope's key, else the first event's.
    pub(super) fn partition_key(&self) -> Option<&str> {
        let of_first = || {
            self.events
                .first()?
                .annotations
                .as_ref()?
                .partition_key
                .as_deref()
        };
        self.envelope_key.as_deref().or_else(of_first)
    }

    /// Whether the envelope or an event has a partition key of more than `limit` characters.
    pub(super) fn has_key_longer_than(&self, limit: usize) -> bool {
        // No text has more characters than bytes, which are faster counted.
        let is_long = |key: &str| key.len() > limit && key.chars().count() > limit;
        let of_events = self
            .events
            .iter()
            .filter_map(|event| event.annotations.as_ref()?.partition_key.as_deref());
        self.envelope_key
            .as_deref()
            .into_iter()
            .chain(of_events)
            .any(is_long)
    }
}

/// Takes a message apart.
///
/// # Errors
///
/// If the message, or one within the batch, is not encoded as AMQP says.
pub(super) fn split(format: u32, message: &Bytes) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut reader = EventReader {
        message,
        envelope_key: None,
        last: None,
    };
    if format != BATCH_FORMAT {
        batch.events.push(reader.read(message)?);
        return Ok(batch);
    }
    let mut sections = Sections::new(message);
    while let Some(mut found) = sections.next()? {
        match found.code {
            section::MESSAGE_ANNOTATIONS => {
                let key = Annotations::read(&mut found.content)?
                    .partition_key
                    .map(Box::from);
                reader.envelope_key.clone_from(&key);
                batch.envelope_key = key;
            }
            section::DATA => batch.events.push(reader.read(found.content.binary()?)?),
            _ => {}
        }
    }
    Ok(batch)
}

struct EventReader<'a> {
    message: &'a Bytes,
    envelope_key: Option<Box<str>>,
    /// The annotations of the event before: mostly those of the next, too.
    last: Option<Arc<EventAnnotations>>,
}

impl EventReader<'_> {
    /// Reads one event, which is a part of the message.
    fn read(&mut self, event: &[u8]) -> Result<NewEvent> {
        let mut annotations = Annotations::default();
        let mut start = None;
        let mut has_body = false;
        let mut sections = Sections::new(event);
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
                section::MESSAGE_ANNOTATIONS => annotations = Annotations::read(&mut content)?,
                section::DATA..=section::VALUE => has_body = true,
                _ => {}
            }
        }
        let (Some(start), true) = (start, has_body) else {
            return Err(DecodeError("a message has no body"));
        };
        Ok(NewEvent {
            sections: self.message.slice_ref(&event[start..]),
            annotations: self.share(annotations),
        })
    }

    fn share(&mut self, read: Annotations<'_>) -> Option<Arc<EventAnnotations>> {
        let partition_key = read.partition_key.or(self.envelope_key.as_deref());
        if partition_key.is_none() && read.other.is_empty() {
            return None;
        }
        let same = |last: &&Arc<EventAnnotations>| {
            last.partition_key.as_deref() == partition_key && last.other == read.other
        };
        if self.last.as_ref().filter(same).is_none() {
            self.last = Some(Arc::new(EventAnnotations {
                partition_key: partition_key.map(Box::from),
                other: read.other.freeze(),
                other_items: read.other_items,
            }));
        }
        self.last.clone()
    }
}

/// The message annotations that a sender gave.
#[derive(Debug, Default)]
struct Annotations<'a> {
    partition_key: Option<&'a str>,
    other: BytesMut,
    other_items: u32,
}

impl<'a> Annotations<'a> {
    fn read(content: &mut Decoder<'a>) -> Result<Self> {
        let mut annotations = Self::default();
        let items = content.map()?;
        let mut decoder = items.decoder;
        for _ in 0..items.left / 2 {
            let pair = decoder.rest();
            let key = decoder.text()?;
            if key == Some(PARTITION_KEY) {
                annotations.partition_key = decoder.text()?;
                continue;
            }
            decoder.skip()?;
            if !key.is_some_and(|key| SYSTEM_ANNOTATIONS.contains(&key)) {
                annotations
                    .other
                    .extend_from_slice(&pair[..pair.len() - decoder.rest().len()]);
                annotations.other_items += 2;
            }
        }
        Ok(annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode;
    use crate::wire::value::Value;
    use bytes::BufMut;

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

    fn batch(entries: &[(&str, Value)], events: &[BytesMut]) -> Bytes {
        let mut out = BytesMut::new();
        if !entries.is_empty() {
            annotations(&mut out, entries);
        }
        events.iter().for_each(|event| data(&mut out, event));
        out.freeze()
    }

    fn key(key: &str) -> (&'static str, Value) {
        (PARTITION_KEY, Value::string(key))
    }

    fn keys(batch: &Batch) -> Vec<Option<&str>> {
        batch
            .events
            .iter()
            .map(|event| event.annotations.as_ref()?.partition_key.as_deref())
            .collect()
    }

    #[test]
    fn a_batch_is_sliced_not_copied() {
        let message = batch(&[], &[event(&[], b"one"), event(&[], b"two")]);
        let split = split(BATCH_FORMAT, &message).unwrap();
        let sections: Vec<_> = split.events.iter().map(|event| &event.sections).collect();
        assert_eq!(sections, [&event(&[], b"one"), &event(&[], b"two")]);
        assert!(message.as_ptr_range().contains(&sections[1].as_ptr()));
        assert_eq!(split.partition_key(), None);
    }

    #[test]
    fn an_event_has_its_own_key_else_the_envelopes() {
        let events = [event(&[key("own")], b""), event(&[], b""), event(&[], b"")];
        let split = split(BATCH_FORMAT, &batch(&[key("all")], &events)).unwrap();
        assert_eq!(keys(&split), [Some("own"), Some("all"), Some("all")]);
        assert_eq!(split.partition_key(), Some("all"));
        let shared = |n: usize| split.events[n].annotations.as_ref().unwrap();
        assert!(Arc::ptr_eq(shared(1), shared(2)));
    }

    #[test]
    fn a_batch_without_an_envelope_key_goes_where_its_first_event_says() {
        let events = [event(&[key("first")], b""), event(&[key("second")], b"")];
        let split = split(BATCH_FORMAT, &batch(&[], &events)).unwrap();
        assert_eq!(split.partition_key(), Some("first"));
    }

    #[test]
    fn a_long_key_is_found_wherever_it_stands_and_counted_in_characters() {
        let (fits, long) = ("ä".repeat(128), "a".repeat(129));
        let found = |envelope: &str, own: &str| {
            let events = [event(&[], b""), event(&[key(own)], b"")];
            let split = split(BATCH_FORMAT, &batch(&[key(envelope)], &events)).unwrap();
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
        let split = split(0, &event(&entries, b"x").freeze()).unwrap();
        let annotations = split.events[0].annotations.as_ref().unwrap();
        assert_eq!(annotations.other_items, 2);
        let mut expected = BytesMut::new();
        Value::symbol("mine").encode(&mut expected);
        Value::Long(5).encode(&mut expected);
        assert_eq!(annotations.other, expected);
        assert_eq!(
            split.events[0].sections,
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
            assert!(split(0, &bad.clone().freeze()).is_err());
            assert!(split(BATCH_FORMAT, &batch(&[], &[event(&[], b"good"), bad])).is_err());
        }
    }
}
