//! What is asked of a container: blobs that are empty, and their metadata.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;

/// The entries of a blob, their names in lower case.
pub(super) type Metadata = BTreeMap<String, String>;

/// A blob as it was read or written.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) metadata: Metadata,
    /// Its ETag: another after each change, and never one that was before.
    pub(super) version: String,
    /// Since its last change, by the service's clock.
    pub(super) age: Duration,
}

/// On top of what a blob may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum On {
    /// There is none yet.
    Nothing,
    /// It is in this version.
    Version(String),
}

impl On {
    pub(super) fn the(blob: Option<&Blob>) -> Self {
        blob.map_or(Self::Nothing, |blob| Self::Version(blob.version.clone()))
    }
}

/// A container. Each call is one request.
#[async_trait]
pub(super) trait Blobs: fmt::Debug + Send + Sync + 'static {
    /// `None` if there is no such blob.
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error>;

    /// Replaces a blob's metadata, or makes the blob. `None` if it is not in that
    /// version any more: then it stays as it is.
    async fn put(&self, name: &str, on: On, metadata: Metadata) -> Result<Option<Blob>, Error>;

    /// Whether it was removed; not if it is not in that version any more.
    async fn delete(&self, name: &str, version: &str) -> Result<bool, Error>;

    /// The blobs whose names begin so.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Blob)>, Error>;
}
