//! What was yielded, acknowledged and written of one partition, by one generation
//! at a time: pure.

use tokio::time::Instant;

use crate::consumer::checkpoint::{Checkpoint, Watermark};
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;

/// No progress is kept of what nobody owns.
#[derive(Debug, Default)]
pub(super) struct Progress {
    owned: Option<Owned>,
    /// The last checkpoint that is known to be stored.
    saved: Option<Saved>,
    /// Whether what is acknowledged and not written counts as outstanding.
    pub(super) counts_unsaved: bool,
    /// Whether it was told that too much is outstanding, since there was less.
    pub(super) is_told_behind: bool,
}

#[derive(Debug)]
struct Owned {
    generation: u64,
    watermark: Watermark,
    /// The events that the watermark rose by since a checkpoint was stored.
    unsaved: u64,
}

/// A checkpoint that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) sequence_number: i64,
    /// When it was stored, or found.
    pub(super) at: Instant,
}

/// A checkpoint to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsaved {
    pub(super) generation: u64,
    pub(super) checkpoint: Checkpoint,
    events: u64,
}

impl Progress {
    /// A generation begins to own the partition, at a checkpoint.
    pub(super) fn begin(&mut self, generation: u64, checkpoint: Option<&Checkpoint>) {
        self.owned = Some(Owned {
            generation,
            watermark: Watermark::default(),
            unsaved: 0,
        });
        self.saved = checkpoint.map(|checkpoint| Saved {
            sequence_number: checkpoint.sequence_number,
            at: Instant::now(),
        });
    }

    /// The generation owns it no more: nothing of it is acknowledged or written.
    pub(super) fn end(&mut self) {
        self.owned = None;
    }

    /// As [`end`](Self::end), if it is this generation that owns it.
    pub(super) fn end_of(&mut self, generation: u64) {
        self.owned.take_if(|owned| owned.generation == generation);
    }

    pub(super) fn yielded(&mut self, generation: u64, sequence_number: i64) {
        let owned = self.owned.as_mut();
        // One that is lost meanwhile must not count for its successor.
        if let Some(owned) = owned.filter(|owned| owned.generation == generation) {
            owned.watermark.yielded(sequence_number);
        }
    }

    /// Takes an acknowledgement, `through` all before it or of it alone.
    pub(super) fn ack(&mut self, event: &ReceivedEvent, through: bool) -> Result<(), Error> {
        let (number, offset) = (event.sequence_number(), event.offset());
        let owned = self.owned.as_mut();
        let Some(owned) = owned.filter(|owned| owned.generation == event.generation()) else {
            return Err(Error::about(
                event.partition(),
                ErrorKind::Fenced,
                format!(
                    "generation {} owns partition {} no more: whoever does reads event {number} again",
                    event.generation(),
                    event.partition(),
                ),
                "the partition was lost after the event was read",
            ));
        };
        owned.unsaved += match through {
            true => owned.watermark.ack_through(number, offset),
            false => owned.watermark.ack(number, offset),
        };
        Ok(())
    }

    /// What is to be stored, if anything.
    pub(super) fn unsaved(&self) -> Option<Unsaved> {
        let owned = self.owned.as_ref().filter(|owned| owned.unsaved > 0)?;
        Some(Unsaved {
            generation: owned.generation,
            checkpoint: owned.watermark.reached()?.clone(),
            events: owned.unsaved,
        })
    }

    /// It was stored.
    pub(super) fn save(&mut self, stored: &Unsaved) {
        let owned = self.owned.as_mut();
        if let Some(owned) = owned.filter(|owned| owned.generation == stored.generation) {
            owned.unsaved -= stored.events;
            self.saved = Some(Saved {
                sequence_number: stored.checkpoint.sequence_number,
                at: Instant::now(),
            });
        }
    }

    pub(super) fn saved(&self) -> Option<Saved> {
        self.saved
    }

    /// The events that the watermark rose by and that no checkpoint covers.
    pub(super) fn unsaved_events(&self) -> u64 {
        self.owned.as_ref().map_or(0, |owned| owned.unsaved)
    }

    /// The events from the first that is not acknowledged on.
    pub(super) fn unacknowledged(&self) -> u64 {
        let owned = self.owned.as_ref();
        owned.map_or(0, |owned| owned.watermark.outstanding())
    }

    /// The events that were yielded and hold the partition up once they are many.
    pub(super) fn outstanding(&self) -> u64 {
        let Some(owned) = &self.owned else { return 0 };
        let unsaved = if self.counts_unsaved {
            owned.unsaved
        } else {
            0
        };
        owned.watermark.outstanding() + unsaved
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::event::EventData;
    use crate::partition::PartitionId;

    fn event(number: i64, generation: u64) -> ReceivedEvent {
        let offset = (number * 10).to_string();
        let partition = PartitionId::new(2);
        let event = EventData::new("");
        ReceivedEvent::new(event, partition, number, offset, SystemTime::UNIX_EPOCH)
            .with_generation(generation)
    }

    fn begun() -> Progress {
        let mut progress = Progress::default();
        progress.begin(7, None);
        for number in 0..5 {
            progress.yielded(7, number);
        }
        progress
    }

    fn numbers(progress: &Progress) -> (Option<i64>, u64, u64) {
        let unsaved = progress.unsaved();
        let unsaved = unsaved.map(|unsaved| unsaved.checkpoint.sequence_number);
        (unsaved, progress.unsaved_events(), progress.outstanding())
    }

    #[test]
    fn what_is_acknowledged_is_to_be_stored_until_it_is() {
        let mut progress = begun();
        assert_eq!(numbers(&progress), (None, 0, 5));
        progress.ack(&event(1, 7), true).expect("ours");
        assert_eq!(numbers(&progress), (Some(1), 2, 3));
        let stored = progress.unsaved().expect("something");
        progress.ack(&event(2, 7), false).expect("ours");
        progress.save(&stored);
        assert_eq!(numbers(&progress), (Some(2), 1, 2));
        assert_eq!(progress.saved().expect("stored").sequence_number, 1);
        let stored = progress.unsaved().expect("the rest");
        progress.save(&stored);
        assert_eq!(progress.unsaved(), None);
        assert_eq!(progress.unacknowledged(), 2);
    }

    #[test]
    fn what_is_not_written_counts_where_it_is_written_on_its_own() {
        let mut progress = begun();
        progress.counts_unsaved = true;
        progress.ack(&event(3, 7), true).expect("ours");
        assert_eq!(progress.outstanding(), 5);
        let stored = progress.unsaved().expect("something");
        progress.save(&stored);
        assert_eq!(progress.outstanding(), 1);
    }

    #[test]
    fn an_old_generation_neither_acknowledges_nor_writes() {
        let mut progress = begun();
        progress.ack(&event(0, 7), false).expect("ours");
        let old = progress.unsaved().expect("something");
        progress.begin(8, Some(&old.checkpoint));
        let fenced = progress.ack(&event(1, 7), false).expect_err("fenced");
        assert_eq!(*fenced.kind(), ErrorKind::Fenced);
        assert_eq!(fenced.partition(), Some(PartitionId::new(2)));
        progress.save(&old);
        assert_eq!(numbers(&progress), (None, 0, 0));
        progress.yielded(7, 5);
        progress.end_of(7);
        assert!(progress.ack(&event(1, 8), false).is_ok());
        assert_eq!(progress.outstanding(), 0, "nothing of the old one counts");
        progress.end_of(8);
        assert!(progress.ack(&event(1, 8), false).is_err());
        assert_eq!(progress.unsaved(), None);
    }
}
