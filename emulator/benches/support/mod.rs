//! What the benches share.

#![allow(
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    reason = "each bench uses its own part"
)]

pub mod baseline;
pub mod client;
pub mod encode;
pub mod ratios;

use encode::Frames;
use eventhubs_emulator::{Emulator, HubConfig};
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// Where events are sent to.
pub const TARGET: &str = "eh1/Partitions/0";
/// Where they are received from.
pub const SOURCE: &str = "eh1/ConsumerGroups/$Default/Partitions/0";
/// The largest message the emulator takes.
const MESSAGE: usize = 1024 * 1024;

/// An emulator of one partition, on threads of its own.
pub struct Served {
    emulator: Option<Emulator>,
    runtime: Runtime,
}

impl Served {
    /// # Panics
    ///
    /// Panics if it cannot start.
    pub fn start(retention: u64) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let builder = Emulator::builder()
            .hub(HubConfig::new("eh1").with_partitions(1))
            .retention_bytes(retention);
        let emulator = runtime.block_on(builder.start()).expect("an emulator");
        Self {
            emulator: Some(emulator),
            runtime,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.emulator.as_ref().expect("started").address()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }
}

/// The largest batch of events of that size; also how many they are.
pub fn full_batch(event_size: usize) -> (Frames, u64) {
    let event = encode::event(event_size);
    let count = (MESSAGE - 64) / (event.len() + 8);
    batches(event_size, count, 1)
}

/// So many batches of so many events; also how many events they are.
pub fn batches(event_size: usize, count: usize, batches: usize) -> (Frames, u64) {
    let batch = encode::batch(&encode::event(event_size), count);
    let mut frames = Frames::default();
    (0..batches).for_each(|_| frames.push(&batch, true));
    (frames, (batches * count) as u64)
}

/// So many events, each a message of its own.
pub fn singles(event_size: usize, count: usize) -> (Frames, u64) {
    let event = encode::event(event_size);
    let mut frames = Frames::default();
    (0..count).for_each(|_| frames.push(&event, false));
    (frames, count as u64)
}
