//! A client that is never what a bench waits for: it writes frames made beforehand, and walks what comes from frame
//! to frame with a look at no more than it must.

use super::encode::{self, Frames};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

const ATTACH: u8 = 0x12;
const TRANSFER: u8 = 0x14;
const DISPOSITION: u8 = 0x15;
const SASL_OUTCOME: u8 = 0x44;
const ACCEPTED: [u8; 3] = [0x00, 0x53, 0x24];
/// Where a performative's code stands in its frame, and where its fields begin behind a wide list's head.
const CODE: usize = 10;
const FIELDS: usize = 20;
/// How much is read at once.
const CHUNK: usize = 1024 * 1024;
/// How many deliveries may wait for their outcome: half of what the emulator grants.
const IN_FLIGHT: u32 = 500;
/// As many bytes of deliveries may wait for their outcome.
const IN_FLIGHT_BYTES: usize = 8 * 1024 * 1024;
/// The credit a receiver grants, and anew when half of it is used.
const CREDIT: u32 = 5000;

/// A connection with one session and one link.
struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    start: usize,
    end: usize,
}

impl Link {
    /// Signs in, opens, begins and attaches with one write, and waits for the answer.
    fn attach(address: SocketAddr, attach: impl FnOnce(&mut Vec<u8>)) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut hello = encode::hello();
        attach(&mut hello);
        stream.write_all(&hello)?;
        let mut link = Self {
            stream,
            input: vec![0; CHUNK],
            start: 0,
            end: 0,
        };
        for last in [SASL_OUTCOME, ATTACH] {
            link.take(8)?;
            while link.frame()?[CODE] != last {}
        }
        Ok(link)
    }

    /// The next bytes that come.
    fn take(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.end - self.start < len {
            if self.start > 0 {
                self.input.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            match self.stream.read(&mut self.input[self.end..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.end += read,
            }
        }
        self.start += len;
        Ok(&self.input[self.start - len..self.start])
    }

    /// The next frame, heartbeats left out.
    fn frame(&mut self) -> io::Result<&[u8]> {
        loop {
            let head = self.take(4)?;
            let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            self.start -= 4;
            self.take(size)?;
            if size > CODE {
                return Ok(&self.input[self.start - size..self.start]);
            }
        }
    }
}

/// The unsigned integer at the front of `fields`, which move behind it.
fn uint(fields: &mut &[u8]) -> u32 {
    let (value, len) = match **fields {
        [0x43, ..] => (0, 1),
        [0x52, value, ..] => (value.into(), 2),
        [0x70, a, b, c, d, ..] => (u32::from_be_bytes([a, b, c, d]), 5),
        _ => panic!("a uint was expected"),
    };
    *fields = &fields[len..];
    value
}

/// Sends the same deliveries again and again.
pub struct Sender {
    link: Link,
    frames: Frames,
    in_flight: u32,
    max_in_flight: u32,
    next_id: u32,
}

impl Sender {
    /// # Panics
    ///
    /// Panics if the emulator cannot be had.
    pub fn attach(address: SocketAddr, target: &str, frames: Frames) -> Self {
        let link = Link::attach(address, |out| encode::attach_sender(out, target));
        let deliveries = frames.ids.len() as u32;
        let fitting = IN_FLIGHT_BYTES / frames.bytes.len() * frames.ids.len();
        Self {
            link: link.expect("a sender"),
            max_in_flight: (fitting as u32).clamp(deliveries, IN_FLIGHT),
            frames,
            in_flight: 0,
            next_id: 0,
        }
    }

    /// Sends all deliveries `times`, and waits until each was accepted.
    ///
    /// # Panics
    ///
    /// Panics if one is not accepted.
    pub fn send(&mut self, times: u64) {
        let deliveries = self.frames.ids.len() as u32;
        for _ in 0..times {
            self.settle(self.max_in_flight - deliveries);
            self.frames.number(self.next_id);
            self.next_id = self.next_id.wrapping_add(deliveries);
            let written = self.link.stream.write_all(&self.frames.bytes);
            written.expect("the emulator reads");
            self.in_flight += deliveries;
        }
        self.settle(0);
    }

    /// Waits until no more than `left` outcomes are missing.
    fn settle(&mut self, left: u32) {
        while self.in_flight > left {
            let frame = self.link.frame().expect("the emulator writes");
            match frame[CODE] {
                DISPOSITION => {
                    let mut fields = &frame[FIELDS + 1..];
                    let (first, last) = (uint(&mut fields), uint(&mut fields));
                    assert_eq!(fields[1..4], ACCEPTED, "every delivery is accepted");
                    self.in_flight -= last.wrapping_sub(first) + 1;
                }
                // The flows that grant anew come before the credit that is used here runs out.
                0x13 => {}
                code => panic!("an outcome was expected, not {code:#x}"),
            }
        }
    }
}

/// Reads a partition from its oldest event on.
pub struct Receiver {
    link: Link,
    received: u32,
    granted: u32,
}

impl Receiver {
    /// # Panics
    ///
    /// Panics if the emulator cannot be had.
    pub fn attach(address: SocketAddr, source: &str) -> Self {
        let link = Link::attach(address, |out| encode::attach_receiver(out, source));
        Self {
            link: link.expect("a receiver"),
            received: 0,
            granted: 0,
        }
    }

    /// Receives events; returns how many bytes they took on the wire.
    ///
    /// # Panics
    ///
    /// Panics if the link ends.
    pub fn receive(&mut self, events: u64) -> u64 {
        let mut bytes = 0;
        for _ in 0..events {
            if self.granted - self.received <= CREDIT / 2 {
                self.grant();
            }
            let frame = self.link.frame().expect("the emulator writes");
            assert_eq!(frame[CODE], TRANSFER, "a delivery of one frame");
            bytes += frame.len() as u64;
            self.received += 1;
        }
        bytes
    }

    fn grant(&mut self) {
        let mut flow = Vec::new();
        encode::flow(&mut flow, self.received, CREDIT);
        let written = self.link.stream.write_all(&flow);
        written.expect("the emulator reads");
        self.granted = self.received + CREDIT;
    }
}
