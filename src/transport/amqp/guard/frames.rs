//! Frames as they come in: each is checked before it is let through.

use std::collections::BTreeMap;
use std::fmt;

use super::nesting::{Nesting, Unfit, size_of_first};
use crate::transport::amqp::connection::MAX_FRAME_SIZE;

/// The most bytes that a message may have.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// The most bytes of messages that are not complete, of all links.
const MAX_INCOMPLETE: usize = 64 * 1024 * 1024;

const HEADER: usize = 8;
const ATTACH: u64 = 0x12;
const TRANSFER: u64 = 0x14;
const DETACH: u64 = 0x16;
const END: u64 = 0x17;

/// What came in was not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the service sent what is not safe to decode: {reason}")]
pub(in crate::transport::amqp) struct Violation {
    reason: String,
    /// The name of the link whose message it was.
    pub(in crate::transport::amqp) link: Option<String>,
}

impl Violation {
    fn new(reason: impl fmt::Display) -> Self {
        Self {
            reason: reason.to_string(),
            link: None,
        }
    }
}

impl From<Unfit> for Violation {
    fn from(unfit: Unfit) -> Self {
        Self::new(unfit)
    }
}

/// What is known of the links that we receive on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Looked into for every delivery: for a handful of links nothing is faster.
    links: BTreeMap<(u16, u32), Link>,
    incomplete: usize,
    nesting: Nesting,
}

#[derive(Debug, Default)]
struct Link {
    name: String,
    /// The frames of a message whose last one is to come.
    parts: Vec<u8>,
}

impl Link {
    fn blame(&self, reason: impl fmt::Display) -> Violation {
        Violation {
            link: Some(self.name.clone()),
            ..Violation::new(reason)
        }
    }
}

impl Frames {
    /// Checks the frame or protocol header that `input` begins with and returns
    /// its size; `None` while it is not all there.
    ///
    /// # Errors
    /// Why it must not be let through.
    pub(super) fn check(&mut self, input: &[u8]) -> Result<Option<usize>, Violation> {
        let Some(header) = input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let &[s0, s1, s2, s3, offset, kind, c0, c1] = header;
        if header.starts_with(b"AMQP") {
            return Ok(Some(HEADER));
        }
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size > MAX_FRAME_SIZE {
            return Err(Violation::new(format_args!(
                "a frame of {size} bytes, where {MAX_FRAME_SIZE} are allowed"
            )));
        }
        let (size, body) = (size as usize, usize::from(offset) * 4);
        if body < HEADER || body > size {
            return Err(Unfit::Malformed.into());
        }
        let Some(frame) = input.get(..size) else {
            return Ok(None);
        };
        let body = &frame[body..];
        match kind {
            0 => self.check_body(u16::from_be_bytes([c0, c1]), body)?,
            _ => self.nesting.check(body)?,
        }
        Ok(Some(size))
    }

    fn check_body(&mut self, channel: u16, body: &[u8]) -> Result<(), Violation> {
        if body.is_empty() {
            return Ok(());
        }
        let (performative, payload) = body.split_at(self.nesting.check_first(body)?);
        let mut fields = Fields::of(performative).ok_or(Unfit::Malformed)?;
        match fields.code {
            ATTACH => {
                let (name, handle) = (fields.text(), fields.next_uint());
                let link = Link {
                    name: name.unwrap_or_default(),
                    ..Link::default()
                };
                self.forget(channel, handle);
                self.links.insert((channel, handle), link);
            }
            DETACH => {
                let handle = fields.next_uint();
                self.forget(channel, handle);
            }
            END => self.forget_all(channel),
            TRANSFER => {
                let handle = fields.next_uint();
                (0..4).for_each(|_| fields.skip());
                let more = fields.next_bool();
                (0..3).for_each(|_| fields.skip());
                let aborted = fields.next_bool();
                return self.check_payload((channel, handle), payload, more, aborted);
            }
            _ => {}
        }
        self.nesting.check(payload).map_err(Violation::from)
    }

    fn check_payload(
        &mut self,
        key: (u16, u32),
        payload: &[u8],
        more: bool,
        aborted: bool,
    ) -> Result<(), Violation> {
        let link = self.links.entry(key).or_default();
        if link.parts.is_empty() && !more {
            return self
                .nesting
                .check(payload)
                .map_err(|unfit| link.blame(unfit));
        }
        self.incomplete += payload.len();
        if link.parts.len() + payload.len() > MAX_MESSAGE || self.incomplete > MAX_INCOMPLETE {
            return Err(link.blame("a message that is too large"));
        }
        link.parts.extend_from_slice(payload);
        if more && !aborted {
            return Ok(());
        }
        let message = std::mem::take(&mut link.parts);
        self.incomplete -= message.len();
        if aborted {
            return Ok(());
        }
        self.nesting
            .check(&message)
            .map_err(|unfit| link.blame(unfit))
    }

    fn forget(&mut self, channel: u16, handle: u32) {
        if let Some(link) = self.links.remove(&(channel, handle)) {
            self.incomplete -= link.parts.len();
        }
    }

    fn forget_all(&mut self, channel: u16) {
        let incomplete = &mut self.incomplete;
        self.links.retain(|&(other, _), link| {
            let keep = other != channel;
            if !keep {
                *incomplete -= link.parts.len();
            }
            keep
        });
    }
}

/// The fields of a performative, which was checked before.
struct Fields<'a> {
    code: u64,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Fields<'a> {
    fn of(performative: &'a [u8]) -> Option<Self> {
        let (code, list) = match performative {
            [0x00, 0x53, code, list @ ..] => (u64::from(*code), list),
            [0x00, 0x80, rest @ ..] => {
                let (code, list) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*code), list)
            }
            // Described by a symbol: nobody does, and the stack below may not know.
            _ => return None,
        };
        let (left, rest) = match list {
            [0x45] => (0, &list[1..]),
            [0xC0, _, count, rest @ ..] => (usize::from(*count), rest),
            [0xD0, rest @ ..] => {
                let count = u32::from_be_bytes(*rest.get(4..)?.first_chunk()?);
                (usize::try_from(count).ok()?, &rest[8..])
            }
            _ => return None,
        };
        Some(Self { code, rest, left })
    }

    /// The next field, encoded; empty where there is none.
    fn next(&mut self) -> &'a [u8] {
        if self.left == 0 {
            return &[];
        }
        self.left -= 1;
        let size = size_of_first(self.rest).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(size);
        self.rest = rest;
        field
    }

    fn skip(&mut self) {
        self.next();
    }

    fn text(&mut self) -> Option<String> {
        let text = match self.next() {
            [0xA1, _, text @ ..] | [0xB1, _, _, _, _, text @ ..] => text,
            _ => return None,
        };
        String::from_utf8(text.to_vec()).ok()
    }

    fn next_uint(&mut self) -> u32 {
        match self.next() {
            [0x52, small] => u32::from(*small),
            [0x70, wide @ ..] => wide
                .first_chunk()
                .map_or(0, |wide| u32::from_be_bytes(*wide)),
            _ => 0,
        }
    }

    fn next_bool(&mut self) -> bool {
        matches!(self.next(), [0x41] | [0x56, 1])
    }
}

#[cfg(test)]
mod tests;
