//! What an emulator is made of: hubs, keys and limits.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The consumer group that every hub has.
pub(crate) const DEFAULT_GROUP: &str = "$Default";

pub(crate) const MAX_PARTITIONS: u32 = 1024;
const MAX_HUB_NAME: usize = 256;
const MAX_GROUP_NAME: usize = 50;
const MAX_GROUPS: usize = 1000;

/// One event hub: its name, partitions and consumer groups.
///
/// The consumer group `$Default` is always there. Names are case-insensitive, as in the service. Limits (1 to 1024
/// partitions, 256 characters of hub name, 50 of group name, 1000 groups) are checked when the emulator starts.
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

    fn validate(&self) -> Result<(), ConfigError> {
        let hub = || self.name.clone();
        if !is_entity_name(&self.name, MAX_HUB_NAME) {
            return Err(ConfigError::HubName { name: hub() });
        }
        if !(1..=MAX_PARTITIONS).contains(&self.partitions) {
            return Err(ConfigError::Partitions {
                hub: hub(),
                partitions: self.partitions,
            });
        }
        if self.consumer_groups.len() >= MAX_GROUPS {
            return Err(ConfigError::TooManyGroups { hub: hub() });
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

/// A shared access key of the namespace. `Debug` hides the key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey {
    pub(crate) name: String,
    pub(crate) key: String,
}

impl AccessKey {
    pub(crate) fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Everything that the namespace is built from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) hubs: Vec<HubConfig>,
    pub(crate) keys: Vec<AccessKey>,
    /// Bytes of events kept over all partitions of the namespace.
    pub(crate) retention_bytes: u64,
    /// Largest batch accepted, in bytes.
    pub(crate) max_message_size: u64,
    /// `None`: nothing is throttled.
    pub(crate) throughput_units: Option<NonZeroU32>,
    /// Whether each partition takes in a megabyte per second at most.
    pub(crate) partition_throttling: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: "emulatorNs1".into(),
            hubs: vec![HubConfig::new("eh1").with_consumer_group("cg1")],
            keys: vec![AccessKey::new("RootManageSharedAccessKey", "SAS_KEY_VALUE")],
            retention_bytes: 1 << 30,
            max_message_size: 1 << 20,
            throughput_units: None,
            partition_throttling: false,
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
        let mut seen = HashSet::new();
        for hub in &self.hubs {
            hub.validate()?;
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
        }
        // Far below it not even one frame would fit; a message is held in memory whole.
        if !(1024..=100 << 20).contains(&self.max_message_size) {
            return Err(ConfigError::MaxMessageSize(self.max_message_size));
        }
        Ok(())
    }
}

/// The emulator cannot be built as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A hub's name is empty, too long or holds other characters than letters, digits, `.`, `-`, `_`.
    #[error(
        "'{name}' cannot name an event hub: use 1 to 256 letters, digits, periods, hyphens or underscores"
    )]
    HubName {
        /// The name.
        name: String,
    },
    /// Two hubs have the same name (case does not count).
    #[error("the event hub '{name}' is given twice")]
    DuplicateHub {
        /// The name.
        name: String,
    },
    /// A partition count outside 1 to 1024.
    #[error("the event hub '{hub}' cannot have {partitions} partitions: choose 1 to 1024")]
    Partitions {
        /// The hub.
        hub: String,
        /// The count asked for.
        partitions: u32,
    },
    /// A consumer group's name is empty, too long or holds other characters than letters, digits, `.`, `-`, `_`.
    #[error(
        "'{name}' cannot name a consumer group of '{hub}': use 1 to 50 letters, digits, periods, hyphens or underscores"
    )]
    GroupName {
        /// The hub.
        hub: String,
        /// The name.
        name: String,
    },
    /// Two consumer groups of one hub have the same name (case does not count).
    #[error("the consumer group '{name}' of '{hub}' is given twice")]
    DuplicateGroup {
        /// The hub.
        hub: String,
        /// The name.
        name: String,
    },
    /// More than 1000 consumer groups in one hub.
    #[error("the event hub '{hub}' has more than 1000 consumer groups")]
    TooManyGroups {
        /// The hub.
        hub: String,
    },
    /// No event hub at all.
    #[error("a namespace needs at least one event hub")]
    NoHub,
    /// No access key at all.
    #[error("a namespace needs at least one access key")]
    NoKey,
    /// An access key that no connection string can carry.
    #[error(
        "the access key '{name}' is unusable: neither name nor key may be empty or hold a semicolon"
    )]
    Key {
        /// The key's name.
        name: String,
    },
    /// A message size limit outside 1 KiB to 100 MiB.
    #[error("{0} bytes is no usable message size limit: choose 1 KiB to 100 MiB")]
    MaxMessageSize(u64),
}

