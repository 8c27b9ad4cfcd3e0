//! Checkpoints: everybody's blob, with our fence beside the position.
//!
//! # How a write is decided in one step with the fence
//! A checkpoint's blob that we wrote has the fence in an entry of its own, and is
//! written on the condition that it is as it was read: whoever fences changes it, and
//! the write of an older generation fails. Three things are in the way of that, and
//! the blob of the generation, which has the fence as well, is the way around them:
//!
//! - *Another SDK's write takes our entry away.* Then the fence is read there; whoever
//!   fences raises it there first. So what was read of it is of after the checkpoint
//!   was read, and a fence that it does not show will change the checkpoint.
//! - *There is no checkpoint yet.* A blob with a fence and no position would break other
//!   SDKs, which expect a position in every one. So the first position becomes a draft
//!   in the blob of the generation, in one step with the fence, and counts from then
//!   on; then the checkpoint's blob is made of it, if there is still none. Whoever
//!   finds none goes by the draft.
//! - *A blob is made late*, from a draft that was replaced. It has the draft's number,
//!   and does not count if there is a later one.
//! - *A draft is written late*, by one that has found no blob where there is one now.
//!   So before a blob gets the fence, the blob of the generation notes that it is there,
//!   if nobody has changed that since it was read; then no draft can be written.
//!
//! A position of another SDK is taken as it is, wherever it goes.

use super::blobs::{Blob, Blobs, Metadata, On};
use super::format;
use super::generation::{self, Generation};
use super::names::Kind;
use super::races::Races;
use crate::consumer::checkpoint::record::{Change, Place, Record};
use crate::consumer::checkpoint::store::Checkpoint;
use crate::error::Error;

const FENCE: &str = "flowfence";
const DRAFT: &str = "flowdraft";

/// Where a partition stands.
struct Seen {
    /// The checkpoint's blob, whether it counts or not.
    blob: Option<Blob>,
    stands: Stands,
}

enum Stands {
    /// In the checkpoint's blob, the fence beside it.
    Whole {
        fence: u64,
        checkpoint: Result<Checkpoint, Error>,
    },
    /// In the checkpoint's blob, the fence in the other one.
    Apart {
        read: generation::Read,
        checkpoint: Result<Checkpoint, Error>,
    },
    /// In the other blob.
    Draft(generation::Read),
}

impl Seen {
    fn fence(&self) -> u64 {
        match &self.stands {
            Stands::Whole { fence, .. } => *fence,
            Stands::Apart { read, .. } | Stands::Draft(read) => read.generation.fence,
        }
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        match &self.stands {
            Stands::Whole { checkpoint, .. } | Stands::Apart { checkpoint, .. } => {
                checkpoint.clone().map(Some)
            }
            Stands::Draft(read) => Ok(read.generation.draft.clone()),
        }
    }
}

/// The checkpoint's blob is read first: see above.
async fn look(blobs: &dyn Blobs, place: &Place) -> Result<Seen, Error> {
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    let mut races = Races::default();
    loop {
        let blob = blobs.get(&name).await?;
        let seen = look_with(blobs, place, &name, blob).await?;
        let Stands::Draft(read) = &seen.stands else {
            return Ok(seen);
        };
        if !read.generation.is_made {
            return Ok(seen);
        }
        // Made since it was looked for, or removed.
        if seen.blob.is_some() || blobs.get(&name).await?.is_none() {
            let Stands::Draft(read) = seen.stands else {
                unreachable!("see above");
            };
            return Ok(Seen {
                stands: Stands::Draft(read.without_checkpoint()),
                ..seen
            });
        }
        races.lost(&name).await?;
    }
}

