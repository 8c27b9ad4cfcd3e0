//! A page of a container's list of blobs.

use std::time::SystemTime;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::blobs::{Blob, Metadata};

/// A part of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blobs: Vec<(String, Blob)>,
    /// Where the next part begins; empty after the last.
    pub(super) marker: String,
}

/// What is told of a blob so far.
#[derive(Default)]
struct Told {
    name: String,
    version: String,
    changed: Option<SystemTime>,
    metadata: Metadata,
}

impl Page {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(body: &[u8], now: SystemTime) -> Result<Self, &'static str> {
        let body = std::str::from_utf8(body).map_err(|_| "a list that is no UTF-8")?;
        let mut reader = Reader::from_str(body.trim_start_matches('\u{feff}'));
        let malformed = "a list that is no XML";
        let (mut page, mut told) = (Self::default(), Told::default());
        let (mut path, mut text) = (Vec::new(), String::new());
        loop {
            match reader.read_event().map_err(|_| malformed)? {
                Event::Start(tag) => {
                    let name = tag.name();
                    path.push(String::from_utf8_lossy(name.as_ref()).into_owned());
                    text.clear();
                }
                Event::Empty(tag) => {
                    let name = tag.name();
                    path.push(String::from_utf8_lossy(name.as_ref()).into_owned());
                    page.end(&path, "", &mut told, now)?;
                    path.pop();
                }
                Event::Text(part) => text += &part.decode().map_err(|_| malformed)?,
                Event::CData(part) => text += &part.decode().map_err(|_| malformed)?,
                Event::GeneralRef(part) => text.push_str(&resolved(&part).ok_or(malformed)?),
                Event::End(_) => {
                    page.end(&path, &text, &mut told, now)?;
                    text.clear();
                    path.pop();
                }
                Event::Eof if path.is_empty() => return Ok(page),
                Event::Eof => return Err(malformed),
                _ => {}
            }
        }
    }

    /// An element has ended.
    fn end(
        &mut self,
        path: &[String],
        text: &str,
        told: &mut Told,
        now: SystemTime,
    ) -> Result<(), &'static str> {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["EnumerationResults", "NextMarker"] => self.marker = text.to_owned(),
            ["EnumerationResults", "Blobs", "Blob"] => {
                let told = std::mem::take(told);
                let changed = told.changed.ok_or("a blob without Last-Modified")?;
                if told.name.is_empty() || told.version.is_empty() {
                    return Err("a blob without a name or an ETag");
                }
                let blob = Blob {
                    metadata: told.metadata,
                    version: told.version,
                    age: now.duration_since(changed).unwrap_or_default(),
                };
                self.blobs.push((told.name, blob));
            }
            ["EnumerationResults", "Blobs", "Blob", "Name"] => told.name = text.to_owned(),
            ["EnumerationResults", "Blobs", "Blob", "Properties", "Etag"] => {
                told.version = quoted(text);
            }
            [
                "EnumerationResults",
                "Blobs",
                "Blob",
                "Properties",
                "Last-Modified",
            ] => {
                told.changed = httpdate::parse_http_date(text).ok();
            }
            ["EnumerationResults", "Blobs", "Blob", "Metadata", entry] => {
                let entry = entry.to_lowercase();
                told.metadata.insert(entry, text.to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

/// An ETag as a condition takes it: lists leave its quotes out.
fn quoted(version: &str) -> String {
    match version.starts_with('"') || version.is_empty() {
        true => version.to_owned(),
        false => format!("\"{version}\""),
    }
}

fn resolved(part: &BytesRef<'_>) -> Option<String> {
    if let Some(char) = part.resolve_char_ref().ok()? {
        return Some(char.to_string());
    }
    resolve_xml_entity(&part.decode().ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    const LIST: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://a/" ContainerName="https://a/ckpt">
  <Prefix>ns/eh1/$default/ownership/</Prefix>
  <Blobs>
    <Blob>
      <Name>ns/eh1/$default/ownership/0</Name>
      <Properties>
        <Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>
        <Etag>0x8D</Etag>
        <Content-MD5 />
      </Properties>
      <Metadata><OwnerId>a&amp;b &lt;&#233;&gt;</OwnerId></Metadata>
      <OrMetadata />
    </Blob>
    <Blob>
      <Name>ns/eh1/$default/ownership/1</Name>
      <Properties>
        <Last-Modified>Sun, 06 Nov 1994 08:49:30 GMT</Last-Modified>
        <Etag>"0x8E"</Etag>
      </Properties>
      <Metadata><ownerid /></Metadata>
    </Blob>
  </Blobs>
  <NextMarker>2!8!MDA-</NextMarker>
</EnumerationResults>"#;

    #[test]
    fn names_versions_ages_and_metadata_are_read_from_a_list() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:40 GMT").unwrap();
        let body = format!("\u{feff}{LIST}");
        let page = Page::parse(body.as_bytes(), now).unwrap();
        assert_eq!(page.marker, "2!8!MDA-");
        let [(first, one), (second, two)] = &page.blobs[..] else {
            panic!("{page:?}")
        };
        assert_eq!(first, "ns/eh1/$default/ownership/0");
        assert_eq!(second, "ns/eh1/$default/ownership/1");
        assert_eq!((&*one.version, &*two.version), ("\"0x8D\"", "\"0x8E\""));
        assert_eq!(one.age, Duration::from_secs(3));
        assert_eq!(two.age, Duration::from_secs(10));
        assert_eq!(one.metadata["ownerid"], "a&b <é>");
        assert_eq!(two.metadata["ownerid"], "");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let now = SystemTime::now();
        let cut = &LIST[..LIST.len() - 30];
        let nameless = LIST.replace("<Etag>0x8D</Etag>", "");
        let undated = LIST.replace("Sun, 06 Nov 1994 08:49:37 GMT", "now");
        for body in [cut, &nameless, &undated, "<a>&nbsp;</a>", "<a></b>"] {
            assert!(Page::parse(body.as_bytes(), now).is_err(), "{body}");
        }
        assert!(Page::parse(b"\xff", now).is_err());
    }
}
