//! Owners: everybody's blob, with our generation beside the owner's name.

use std::collections::HashMap;

use super::blobs::{Blob, Blobs, Metadata, On};
use super::names::{Kind, partition_of};
use super::races::Races;
use super::{format, generation};
use crate::consumer::checkpoint::ownership::Ownership;
use crate::consumer::checkpoint::record::Place;
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::error::Error;
use crate::partition::PartitionId;

const GENERATION: &str = "flowgeneration";

/// What a blob says of an owner.
struct Said {
    owner: Option<String>,
    /// `None` if another SDK has written it.
    generation: Option<u64>,
}

impl Said {
    fn by(blob: &Blob, place: &Place) -> Result<Self, Error> {
        let owner = format::owner(&blob.metadata);
        let generation = format::number(&blob.metadata, GENERATION);
        let garbled = |error: Error| {
            let message = format!("{place}: the blob of its owner: {}", error.message());
            Error::new(error.kind().clone(), message)
        };
        Ok(Self {
            owner: owner.map_err(garbled)?,
            generation: generation.map_err(garbled)?,
        })
    }
}

fn entries(owner: Option<&str>, generation: u64) -> Metadata {
    let mut metadata = Metadata::new();
    format::put_owner(&mut metadata, owner);
    metadata.insert(GENERATION.to_owned(), generation.to_string());
    metadata
}

fn ownership(owner: Option<String>, generation: u64, blob: Blob) -> Ownership {
    Ownership {
        owner,
        generation,
        version: blob.version,
        age: blob.age,
    }
}

pub(super) async fn read(blobs: &dyn Blobs, place: &Place) -> Result<Option<Ownership>, Error> {
    let name = Kind::Ownership.blob(&place.scope, place.partition)?;
    let Some(blob) = blobs.get(&name).await? else {
        return Ok(None);
    };
    let said = Said::by(&blob, place)?;
    let generation = match said.generation {
        Some(generation) => generation,
        None => generation::read(blobs, place).await?.generation.claimed,
    };
    Ok(Some(ownership(said.owner, generation, blob)))
}

pub(super) async fn list(
    blobs: &dyn Blobs,
    scope: &ConsumerScope,
) -> Result<Vec<(PartitionId, Ownership)>, Error> {
    let folder = Kind::Ownership.folder(scope)?;
    let mut found = Vec::new();
    for (name, blob) in blobs.list(&folder).await? {
        let Some(partition) = partition_of(&name, &folder) else {
            continue;
        };
        match Said::by(&blob, &Place::new(scope, partition)) {
            Ok(said) => found.push((partition, said, blob)),
            Err(error) => tracing::warn!(%error, "an owner was left out"),
        }
    }
    let mut last = HashMap::new();
    if found.iter().any(|(_, said, _)| said.generation.is_none()) {
        last = generation::list(blobs, scope).await?;
    }
    let owners = found.into_iter().map(|(partition, said, blob)| {
        let last = || last.get(&partition).copied().unwrap_or_default();
        let generation = said.generation.unwrap_or_else(last);
        (partition, ownership(said.owner, generation, blob))
    });
    Ok(owners.collect())
}

/// Claims it, whoever has it. The generation is had first: who has a later one is the
/// owner, in whatever order they come here.
pub(super) async fn claim(blobs: &dyn Blobs, place: &Place, owner: &str) -> Result<u64, Error> {
    let generation = generation::claim(blobs, place, owner).await?;
    let name = Kind::Ownership.blob(&place.scope, place.partition)?;
    let mut races = Races::default();
    loop {
        let blob = blobs.get(&name).await?;
        // What cannot be understood is replaced.
        let said = blob.as_ref().map(|blob| Said::by(blob, place));
        let last = said.and_then(Result::ok).and_then(|said| said.generation);
        if last.is_some_and(|last| last > generation) {
            return Ok(generation);
        }
        let entries = entries(Some(owner), generation);
        let written = blobs.put(&name, On::the(blob.as_ref()), entries).await?;
        if written.is_some() {
            return Ok(generation);
        }
        races.lost(&name).await?;
    }
}

pub(super) async fn claim_if(
    blobs: &dyn Blobs,
    place: &Place,
    owner: &str,
    seen: Option<&Ownership>,
) -> Result<Option<Ownership>, Error> {
    let name = Kind::Ownership.blob(&place.scope, place.partition)?;
    let generation = generation::claim(blobs, place, owner).await?;
    let on = seen.map_or(On::Nothing, |seen| On::Version(seen.version.clone()));
    let entries = entries(Some(owner), generation);
    let written = blobs.put(&name, on, entries).await?;
    Ok(written.map(|blob| ownership(Some(owner.to_owned()), generation, blob)))
}

pub(super) async fn renew(
    blobs: &dyn Blobs,
    place: &Place,
    held: &Ownership,
) -> Result<Option<Ownership>, Error> {
    let Some(owner) = held.owner.as_deref() else {
        return Ok(None);
    };
    let written = rewrite(
        blobs,
        place,
        held.generation,
        |said| said == Some(owner),
        Some(owner),
    )
    .await?;
    Ok(written.map(|blob| ownership(Some(owner.to_owned()), held.generation, blob)))
}

pub(super) async fn release(
    blobs: &dyn Blobs,
    place: &Place,
    generation: u64,
) -> Result<(), Error> {
    let released = rewrite(blobs, place, generation, |held| held.is_some(), None).await;
    released.map(drop)
}

/// Writes an owner over the one of a generation, while that stands and is the right one.
async fn rewrite(
    blobs: &dyn Blobs,
    place: &Place,
    generation: u64,
    is_right: impl Fn(Option<&str>) -> bool + Send + Sync,
    owner: Option<&str>,
) -> Result<Option<Blob>, Error> {
    let name = Kind::Ownership.blob(&place.scope, place.partition)?;
    let mut races = Races::default();
    loop {
        let Some(blob) = blobs.get(&name).await? else {
            return Ok(None);
        };
        let said = Said::by(&blob, place)?;
        if said.generation != Some(generation) || !is_right(said.owner.as_deref()) {
            return Ok(None);
        }
        let on = On::the(Some(&blob));
        let written = blobs.put(&name, on, entries(owner, generation)).await?;
        if written.is_some() {
            return Ok(written);
        }
        races.lost(&name).await?;
    }
}
