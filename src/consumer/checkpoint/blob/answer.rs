//! What the service answers, and which error that is.

use std::error::Error as StdError;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use http::header::{DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};

use super::blobs::{Blob, Metadata};
use super::container::ENTRY;
use crate::error::{Error, ErrorKind};

const CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The URL of the container, for errors.
    pub(super) container: String,
}

impl Answer {
    fn header(&self, name: &HeaderName) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The service's name for what went wrong; empty if it has none.
    pub(super) fn code(&self) -> &str {
        self.header(&CODE)
    }

    pub(super) fn is_no_blob(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.code() == "BlobNotFound"
    }

    /// Whether the condition of a write did not hold.
    pub(super) fn is_lost_race(&self) -> bool {
        matches!(
            (self.status, self.code()),
            (
                StatusCode::PRECONDITION_FAILED,
                "ConditionNotMet" | "TargetConditionNotMet"
            ) | (StatusCode::CONFLICT, "BlobAlreadyExists")
        )
    }

    /// The service's time.
    pub(super) fn date(&self) -> Result<SystemTime, Error> {
        let date = httpdate::parse_http_date(self.header(&DATE));
        date.map_err(|_| self.malformed("no Date"))
    }

    pub(super) fn metadata(&self) -> Metadata {
        let entries = self.headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(ENTRY)?;
            let value = String::from_utf8_lossy(value.as_bytes());
            Some((name.to_owned(), value.into_owned()))
        });
        entries.collect()
    }

    /// The blob that it is about, with its metadata.
    pub(super) fn blob(&self, metadata: Metadata) -> Result<Blob, Error> {
        let changed = httpdate::parse_http_date(self.header(&LAST_MODIFIED));
        let changed = changed.map_err(|_| self.malformed("no Last-Modified"))?;
        let version = match self.header(&ETAG) {
            "" => return Err(self.malformed("no ETag")),
            version => version.to_owned(),
        };
        let age = self.date()?.duration_since(changed).unwrap_or_default();
        Ok(Blob {
            metadata,
            version,
            age,
        })
    }

    pub(super) fn malformed(&self, what: &str) -> Error {
        let container = &self.container;
        let message = format!("{container}: the answer is none of Azure Blob Storage: {what}");
        Error::new(ErrorKind::StoreUnavailable, message)
    }

    /// Which error it is that `what` failed so.
    pub(super) fn error(&self, what: &str) -> Error {
        let (container, status, code) = (&self.container, self.status, self.code());
        let told = |kind, hint: &str| {
            let parts = [what, status.as_str(), code, hint];
            let told = parts.into_iter().filter(|part| !part.is_empty());
            let told: Vec<_> = told.collect();
            Error::new(kind, format!("{container}: {}", told.join(": ")))
        };
        match (status, code) {
            (_, "ContainerNotFound") => told(
                ErrorKind::NotFound,
                "there is no such container: make it, by hand or by \
                 BlobStore::create_container_if_missing",
            ),
            (_, "ContainerBeingDeleted") => told(
                ErrorKind::StoreUnavailable,
                "the container is being removed: make it anew in a while",
            ),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => told(
                ErrorKind::Unauthorized,
                "the store reads, writes, lists, makes and removes blobs: check the key, or that \
                 the signature allows `rwdlc` and has not expired, or that the identity is a \
                 Storage Blob Data Contributor; and this machine's clock",
            ),
            (StatusCode::NOT_FOUND, _) => told(ErrorKind::NotFound, "check the address"),
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => {
                told(ErrorKind::StoreUnavailable, "")
            }
            (StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT, _) => told(
                ErrorKind::StoreUnavailable,
                "something holds the blob, such as a lease: let go of it",
            ),
            _ if status.is_client_error() => {
                let condition = code.to_owned();
                told(ErrorKind::Rejected { condition }, "")
            }
            _ => told(ErrorKind::StoreUnavailable, ""),
        }
    }
}

/// A request without an answer. A certificate that is not trusted stays that.
pub(super) fn broken(container: &str, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let error = error.into();
    let mut reason = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(ours) = cause.downcast_ref::<Error>()
            && *ours.kind() != ErrorKind::Disconnected
        {
            return ours.clone();
        }
        reason = cause.to_string();
        next = cause.source();
    }
    let message = format!("{container}: no answer: {reason}");
    Error::new(ErrorKind::StoreUnavailable, message).with_source(error)
}