async fn look_with(
    blobs: &dyn Blobs,
    place: &Place,
    name: &str,
    blob: Option<Blob>,
) -> Result<Seen, Error> {
    let checkpoint = blob.as_ref().map(|blob| position(blob, place, name));
    let fence = blob
        .as_ref()
        .map(|blob| format::number(&blob.metadata, FENCE));
    if let (Some(checkpoint), Some(Ok(Some(fence)))) = (&checkpoint, &fence) {
        let stands = Stands::Whole {
            fence: *fence,
            checkpoint: checkpoint.clone(),
        };
        return Ok(Seen { blob, stands });
    }
    let read = generation::read(blobs, place).await?;
    let drafts = read.generation.drafts;
    let stands = match (&blob, checkpoint) {
        (Some(blob), Some(checkpoint)) if !is_late(blob, drafts) => {
            Stands::Apart { read, checkpoint }
        }
        _ => Stands::Draft(read),
    };
    Ok(Seen { blob, stands })
}

/// Whether a blob was made of a draft that another has replaced.
fn is_late(blob: &Blob, drafts: u64) -> bool {
    let draft = format::number(&blob.metadata, DRAFT);
    draft.is_ok_and(|draft| draft.is_some_and(|draft| draft < drafts))
}

fn position(blob: &Blob, place: &Place, name: &str) -> Result<Checkpoint, Error> {
    let checkpoint = format::checkpoint(&blob.metadata).and_then(|checkpoint| {
        let record = Record {
            checkpoint: Some(checkpoint.clone()),
            ..Record::default()
        };
        record.check().map(|()| checkpoint)
    });
    checkpoint.map_err(|error| {
        let message = format!("{place}: the blob {name}: {}", error.message());
        Error::new(error.kind().clone(), message)
    })
}

fn entries(checkpoint: &Checkpoint, entry: &str, number: u64) -> Metadata {
    let mut metadata = Metadata::new();
    format::put_checkpoint(&mut metadata, checkpoint);
    metadata.insert(entry.to_owned(), number.to_string());
    metadata
}

pub(super) async fn read(blobs: &dyn Blobs, place: &Place) -> Result<Option<Checkpoint>, Error> {
    look(blobs, place).await?.checkpoint()
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Done,
    /// Another was faster.
    Lost,
    /// It counts, but another was faster to make the checkpoint's blob.
    Drafted,
}

impl Written {
    fn unless_lost(is_written: bool) -> Self {
        match is_written {
            true => Self::Done,
            false => Self::Lost,
        }
    }
}

/// Changes it, and returns where it stands now.
pub(super) async fn change(
    blobs: &dyn Blobs,
    place: &Place,
    change: &Change,
) -> Result<Option<Checkpoint>, Error> {
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    let (mut races, mut has_counted) = (Races::default(), false);
    loop {
        let seen = look(blobs, place).await?;
        let checkpoint = match (seen.checkpoint(), change) {
            // Over what cannot be understood, too.
            (Err(_), Change::Reset(..)) => None,
            (checkpoint, _) => checkpoint?,
        };
        let record = Record {
            fence: seen.fence(),
            checkpoint,
            ..Record::default()
        };
        let next = match record.changed(change, place) {
            Ok(next) => next,
            // Others came after it.
            Err(_) if has_counted => return Ok(record.checkpoint),
            Err(error) => return Err(error),
        };
        let written = match (&seen.stands, &next.checkpoint) {
            (Stands::Draft(read), Some(checkpoint)) => {
                draft(blobs, place, &seen, read, next.fence, checkpoint).await?
            }
            (Stands::Draft(read), None) => {
                nothing(blobs, place, &seen, read, next.fence, change).await?
            }
            (_, Some(checkpoint)) => replace(blobs, place, &seen, next.fence, checkpoint).await?,
            (_, None) => remove(blobs, place, &seen, next.fence).await?,
        };
        match written {
            Written::Done => return Ok(next.checkpoint),
            Written::Lost => {}
            Written::Drafted => has_counted = !matches!(change, Change::Fence(_)),
        }
        races.lost(&name).await?;
    }
}

