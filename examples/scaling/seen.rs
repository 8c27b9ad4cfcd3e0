//! What was read: how much of each partition, and whether devices are complete.

use std::collections::{BTreeMap, BTreeSet};

use eventhubs_flow::{PartitionId, ReceivedEvent};

/// What was read so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) partitions: BTreeMap<PartitionId, u64>,
    devices: BTreeMap<usize, Device>,
}

/// What was read of a device; its events are numbered.
#[derive(Default)]
struct Device {
    partitions: BTreeSet<PartitionId>,
    /// All events before this one were read.
    complete: u64,
    /// Those behind a gap.
    early: BTreeSet<u64>,
    /// Those that were read after a later one.
    late: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, event: &ReceivedEvent) {
        let Some((device, number)) = parse(event) else {
            return;
        };
        *self.partitions.entry(event.partition()).or_default() += 1;
        let device = self.devices.entry(device).or_default();
        device.partitions.insert(event.partition());
        device.note(number);
    }

    /// Events that were read, each once and without gaps.
    pub(crate) fn complete(&self) -> u64 {
        self.devices.values().map(|device| device.complete).sum()
    }

    /// Events that were read after a later one of their device.
    pub(crate) fn late(&self) -> u64 {
        self.devices.values().map(|device| device.late).sum()
    }

    /// Devices whose events are in several partitions.
    pub(crate) fn moved(&self) -> usize {
        let moved = |device: &&Device| device.partitions.len() > 1;
        self.devices.values().filter(moved).count()
    }
}

impl Device {
    fn note(&mut self, number: u64) {
        if self.early.last() > Some(&number) {
            self.late += 1;
        }
        if number >= self.complete {
            self.early.insert(number);
        }
        while self.early.remove(&self.complete) {
            self.complete += 1;
        }
    }
}

/// The device and the number of its event.
fn parse(event: &ReceivedEvent) -> Option<(usize, u64)> {
    let body = std::str::from_utf8(event.body()).ok()?;
    let (device, number) = body.split_once(' ')?;
    Some((device.parse().ok()?, number.parse().ok()?))
}