fn is_entity_name(name: &str, max: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=max).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_hub(hub: HubConfig) -> Result<(), ConfigError> {
        Config {
            hubs: vec![hub],
            ..Config::default()
        }
        .validate()
    }

    #[test]
    fn the_default_is_the_official_emulators_namespace_with_four_partitions() {
        let config = Config::default();
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.namespace, "emulatorNs1");
        assert_eq!(config.hubs[0].name(), "eh1");
        assert_eq!(config.hubs[0].partitions(), 4);
        assert!(config.hubs[0].consumer_groups().eq(["$Default", "cg1"]));
        assert_eq!(
            config.keys,
            [AccessKey::new("RootManageSharedAccessKey", "SAS_KEY_VALUE")]
        );
        assert_eq!(config.retention_bytes, 1_073_741_824);
        assert_eq!(config.max_message_size, 1_048_576);
    }

    #[test]
    fn the_default_group_is_implicit_and_never_doubled() {
        let hub = HubConfig::new("a").with_consumer_group("$default");
        assert!(hub.consumer_groups().eq(["$Default"]));
        assert_eq!(with_hub(hub), Ok(()));
    }

    #[test]
    fn partitions_from_1_to_1024_are_accepted_and_no_others() {
        for (partitions, ok) in [(0, false), (1, true), (1024, true), (1025, false)] {
            let result = with_hub(HubConfig::new("a").with_partitions(partitions));
            assert_eq!(result.is_ok(), ok, "{partitions}");
        }
    }

    #[test]
    fn names_that_an_address_or_the_service_cannot_hold_are_refused() {
        let long = |n: usize| "x".repeat(n);
        for (name, ok) in [
            ("eh-1_a.b", true),
            (&long(256), true),
            (&long(257), false),
            ("", false),
            ("a/b", false),
            ("$cbs", false),
            ("a b", false),
            ("ä", false),
        ] {
            assert_eq!(with_hub(HubConfig::new(name)).is_ok(), ok, "{name}");
        }
        for (group, ok) in [(&long(50), true), (&long(51), false), (&"$x".into(), false)] {
            let hub = HubConfig::new("a").with_consumer_group(group.as_str());
            assert_eq!(with_hub(hub).is_ok(), ok, "{group}");
        }
    }

    #[test]
    fn duplicates_are_found_whatever_their_case() {
        let mut config = Config::default();
        config.hubs.push(HubConfig::new("EH1"));
        let duplicate = ConfigError::DuplicateHub { name: "EH1".into() };
        assert_eq!(config.validate(), Err(duplicate));
        let hub = HubConfig::new("a")
            .with_consumer_group("g")
            .with_consumer_group("G");
        assert!(matches!(
            with_hub(hub),
            Err(ConfigError::DuplicateGroup { .. })
        ));
    }

    #[test]
    fn a_hub_is_read_from_text() {
        assert_eq!("a".parse(), Ok(HubConfig::new("a")));
        assert_eq!("a:8".parse(), Ok(HubConfig::new("a").with_partitions(8)));
        let hub = HubConfig::new("a")
            .with_partitions(2)
            .with_consumer_group("g")
            .with_consumer_group("h");
        assert_eq!("a:2:g, h".parse(), Ok(hub));
        let error = "a:many".parse::<HubConfig>().unwrap_err();
        assert!(error.to_string().starts_with("'many' is not a number"));
    }

    #[test]
    fn debug_hides_the_key() {
        let shown = format!("{:?}", Config::default());
        assert!(shown.contains("RootManageSharedAccessKey"));
        assert!(!shown.contains("SAS_KEY_VALUE"));
    }
}
