//! Storage of batches that are gone, kept for those to come.
//!
//! A batch of small events takes the better part of a megabyte. Fresh from the
//! allocator, its pages cost more than all else that is done for an event.

use crate::event::EventData;
use crate::sync::{Mutex, lock};

/// Events for which room is kept, in all: 4 MiB, a few batches of the largest.
const MOST: usize = 4 * 1024 * 1024 / size_of::<EventData>();

#[derive(Default)]
pub(super) struct Spares {
    stack: Mutex<Stack>,
}

#[derive(Default)]
struct Stack {
    storages: Vec<Vec<EventData>>,
    /// Their capacities together.
    room: usize,
}

impl Spares {
    /// The storage that was used last: it is the likeliest to be in a cache.
    pub(super) fn take(&self) -> Vec<EventData> {
        let mut stack = lock(&self.stack);
        let storage = stack.storages.pop().unwrap_or_default();
        stack.room -= storage.capacity();
        storage
    }

    /// Keeps storage, which is empty by now, unless there is enough.
    pub(super) fn put(&self, storage: Vec<EventData>) {
        let mut stack = lock(&self.stack);
        let room = stack.room + storage.capacity();
        if room <= MOST {
            stack.room = room;
            stack.storages.push(storage);
        }
    }
}