/// Writes over a checkpoint that counts.
async fn replace(
    blobs: &dyn Blobs,
    place: &Place,
    seen: &Seen,
    fence: u64,
    checkpoint: &Checkpoint,
) -> Result<Written, Error> {
    let is_same = matches!(
        &seen.stands,
        Stands::Whole { fence: old, checkpoint: Ok(same) } if *old == fence && same == checkpoint
    );
    if is_same {
        return Ok(Written::Done);
    }
    match &seen.stands {
        Stands::Whole { fence: old, .. } if fence > *old => {
            generation::raise_fence(blobs, place, fence).await?;
        }
        Stands::Whole { .. } => {}
        Stands::Apart { read, .. } | Stands::Draft(read) => {
            let next = Generation {
                fence,
                draft: None,
                is_made: true,
                ..read.generation.clone()
            };
            if !generation::write(blobs, place, read, &next).await? {
                return Ok(Written::Lost);
            }
        }
    }
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    let on = On::the(seen.blob.as_ref());
    let written = blobs
        .put(&name, on, entries(checkpoint, FENCE, fence))
        .await?;
    Ok(Written::unless_lost(written.is_some()))
}

/// Takes a checkpoint away that counts.
async fn remove(
    blobs: &dyn Blobs,
    place: &Place,
    seen: &Seen,
    fence: u64,
) -> Result<Written, Error> {
    // A blob that is still being made, of a draft, is not to count either.
    let read = generation::read(blobs, place).await?;
    let next = Generation {
        fence: read.generation.fence.max(fence),
        is_made: true,
        ..read.generation.with_draft(None)
    };
    if !generation::write(blobs, place, &read, &next).await? {
        return Ok(Written::Lost);
    }
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    let is_written = match &seen.blob {
        Some(blob) => blobs.delete(&name, &blob.version).await?,
        None => true,
    };
    Ok(Written::unless_lost(is_written))
}

/// Makes a checkpoint where none counts.
async fn draft(
    blobs: &dyn Blobs,
    place: &Place,
    seen: &Seen,
    read: &generation::Read,
    fence: u64,
    checkpoint: &Checkpoint,
) -> Result<Written, Error> {
    let old = &read.generation;
    let is_same = old.draft.as_ref() == Some(checkpoint);
    let next = Generation {
        fence,
        is_made: false,
        ..match is_same {
            true => old.clone(),
            false => old.with_draft(Some(checkpoint.clone())),
        }
    };
    if !generation::write(blobs, place, read, &next).await? {
        return Ok(Written::Lost);
    }
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    let on = On::the(seen.blob.as_ref());
    let written = blobs
        .put(&name, on, entries(checkpoint, DRAFT, next.drafts))
        .await?;
    Ok(match written {
        Some(_) => Written::Done,
        None => Written::Drafted,
    })
}

/// Leaves it without a checkpoint.
async fn nothing(
    blobs: &dyn Blobs,
    place: &Place,
    seen: &Seen,
    read: &generation::Read,
    fence: u64,
    change: &Change,
) -> Result<Written, Error> {
    let old = &read.generation;
    let next = Generation {
        fence,
        ..match change {
            Change::Reset(..) => old.with_draft(None),
            _ => old.clone(),
        }
    };
    if !generation::write(blobs, place, read, &next).await? {
        return Ok(Written::Lost);
    }
    let name = Kind::Checkpoint.blob(&place.scope, place.partition)?;
    // One that came late counts for nobody but other SDKs.
    if let (Some(blob), Change::Reset(..)) = (&seen.blob, change) {
        let is_written = blobs.delete(&name, &blob.version).await?;
        return Ok(Written::unless_lost(is_written));
    }
    // One that another SDK has made meanwhile must have the fence, too.
    let blob = blobs.get(&name).await?;
    let is_same = On::the(blob.as_ref()) == On::the(seen.blob.as_ref());
    Ok(Written::unless_lost(is_same))
}

#[cfg(test)]
mod tests;
