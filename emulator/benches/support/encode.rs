//! Just enough AMQP to write what a client says.

/// A session window and a link credit that never run out within a bench.
pub const PLENTY: u32 = i32::MAX as u32;
/// The largest frame, as both sides agree.
const FRAME: usize = 65_536;
const BATCH_FORMAT: u32 = 0x8001_3700;

pub fn descriptor(out: &mut Vec<u8>, code: u8) {
    out.extend([0x00, 0x53, code]);
}

fn uint(out: &mut Vec<u8>, value: u32) {
    out.push(0x70);
    out.extend(value.to_be_bytes());
}

fn text(out: &mut Vec<u8>, constructor: u8, text: &str) {
    out.extend([constructor, text.len() as u8]);
    out.extend(text.as_bytes());
}

fn list(out: &mut Vec<u8>, count: u32, items: impl FnOnce(&mut Vec<u8>)) {
    out.push(0xD0);
    let start = out.len();
    out.extend([0; 4]);
    out.extend(count.to_be_bytes());
    items(out);
    let size = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// A data section around `body`.
fn data(out: &mut Vec<u8>, body: &[u8]) {
    descriptor(out, 0x75);
    out.push(0xB0);
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
}

fn frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0, 0, 0, 0, 2, kind, 0, 0]);
    body(out);
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

fn performative(out: &mut Vec<u8>, code: u8, count: u32, fields: impl FnOnce(&mut Vec<u8>)) {
    frame(out, 0, |out| {
        descriptor(out, code);
        list(out, count, fields);
    });
}

/// Everything up to the attach, in one piece: sign in, open, begin.
pub fn hello() -> Vec<u8> {
    let mut out = b"AMQP\x03\x01\x00\x00".to_vec();
    frame(&mut out, 1, |out| {
        descriptor(out, 0x41);
        list(out, 2, |out| {
            text(out, 0xA3, "PLAIN");
            text(out, 0xA0, "\0RootManageSharedAccessKey\0SAS_KEY_VALUE");
        });
    });
    out.extend(b"AMQP\x00\x01\x00\x00");
    performative(&mut out, 0x10, 3, |out| {
        text(out, 0xA1, "bench");
        text(out, 0xA1, "localhost");
        uint(out, FRAME as u32);
    });
    performative(&mut out, 0x11, 4, |out| {
        out.push(0x40);
        uint(out, 0);
        uint(out, PLENTY);
        uint(out, PLENTY);
    });
    out
}

pub fn attach_sender(out: &mut Vec<u8>, address: &str) {
    performative(out, 0x12, 10, |out| {
        text(out, 0xA1, "sender");
        uint(out, 0);
        out.extend([0x42, 0x40, 0x40]); // a sender, settle modes by default
        descriptor(out, 0x28);
        out.push(0x45);
        descriptor(out, 0x29);
        list(out, 1, |out| text(out, 0xA1, address));
        out.extend([0x40, 0x40]);
        uint(out, 0);
    });
}

/// A receiver that wants deliveries settled, from the oldest event on.
pub fn attach_receiver(out: &mut Vec<u8>, address: &str) {
    performative(out, 0x12, 7, |out| {
        text(out, 0xA1, "receiver");
        uint(out, 0);
        out.extend([0x41, 0x50, 1, 0x40]);
        descriptor(out, 0x28);
        list(out, 1, |out| text(out, 0xA1, address));
        descriptor(out, 0x29);
        out.push(0x45);
    });
}

/// Grants `credit` beyond the `received` deliveries, of which each took one frame.
pub fn flow(out: &mut Vec<u8>, received: u32, credit: u32) {
    performative(out, 0x13, 7, |out| {
        for field in [received, PLENTY, 0, PLENTY, 0, received, credit] {
            uint(out, field);
        }
    });
}

/// An event of `size` bytes of body, as clients encode it.
pub fn event(size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    data(&mut out, &vec![b'x'; size]);
    out
}

/// A batch of `count` events.
pub fn batch(event: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    (0..count).for_each(|_| data(&mut out, event));
    out
}

/// The frames of deliveries, and where in them their ids stand.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    pub bytes: Vec<u8>,
    pub ids: Vec<usize>,
}

impl Frames {
    /// One delivery more, in as many frames as it takes.
    pub fn push(&mut self, message: &[u8], is_batch: bool) {
        let mut parts = message.chunks(FRAME - 64).peekable();
        self.ids.push(self.bytes.len() + 8 + 3 + 9 + 5 + 1);
        let format = if is_batch { BATCH_FORMAT } else { 0 };
        let mut is_first = true;
        while let Some(part) = parts.next() {
            let more = if parts.peek().is_some() { 0x41 } else { 0x42 };
            frame(&mut self.bytes, 0, |out| {
                descriptor(out, 0x14);
                list(out, 6, |out| {
                    uint(out, 0);
                    if is_first {
                        uint(out, 0);
                        out.extend([0xA0, 1, 0]);
                        uint(out, format);
                    } else {
                        out.extend([0x40; 3]);
                    }
                    out.extend([0x42, more]);
                });
                out.extend(part);
            });
            is_first = false;
        }
    }

    /// Gives the deliveries the ids from `first` on.
    pub fn number(&mut self, first: u32) {
        for (nth, &place) in self.ids.iter().enumerate() {
            let id = first.wrapping_add(nth as u32);
            self.bytes[place..place + 4].copy_from_slice(&id.to_be_bytes());
        }
    }
}
