//! The blob of ours: the generation of a partition's owner, and what must be decided
//! in one step with it.

use std::collections::HashMap;

use super::blobs::{Blobs, Metadata, On};
use super::format;
use super::names::{Kind, partition_of};
use super::races::Races;
use crate::consumer::checkpoint::record::{Change, Place, Record};
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::consumer::checkpoint::store::Checkpoint;
use crate::error::Error;
use crate::partition::PartitionId;

const CLAIMED: &str = "generation";
const FENCE: &str = "fence";
const DRAFTS: &str = "drafts";
const MADE: &str = "made";

/// What the blob keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Generation {
    /// The generation of the last claim; 0 before the first.
    pub(super) claimed: u64,
    /// The least generation that may write. No fence in a checkpoint is higher.
    pub(super) fence: u64,
    /// A checkpoint whose blob is being made; it counts until that is there.
    pub(super) draft: Option<Checkpoint>,
    /// How often the draft was changed.
    pub(super) drafts: u64,
    /// Whether the checkpoint's blob was there to stay: then no draft counts, and if it
    /// is not there any more, somebody has removed it.
    pub(super) is_made: bool,
}

/// The blob as it was read, and on top of what it may be written.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) generation: Generation,
    on: On,
    /// Whether that is not what stands in the blob.
    is_amended: bool,
}

impl Read {
    /// The checkpoint's blob, which was there to stay, is gone.
    pub(super) fn without_checkpoint(self) -> Self {
        let generation = Generation {
            is_made: false,
            ..self.generation.with_draft(None)
        };
        Self {
            generation,
            is_amended: true,
            ..self
        }
    }
}

impl Generation {
    fn parse(metadata: &Metadata) -> Result<Self, Error> {
        let number = |entry| format::number(metadata, entry).map(Option::unwrap_or_default);
        let has_draft = metadata.contains_key(format::SEQUENCE_NUMBER);
        Ok(Self {
            claimed: number(CLAIMED)?,
            fence: number(FENCE)?,
            draft: has_draft
                .then(|| format::checkpoint(metadata))
                .transpose()?,
            drafts: number(DRAFTS)?,
            is_made: metadata.contains_key(MADE),
        })
    }

    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        let numbers = [
            (CLAIMED, self.claimed),
            (FENCE, self.fence),
            (DRAFTS, self.drafts),
        ];
        for (entry, number) in numbers {
            metadata.insert(entry.to_owned(), number.to_string());
        }
        if self.is_made {
            metadata.insert(MADE.to_owned(), "yes".to_owned());
        }
        if let Some(draft) = &self.draft {
            format::put_checkpoint(&mut metadata, draft);
        }
        metadata
    }

    /// With another draft, or with none.
    pub(super) fn with_draft(&self, draft: Option<Checkpoint>) -> Self {
        Self {
            draft,
            drafts: self.drafts + 1,
            ..self.clone()
        }
    }
}

pub(super) async fn read(blobs: &dyn Blobs, place: &Place) -> Result<Read, Error> {
    let name = Kind::Generation.blob(&place.scope, place.partition)?;
    let blob = blobs.get(&name).await?;
    let on = On::the(blob.as_ref());
    let parsed = blob
        .map(|blob| Generation::parse(&blob.metadata))
        .transpose();
    let generation = parsed.map_err(|error| {
        let message = format!("{place}: the blob {name}: {}", error.message());
        Error::new(error.kind().clone(), message)
    })?;
    Ok(Read {
        generation: generation.unwrap_or_default(),
        on,
        is_amended: false,
    })
}

/// The generations of the last claims in a consumer group; one that cannot be
/// understood is left out.
pub(super) async fn list(
    blobs: &dyn Blobs,
    scope: &ConsumerScope,
) -> Result<HashMap<PartitionId, u64>, Error> {
    let folder = Kind::Generation.folder(scope)?;
    let listed = blobs.list(&folder).await?.into_iter();
    let claimed = listed.filter_map(|(name, blob)| {
        let generation = Generation::parse(&blob.metadata).ok()?;
        Some((partition_of(&name, &folder)?, generation.claimed))
    });
    Ok(claimed.collect())
}

/// Whether it was written; not if it was changed since.
pub(super) async fn write(
    blobs: &dyn Blobs,
    place: &Place,
    read: &Read,
    next: &Generation,
) -> Result<bool, Error> {
    if read.generation == *next && !read.is_amended {
        return Ok(true);
    }
    let name = Kind::Generation.blob(&place.scope, place.partition)?;
    let written = blobs.put(&name, read.on.clone(), next.metadata()).await?;
    Ok(written.is_some())
}

/// The next generation, which is nobody else's.
pub(super) async fn claim(blobs: &dyn Blobs, place: &Place, owner: &str) -> Result<u64, Error> {
    let mut races = Races::default();
    loop {
        let read = read(blobs, place).await?;
        let Generation { claimed, fence, .. } = read.generation;
        let record = Record {
            claimed,
            fence,
            ..Record::default()
        };
        let record = record.changed(&Change::Claim(owner.to_owned(), 0), place)?;
        let next = Generation {
            claimed: record.claimed,
            ..read.generation.clone()
        };
        if write(blobs, place, &read, &next).await? {
            return Ok(next.claimed);
        }
        races.lost("the generation").await?;
    }
}

/// Refuses older generations from now on, as far as this blob decides it.
pub(super) async fn raise_fence(blobs: &dyn Blobs, place: &Place, fence: u64) -> Result<(), Error> {
    let mut races = Races::default();
    loop {
        let read = read(blobs, place).await?;
        let next = Generation {
            fence: read.generation.fence.max(fence),
            ..read.generation.clone()
        };
        if write(blobs, place, &read, &next).await? {
            return Ok(());
        }
        races.lost("the generation").await?;
    }
}
