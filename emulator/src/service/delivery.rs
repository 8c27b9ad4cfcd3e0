//! Writing a stored event: new annotations in front of its sections, which are copied as they came.

use super::message::section;
use crate::clock;
use crate::partition_log::{LoggedEvent, PartitionInfo};
use crate::wire::encode;
use crate::wire::value::Value;
use bytes::{BufMut, BytesMut};
use std::io::Write;

/// Writes an event as the message that a receiver gets.
pub(super) fn write_event(out: &mut BytesMut, event: &LoggedEvent<'_>) {
    let given = event.annotations;
    encode::descriptor(out, section::MESSAGE_ANNOTATIONS);
    encode::map(out, 6 + given.items as usize, |out| {
        encode::symbol(out, "x-opt-sequence-number");
        out.put_u8(0x81);
        out.put_i64(event.sequence_number);
        encode::symbol(out, "x-opt-offset");
        decimal(out, event.offset);
        encode::symbol(out, "x-opt-enqueued-time");
        out.put_u8(0x83);
        out.put_i64(event.enqueued_time);
        out.put_slice(given.encoded);
    });
    out.put_slice(event.sections);
}

/// Writes the delivery annotations that a receiver which asked for runtime metrics gets.
pub(super) fn write_runtime_metrics(out: &mut BytesMut, info: &PartitionInfo) {
    let annotations = [
        (
            "last_enqueued_sequence_number",
            Value::Long(info.last_sequence_number),
        ),
        (
            "last_enqueued_offset",
            Value::String(info.last_offset.to_string()),
        ),
        (
            "last_enqueued_time_utc",
            Value::Timestamp(info.last_enqueued_time),
        ),
        (
            "runtime_info_retrieval_time_utc",
            Value::Timestamp(clock::unix_millis()),
        ),
    ];
    encode::descriptor(out, section::DELIVERY_ANNOTATIONS);
    encode::map(out, 2 * annotations.len(), |out| {
        for (name, value) in annotations {
            encode::symbol(out, name);
            value.encode(out);
        }
    });
}

/// Writes a number as a string, without a string in between.
fn decimal(out: &mut BytesMut, number: i64) {
    let mut digits = [0; 20];
    let mut rest = &mut digits[..];
    // No i64 has more than 20 characters.
    let written = write!(rest, "{number}").map_or(0, |()| 20 - rest.len());
    out.put_slice(&[0xA1, written as u8]);
    out.put_slice(&digits[..written]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition_log::EventAnnotations;
    use crate::service::message::Sections;

    #[test]
    fn annotations_stand_before_the_stored_sections() {
        let sections = b"\x00\x53\x75\xA0\x03abc";
        let mut given = BytesMut::new();
        Value::symbol("mine").encode(&mut given);
        Value::Bool(true).encode(&mut given);
        let event = LoggedEvent {
            sequence_number: 7,
            offset: i64::MIN,
            enqueued_time: 9,
            sections,
            annotations: EventAnnotations {
                items: 2,
                encoded: &given,
            },
        };
        let mut out = BytesMut::new();
        write_event(&mut out, &event);
        let mut found = Sections::new(&out);
        let map = found.next().unwrap().unwrap().content.value().unwrap();
        let body = found.next().unwrap().unwrap();
        assert_eq!(out[body.start..], sections[..]);
        let Value::Map(entries) = map else {
            panic!("{map:?}")
        };
        let expected = [
            ("x-opt-sequence-number", Value::Long(7)),
            ("x-opt-offset", Value::string("-9223372036854775808")),
            ("x-opt-enqueued-time", Value::Timestamp(9)),
            ("mine", Value::Bool(true)),
        ];
        assert_eq!(
            entries,
            expected.map(|(key, value)| (Value::symbol(key), value))
        );
    }
}
