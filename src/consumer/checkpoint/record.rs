//! The rule of the stores: what a change makes of a partition's record.

use std::fmt;
use std::time::Duration;

use super::ownership::Ownership;
use super::scope::ConsumerScope;
use super::store::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;

/// The longest offset and the longest name of an owner, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// Which record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) scope: ConsumerScope,
    pub(super) partition: PartitionId,
}

/// What is kept of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The least generation that may write.
    pub(super) fence: u64,
    pub(super) checkpoint: Option<Checkpoint>,
    /// The generation of the last claim; 0 before the first.
    pub(super) claimed: u64,
    pub(super) owner: Option<String>,
    /// How often it was renewed or released since that claim.
    pub(super) changes: u64,
    /// When it was claimed, renewed or released the last time.
    pub(super) changed_at: Millis,
}

/// A time by the store's clock, in milliseconds.
pub(super) type Millis = u64;

/// What is asked of a record; each number is the generation that asks.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Claim(String, Millis),
    /// If the version is still the one that was seen.
    ClaimIf(String, Option<String>, Millis),
    /// If it is still this owner's.
    Renew(Option<String>, u64, Millis),
    Release(u64, Millis),
    Fence(u64),
    Store(u64, Checkpoint),
    Reset(u64, Option<Checkpoint>),
}

impl Place {
    pub(super) fn new(scope: &ConsumerScope, partition: PartitionId) -> Self {
        let scope = scope.clone();
        Self { scope, partition }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of {}", self.partition, self.scope)
    }
}

impl Change {
    /// Logs what is done by hand, and seldom.
    pub(super) fn log(&self, place: &Place) {
        let Self::Reset(generation, to) = self else {
            return;
        };
        let to = to.as_ref().map(|to| to.sequence_number);
        let Place { scope, partition } = place;
        tracing::warn!(%scope, %partition, generation, ?to, "the checkpoint was reset");
    }
}

impl Record {
    /// The record after a change, or why the one at the place stays as it is.
    pub(super) fn changed(&self, change: &Change, place: &Place) -> Result<Self, Error> {
        self.after(change.clone()).map_err(|error| {
            let message = format!("{place}: {}", error.message());
            Error::new(error.kind().clone(), message)
        })
    }

    /// The rule itself.
    fn after(&self, change: Change) -> Result<Self, Error> {
        let mut record = self.clone();
        match change {
            Change::Claim(owner, now) => record.claim(owner, now)?,
            Change::ClaimIf(owner, seen, now) => {
                if seen != self.version() {
                    check_owner(&owner)?;
                    return Err(lost());
                }
                record.claim(owner, now)?;
            }
            Change::Renew(owner, generation, now) => {
                let is_held = owner.is_some() && owner == self.owner;
                if !is_held || generation != self.claimed {
                    return Err(lost());
                }
                record.touch(now);
            }
            Change::Release(generation, now) => {
                if generation == self.claimed && record.owner.take().is_some() {
                    record.touch(now);
                }
            }
            Change::Fence(generation) => record.fence = self.admit(generation)?,
            Change::Store(generation, checkpoint) => {
                record.fence = self.admit(generation)?;
                check_checkpoint(&checkpoint)?;
                self.check_forward(&checkpoint)?;
                record.checkpoint = Some(checkpoint);
            }
            Change::Reset(generation, checkpoint) => {
                record.fence = self.admit(generation)?;
                checkpoint.as_ref().map_or(Ok(()), check_checkpoint)?;
                record.checkpoint = checkpoint;
            }
        }
        Ok(record)
    }

    fn claim(&mut self, owner: String, now: Millis) -> Result<(), Error> {
        check_owner(&owner)?;
        self.claimed = self.next_generation()?;
        self.owner = Some(owner);
        self.changes = 0;
        self.changed_at = now;
        Ok(())
    }

    fn touch(&mut self, now: Millis) {
        self.changes = self.changes.saturating_add(1);
        self.changed_at = now;
    }

