//! Deliveries as frames made beforehand, and a client that writes them: those of the
//! emulator's own benches.

#![allow(
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    reason = "made for other benches"
)]

#[path = "../../../../emulator/benches/support/client.rs"]
mod client;
#[path = "../../../../emulator/benches/support/encode.rs"]
mod encode;

pub(super) use client::Sender;
pub(super) use encode::Frames;

/// What the link takes, less what stands around the events.
const MESSAGE: usize = (1 << 20) - 64;

/// The largest batch of events of that size; also how many they are.
pub(super) fn full_batch(event_size: usize) -> (Frames, u64) {
    let event = encode::event(event_size);
    let count = MESSAGE / (event.len() + 8);
    let mut frames = Frames::default();
    frames.push(&encode::batch(&event, count), true);
    (frames, count as u64)
}
