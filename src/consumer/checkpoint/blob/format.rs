//! What stands in the metadata of blobs: text of ours in visible ASCII, and positions.
//!
//! `offset`, `sequencenumber` and `ownerid` are everybody's. Entries that begin with
//! `flow` are ours: other SDKs ignore them, and what they write has none.

use super::blobs::Metadata;
use crate::consumer::checkpoint::store::Checkpoint;
use crate::error::{Error, ErrorKind};

pub(super) const OWNER: &str = "ownerid";
pub(super) const OFFSET: &str = "offset";
pub(super) const SEQUENCE_NUMBER: &str = "sequencenumber";

/// How the entry `offset` is to be read, where it is not as it stands.
const OFFSET_IS: &str = "flowoffset";
/// How the entry `ownerid` is to be read, where it is not as it stands.
const OWNER_IS: &str = "flowowner";

const UNKNOWN: &str = "unknown";
const ESCAPED: &str = "escaped";

/// For SDKs that find no checkpoint without an offset: from the start, which skips
/// nothing.
const FROM_THE_START: &str = "-1";

/// Writes a position.
pub(super) fn put_checkpoint(metadata: &mut Metadata, checkpoint: &Checkpoint) {
    let number = checkpoint.sequence_number.to_string();
    metadata.insert(SEQUENCE_NUMBER.to_owned(), number);
    match &checkpoint.offset {
        Some(offset) => put_text(metadata, OFFSET, OFFSET_IS, offset),
        None => {
            metadata.insert(OFFSET.to_owned(), FROM_THE_START.to_owned());
            metadata.insert(OFFSET_IS.to_owned(), UNKNOWN.to_owned());
        }
    }
}

/// Reads a position.
///
/// # Errors
/// [`ErrorKind::CorruptCheckpoint`].
pub(super) fn checkpoint(metadata: &Metadata) -> Result<Checkpoint, Error> {
    let number = metadata.get(SEQUENCE_NUMBER);
    let number = number.and_then(|number| number.parse().ok());
    let sequence_number =
        number.ok_or_else(|| corrupt("its entry `sequencenumber` is no number"))?;
    let is_known = metadata.get(OFFSET_IS).is_none_or(|is| is != UNKNOWN);
    let offset = match is_known {
        true => text(metadata, OFFSET, OFFSET_IS)?.filter(|offset| !offset.is_empty()),
        false => None,
    };
    Ok(Checkpoint {
        sequence_number,
        offset,
    })
}

/// Writes an owner; nobody is the empty name.
pub(super) fn put_owner(metadata: &mut Metadata, owner: Option<&str>) {
    put_text(metadata, OWNER, OWNER_IS, owner.unwrap_or_default());
}

/// Reads an owner; `None` if it is nobody.
///
/// # Errors
/// [`ErrorKind::CorruptCheckpoint`].
pub(super) fn owner(metadata: &Metadata) -> Result<Option<String>, Error> {
    let owner = text(metadata, OWNER, OWNER_IS)?;
    let owner = owner.ok_or_else(|| corrupt("it has no entry `ownerid`"))?;
    Ok(Some(owner).filter(|owner| !owner.is_empty()))
}

/// A number of ours; `None` if there is none.
///
/// # Errors
/// [`ErrorKind::CorruptCheckpoint`].
pub(super) fn number(metadata: &Metadata, entry: &str) -> Result<Option<u64>, Error> {
    let Some(text) = metadata.get(entry) else {
        return Ok(None);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number: &u64| number.to_string() == *text);
    number
        .map(Some)
        .ok_or_else(|| corrupt(&format!("its entry `{entry}` is no number")))
}

fn put_text(metadata: &mut Metadata, entry: &str, entry_is: &str, text: &str) {
    let text = match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => text.to_owned(),
        false => {
            metadata.insert(entry_is.to_owned(), ESCAPED.to_owned());
            escape(text)
        }
    };
    metadata.insert(entry.to_owned(), text);
}

fn text(metadata: &Metadata, entry: &str, entry_is: &str) -> Result<Option<String>, Error> {
    let Some(text) = metadata.get(entry) else {
        return Ok(None);
    };
    if metadata.get(entry_is).is_none_or(|is| is != ESCAPED) {
        return Ok(Some(text.clone()));
    }
    let text = unescape(text).ok_or_else(|| corrupt(&format!("its entry `{entry}` is garbled")));
    text.map(Some)
}

fn escape(text: &str) -> String {
    let escaped = text
        .bytes()
        .map(|byte| match byte.is_ascii_graphic() && byte != b'%' {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        });
    escaped.collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::CorruptCheckpoint, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: Option<&str>) -> Checkpoint {
        Checkpoint {
            sequence_number: 7,
            offset: offset.map(str::to_owned),
        }
    }

    fn entries(entries: &[(&str, &str)]) -> Metadata {
        let entries = entries
            .iter()
            .map(|(entry, value)| ((*entry).to_owned(), (*value).to_owned()));
        entries.collect()
    }

    #[test]
    fn a_checkpoint_is_as_other_sdks_have_it() {
        let mut metadata = Metadata::new();
        put_checkpoint(&mut metadata, &at(Some("4294970808")));
        let expected = [("offset", "4294970808"), ("sequencenumber", "7")];
        assert_eq!(metadata, entries(&expected));
    }

    #[test]
    fn an_unknown_offset_sends_other_sdks_to_the_start() {
        let mut metadata = Metadata::new();
        put_checkpoint(&mut metadata, &at(None));
        assert_eq!(metadata["offset"], "-1");
        assert_eq!(checkpoint(&metadata).unwrap(), at(None));
        // They have replaced it.
        let theirs = entries(&[("offset", "-1"), ("sequencenumber", "7")]);
        assert_eq!(checkpoint(&theirs).unwrap(), at(Some("-1")));
    }

    #[test]
    fn any_text_goes_through_visible_ascii() {
        for offset in ["0", "a b", "%20", " ", "\n\0é€\u{1F980}%", "%é"] {
            let mut metadata = Metadata::new();
            put_checkpoint(&mut metadata, &at(Some(offset)));
            let visible = |value: &String| value.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(metadata.values().all(visible), "{metadata:?}");
            assert_eq!(checkpoint(&metadata).unwrap(), at(Some(offset)));
        }
    }

    #[test]
    fn what_is_no_record_is_told() {
        for metadata in [
            entries(&[]),
            entries(&[("offset", "1")]),
            entries(&[("sequencenumber", "x"), ("offset", "1")]),
            entries(&[
                ("sequencenumber", "1"),
                ("offset", "%"),
                ("flowoffset", "escaped"),
            ]),
            entries(&[
                ("sequencenumber", "1"),
                ("offset", "%ff"),
                ("flowoffset", "escaped"),
            ]),
        ] {
            let error = checkpoint(&metadata).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::CorruptCheckpoint, "{metadata:?}");
        }
        assert!(owner(&entries(&[])).is_err());
        assert_eq!(owner(&entries(&[("ownerid", "")])).unwrap(), None);
        assert!(number(&entries(&[("n", "+1")]), "n").is_err());
        assert_eq!(number(&entries(&[]), "n").unwrap(), None);
    }
}