    /// Of the ownership; `None` before the first claim. No claim repeats an earlier
    /// one's, even after a reset of what could not be understood.
    fn version(&self) -> Option<String> {
        let Self {
            claimed, changes, ..
        } = self;
        (*claimed > 0).then(|| format!("{claimed}.{changes}"))
    }

    /// Who owns the partition, as the port tells it.
    pub(super) fn ownership(self, now: Millis) -> Option<Ownership> {
        let version = self.version()?;
        // The clock of a machine may go back.
        let age = Duration::from_millis(now.saturating_sub(self.changed_at));
        Some(Ownership {
            owner: self.owner,
            generation: self.claimed,
            version,
            age,
        })
    }

    /// Whether it is one that changes can lead to; if not, what is wrong with it.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.checkpoint.as_ref().map_or(Ok(()), check_checkpoint)?;
        match &self.owner {
            None if self.claimed == 0 && (self.changes, self.changed_at) != (0, 0) => {
                Err(corrupt("it was renewed but never claimed"))
            }
            Some(_) if self.claimed == 0 => Err(corrupt("it has an owner that never claimed it")),
            Some(owner) => check_owner(owner),
            None => Ok(()),
        }
    }

    /// Above the fence, too: a claim that could not write would be of no use.
    fn next_generation(&self) -> Result<u64, Error> {
        let last = self.claimed.max(self.fence);
        last.checked_add(1).ok_or_else(|| {
            corrupt(format!(
                "no generation comes after {last}, so that nobody can claim the partition: \
                 remove its record from the store"
            ))
        })
    }

    /// The fence that a generation leaves, unless it is behind it.
    fn admit(&self, generation: u64) -> Result<u64, Error> {
        let fence = self.fence;
        if generation < fence {
            return Err(Error::new(
                ErrorKind::Fenced,
                format!(
                    "generation {generation} was followed by {fence}, which has fenced the \
                     partition: stop, the later owner goes on from the last checkpoint"
                ),
            ));
        }
        Ok(generation)
    }

    fn check_forward(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        match &self.checkpoint {
            Some(stored) if checkpoint.sequence_number < stored.sequence_number => {
                let (from, to) = (stored.sequence_number, checkpoint.sequence_number);
                Err(Error::new(
                    ErrorKind::InvalidPosition,
                    format!(
                        "a checkpoint does not go back, from {from} to {to}: use `reset` for a \
                         rewind, or if the hub was created anew"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// A claim or a renewal that comes too late.
fn lost() -> Error {
    Error::new(ErrorKind::Fenced, "the owner was changed by others")
}

/// What a claim or a renewal made of a record, unless it came too late.
pub(super) fn unless_lost(
    changed: Result<Record, Error>,
    now: Millis,
) -> Result<Option<Ownership>, Error> {
    match changed {
        Ok(record) => Ok(record.ownership(now)),
        Err(error) if *error.kind() == ErrorKind::Fenced => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_owner(owner: &str) -> Result<(), Error> {
    match owner.len() {
        0 => Err(Error::invalid_options(
            "an owner has no name: give it one that tells it from the others",
        )),
        1..=MAX_TEXT_BYTES => Ok(()),
        long => Err(Error::invalid_options(format!(
            "an owner's name of {long} bytes exceeds {MAX_TEXT_BYTES}: shorten it"
        ))),
    }
}

fn check_checkpoint(checkpoint: &Checkpoint) -> Result<(), Error> {
    let number = checkpoint.sequence_number;
    if number < 0 {
        return Err(corrupt(format!(
            "{number} is no sequence number: they are counted from 0; take the one of an event"
        )));
    }
    match checkpoint.offset.as_ref().map(String::len) {
        Some(0) => Err(corrupt("an offset is empty: leave it out if it is unknown")),
        Some(long) if long > MAX_TEXT_BYTES => Err(corrupt(format!(
            "an offset of {long} bytes exceeds {MAX_TEXT_BYTES}: take the one of an event"
        ))),
        _ => Ok(()),
    }
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::CorruptCheckpoint, message)
}

#[cfg(test)]
mod tests;
