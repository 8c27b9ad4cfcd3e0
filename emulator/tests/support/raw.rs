//! AMQP byte by byte, for what no client library sends.

use super::{KEY, KEY_NAME};
use eventhubs_emulator::Emulator;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
pub const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";
pub const NULL: &[u8] = &[0x40];
pub const ZERO: &[u8] = &[0x43];

pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&size[..], &[2, kind, 0, 0], body].concat()
}

/// A list described by `code`.
pub fn list(code: u8, fields: &[&[u8]]) -> Vec<u8> {
    let items = fields.concat();
    let size = u32::try_from(items.len() + 4).unwrap().to_be_bytes();
    let count = u32::try_from(fields.len()).unwrap().to_be_bytes();
    [&[0x00, 0x53, code, 0xD0], &size[..], &count, &items].concat()
}

pub fn string(text: &str) -> Vec<u8> {
    [&[0xA1, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// The frame by which a client chooses how to sign in.
pub fn sasl_init(mechanism: &str, response: &str) -> Vec<u8> {
    let text =
        |code, text: &str| [&[code, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    frame(
        1,
        &list(0x41, &[&text(0xA3, mechanism), &text(0xA0, response)]),
    )
}

/// An open connection with a session, its client signed in with a key.
pub fn signed_in() -> Vec<u8> {
    let init = sasl_init("PLAIN", &format!("\0{KEY_NAME}\0{KEY}"));
    let open = list(0x10, &[&string("hostile")]);
    let begin = list(0x11, &[NULL, ZERO, &[0x52, 100], &[0x52, 100]]);
    [SASL, &init, AMQP, &frame(0, &open), &frame(0, &begin)].concat()
}

pub async fn connect(emulator: &Emulator) -> TcpStream {
    TcpStream::connect(emulator.address()).await.unwrap()
}

/// All that is said until the emulator hangs up.
pub async fn until_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let ended = timeout(super::PATIENCE, stream.read_to_end(&mut said));
    ended.await.expect("it hangs up").unwrap();
    said
}

/// Whether `text` was said.
pub fn holds(said: &[u8], text: &str) -> bool {
    said.windows(text.len()).any(|part| part == text.as_bytes())
}
