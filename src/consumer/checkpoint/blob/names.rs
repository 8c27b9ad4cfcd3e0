//! The names of blobs: those that every SDK uses, and one of ours.

use std::fmt;

use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::error::Error;
use crate::partition::PartitionId;

/// What a blob keeps of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Checkpoint,
    Ownership,
    /// Ours: other SDKs do not look at it.
    Generation,
}

impl Kind {
    /// Where the blobs of a consumer group's partitions are.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if a name is
    /// none that the service has: a blob's name has no room for others.
    pub(super) fn folder(self, scope: &ConsumerScope) -> Result<String, Error> {
        for name in [scope.namespace(), scope.hub(), scope.consumer_group()] {
            check(name)?;
        }
        // In lower case already, as .NET, JavaScript and Python have it.
        Ok(format!("{scope}/{self}/"))
    }

    pub(super) fn blob(
        self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<String, Error> {
        Ok(format!("{}{partition}", self.folder(scope)?))
    }
}

/// The partition that a blob is of; `None` if it is somebody else's.
pub(super) fn partition_of(name: &str, folder: &str) -> Option<PartitionId> {
    let number = name.strip_prefix(folder)?;
    let partition = PartitionId::new(number.parse().ok()?);
    (partition.to_string() == number).then_some(partition)
}

/// Whether a part of a URL's path may read so: no slash, nothing to be escaped, and no
/// dot at the end, which the service drops.
fn check(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    if !name.is_empty() && !name.ends_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid_options(format!(
        "{name:?} is no name of a namespace, hub or consumer group that a blob can be named by"
    )))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "checkpoint",
            Self::Ownership => "ownership",
            Self::Generation => "generation",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_named_as_every_sdk_names_them() {
        let scope = ConsumerScope::new("NS.servicebus.windows.net", "EH1", "$Default");
        let partition = PartitionId::new(31);
        let names = [Kind::Checkpoint, Kind::Ownership, Kind::Generation];
        let names = names.map(|kind| kind.blob(&scope, partition).unwrap());
        assert_eq!(
            names,
            [
                "ns.servicebus.windows.net/eh1/$default/checkpoint/31",
                "ns.servicebus.windows.net/eh1/$default/ownership/31",
                "ns.servicebus.windows.net/eh1/$default/generation/31",
            ]
        );
    }

    #[test]
    fn a_partition_is_told_from_other_blobs() {
        let found = |name| partition_of(name, "a/ownership/").map(|found| found.to_string());
        assert_eq!(found("a/ownership/31").as_deref(), Some("31"));
        for other in [
            "a/ownership/",
            "a/ownership/x",
            "a/ownership/1/2",
            "a/ownership/01",
            "31",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
