//! A record as the text of a file.

use std::fmt::Write as _;

use super::name::{escaped, path_of, unescaped};
use crate::consumer::checkpoint::record::{MAX_TEXT_BYTES, Place, Record};
use crate::consumer::checkpoint::store::Checkpoint;

const TITLE: &str = "eventhubs-flow record ";
const VERSION: &str = "1";

/// More than any record takes: three bytes for each of its texts, and of a path.
pub(super) const MAX_FILE_BYTES: usize = 16 * MAX_TEXT_BYTES;

/// The text of a record.
pub(super) fn encode(record: &Record, place: &Place) -> String {
    let mut text = format!("{TITLE}{VERSION}\n");
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{key} {value}").expect("a string takes all");
    };
    line("of", &name_of(place));
    line("fence", &record.fence);
    line("claimed", &record.claimed);
    if let Some(owner) = &record.owner {
        line("owner", &escaped(owner));
    }
    if record.changes > 0 {
        line("renewed", &record.changes);
    }
    if record.changed_at > 0 {
        line("at", &record.changed_at);
    }
    if let Some(checkpoint) = &record.checkpoint {
        line("sequence-number", &checkpoint.sequence_number);
        if let Some(offset) = &checkpoint.offset {
            line("offset", &escaped(offset));
        }
    }
    let sum = crc32(text.as_bytes());
    writeln!(text, "crc32 {sum:08x}").expect("a string takes all");
    text
}

/// The record of a text, or what is wrong with it.
pub(super) fn decode(bytes: &[u8], place: &Place) -> Result<Record, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text = str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let (title, body) = text.split_once('\n').unwrap_or((text, ""));
    match title.strip_prefix(TITLE) {
        Some(VERSION) => {}
        Some(other) => return Err(format!("its version is {other:?}, not {VERSION}")),
        None => return Err("it does not begin like a record".to_owned()),
    }
    let record = parse(body).ok_or("its lines are not those of a record")?;
    // Every byte has to be as it is written, the sum and the place too.
    let written = encode(&record, place);
    if written != text {
        return Err(difference(&written, text));
    }
    record.check().map_err(|error| error.message().to_owned())?;
    Ok(record)
}

/// Takes the values that are there.
fn parse(body: &str) -> Option<Record> {
    let mut record = Record::default();
    let mut sequence_number = None;
    let mut offset = None;
    for line in body.lines() {
        let (key, value) = line.split_once(' ')?;
        match key {
            "fence" => record.fence = value.parse().ok()?,
            "claimed" => record.claimed = value.parse().ok()?,
            "owner" => record.owner = Some(unescaped(value)?),
            "renewed" => record.changes = value.parse().ok()?,
            "at" => record.changed_at = value.parse().ok()?,
            "sequence-number" => sequence_number = Some(value.parse().ok()?),
            "offset" => offset = Some(unescaped(value)?),
            "of" | "crc32" => {}
            _ => return None,
        }
    }
    record.checkpoint = sequence_number.map(|sequence_number| Checkpoint {
        sequence_number,
        offset,
    });
    Some(record)
}

/// Why a text is not the one that is written of its values.
fn difference(written: &str, text: &str) -> String {
    let value = |text: &str, key| {
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(key)?.to_owned()))
    };
    let mut lines = text.split_inclusive('\n');
    let last = lines.next_back().unwrap_or_default();
    let body = text.strip_suffix(last).unwrap_or_default();
    if last != format!("crc32 {:08x}\n", crc32(body.as_bytes())) {
        return "its checksum is wrong or missing: it was cut off or changed".to_owned();
    }
    match (value(written, "of "), value(text, "of ")) {
        (expected, Some(other)) if expected.as_ref() != Some(&other) => {
            format!("it is the record of {other:?}: it was moved")
        }
        _ => "its lines are not as they are written".to_owned(),
    }
}

fn name_of(place: &Place) -> String {
    let path = path_of(place);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The CRC-32 of zip and Ethernet: whoever repairs a record by hand has a tool for
/// it.
fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32| match crc & 1 {
        0 => crc >> 1,
        _ => crc >> 1 ^ 0xEDB8_8320,
    };
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc))
    })
}

#[cfg(test)]
mod tests;
