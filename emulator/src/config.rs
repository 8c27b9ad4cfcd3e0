//! What an emulator is made of: hubs, keys and limits.

mod error;

pub use error::ConfigError;

use std::collections::HashSet;
use std::str::FromStr;

use crate::access_key::AccessKey;
use crate::tier::{Quotas, Tier};

/// The consumer group that every hub has.
pub(crate) const DEFAULT_GROUP: &str = "$Default";

const MAX_HUB_NAME: usize = 256;
const MAX_GROUP_NAME: usize = 50;
const MAX_NAMESPACE_NAME: usize = 50;

/// One event hub: its name, partitions and consumer groups.
///
/// The consumer group `$Default` is always there. Names are case-insensitive, as in the service. Limits (256 characters
/// of hub name, 50 of group name; 1 to 1024 partitions and 1000 groups, or what a [`Tier`] allows) are checked when the
/// emulator starts.
///
/// Parses from `NAME[:PARTITIONS[:GROUP,GROUP..]]`.
///
/// # Examples
///
/// ```
/// use eventhubs_emulator::HubConfig;
///
/// let hub = HubConfig::new("orders").with_partitions(8).with_consumer_group("billing");
/// assert_eq!("orders:8:billing".parse(), Ok(hub));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    name: String,
    partitions: u32,
    consumer_groups: Vec<String>,
}

impl HubConfig {
    /// A hub with 4 partitions and the consumer group `$Default`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: 4,
            consumer_groups: Vec::new(),
        }
    }

    /// The number of partitions, 1 to 1024. Defaults to 4.
    #[must_use]
    pub fn with_partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Adds a consumer group beside `$Default`.
    #[must_use]
    pub fn with_consumer_group(mut self, name: impl Into<String>) -> Self {
        self.consumer_groups.push(name.into());
        self
    }

    /// The hub's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of partitions.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// All consumer groups, `$Default` first.
    pub fn consumer_groups(&self) -> impl Iterator<Item = &str> {
        let added = self.consumer_groups.iter().map(String::as_str);
        std::iter::once(DEFAULT_GROUP)
            .chain(added.filter(|name| !name.eq_ignore_ascii_case(DEFAULT_GROUP)))
    }

    /// Checks names, and counts against the largest that the service takes.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_for(None)
    }

    fn validate_for(&self, tier: Option<Tier>) -> Result<(), ConfigError> {
        let quotas = Quotas::of(tier);
        let hub = || self.name.clone();
        if !is_entity_name(&self.name, MAX_HUB_NAME) {
            return Err(ConfigError::HubName { name: hub() });
        }
        if !(1..=quotas.partitions).contains(&self.partitions) {
            return Err(ConfigError::Partitions {
                hub: hub(),
                partitions: self.partitions,
                limit: quotas.partitions,
            });
        }
        let groups = self.consumer_groups().count();
        if groups > quotas.consumer_groups {
            return Err(ConfigError::TooManyGroups {
                hub: hub(),
                groups,
                limit: quotas.consumer_groups,
            });
        }
        let mut seen = HashSet::new();
        for group in self.consumer_groups() {
            if group != DEFAULT_GROUP && !is_entity_name(group, MAX_GROUP_NAME) {
                return Err(ConfigError::GroupName {
                    hub: hub(),
                    name: group.to_owned(),
                });
            }
            if !seen.insert(group.to_ascii_lowercase()) {
                return Err(ConfigError::DuplicateGroup {
                    hub: hub(),
                    name: group.to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl FromStr for HubConfig {
    type Err = ParseHubError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        let mut hub = Self::new(parts.next().unwrap_or_default());
        if let Some(partitions) = parts.next() {
            hub.partitions = partitions
                .parse()
                .map_err(|_| ParseHubError(partitions.to_owned()))?;
        }
        let groups = parts.next().into_iter().flat_map(|list| list.split(','));
        hub.consumer_groups
            .extend(groups.map(|group| group.trim().to_owned()));
        Ok(hub)
    }
}

/// A hub given as text has a partition count that is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a number of partitions: a hub is written NAME[:PARTITIONS[:GROUP,GROUP..]], as in orders:8:cg1,cg2"
)]
pub struct ParseHubError(String);

/// Everything that the namespace is built from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) hubs: Vec<HubConfig>,
    pub(crate) keys: Vec<AccessKey>,
    /// Bytes of events kept over all partitions of the namespace.
    pub(crate) retention_bytes: u64,
    pub(crate) tier: Option<Tier>,
    /// Whether JSON web tokens are taken.
    pub(crate) accept_jwts: bool,
    /// Largest batch accepted, in bytes.
    pub(crate) max_message_size: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: "emulatorNs1".into(),
            hubs: vec![HubConfig::new("eh1").with_consumer_group("cg1")],
            keys: vec![AccessKey::new("RootManageSharedAccessKey", "SAS_KEY_VALUE")],
            retention_bytes: 1 << 30,
            tier: None,
            accept_jwts: false,
            max_message_size: Quotas::of(None).message_size,
        }
    }
}

impl Config {
    /// Checks names, counts and limits.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, saying where.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !is_namespace_name(&self.namespace) {
            return Err(ConfigError::NamespaceName {
                name: self.namespace.clone(),
            });
        }
        let mut seen = HashSet::new();
        for hub in &self.hubs {
            hub.validate_for(self.tier)?;
            if !seen.insert(hub.name.to_ascii_lowercase()) {
                return Err(ConfigError::DuplicateHub {
                    name: hub.name.clone(),
                });
            }
        }
        if self.hubs.is_empty() {
            return Err(ConfigError::NoHub);
        }
        if self.keys.is_empty() {
            return Err(ConfigError::NoKey);
        }
        for key in &self.keys {
            // They end up in a connection string, which is split at semicolons.
            let unusable = |text: &str| text.is_empty() || text.contains(';');
            if unusable(&key.name) || unusable(&key.key) {
                return Err(ConfigError::Key {
                    name: key.name.clone(),
                });
            }
            if key.rights.is_empty() {
                return Err(ConfigError::KeyWithoutRights {
                    name: key.name.clone(),
                });
            }
            if let Some(hub) = &key.hub
                && !seen.contains(&hub.to_ascii_lowercase())
            {
                return Err(ConfigError::KeyOfNoHub {
                    name: key.name.clone(),
                    hub: hub.clone(),
                });
            }
        }
        // Far below it not even one frame would fit; a message is held in memory whole.
        if !(1024..=100 << 20).contains(&self.max_message_size) {
            return Err(ConfigError::MaxMessageSize(self.max_message_size));
        }
        Ok(())
    }
}

/// The service asks for at least 6 characters, the emulator does not.
fn is_namespace_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.len() <= MAX_NAMESPACE_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('-')
        && name.bytes().all(allowed)
}

fn is_entity_name(name: &str, max: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=max).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
