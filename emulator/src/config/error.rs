//! Why an emulator cannot be built.

/// The emulator cannot be built as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A namespace's name is too long, empty or holds other characters than letters, digits and hyphens, or they stand
    /// where they may not.
    #[error(
        "'{name}' cannot name a namespace: use 1 to 50 letters, digits and hyphens, a letter first and no hyphen last"
    )]
    NamespaceName {
        /// The name.
        name: String,
    },
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
    /// No partition, or more than the tier allows.
    #[error("the event hub '{hub}' cannot have {partitions} partitions: choose 1 to {limit}{}", other_tier(*.limit as usize, 1024))]
    Partitions {
        /// The hub.
        hub: String,
        /// The count asked for.
        partitions: u32,
        /// The most that the tier allows.
        limit: u32,
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
    /// More consumer groups in one hub than the tier allows, `$Default` among them.
    #[error("the event hub '{hub}' cannot have {groups} consumer groups with $Default: choose {limit} at most{}", other_tier(*.limit, 1000))]
    TooManyGroups {
        /// The hub.
        hub: String,
        /// How many it has.
        groups: usize,
        /// The most that the tier allows.
        limit: usize,
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
    /// An access key that allows nothing.
    #[error("the access key '{name}' allows nothing: give it Send, Listen or Manage")]
    KeyWithoutRights {
        /// The key's name.
        name: String,
    },
    /// An access key of a hub that is not there.
    #[error(
        "the access key '{name}' is for the event hub '{hub}', which there is not: add the hub, or leave it out"
    )]
    KeyOfNoHub {
        /// The key's name.
        name: String,
        /// The hub it is for.
        hub: String,
    },
    /// A message size limit outside 1 KiB to 100 MiB.
    #[error("{0} bytes is no usable message size limit: choose 1 KiB to 100 MiB")]
    MaxMessageSize(u64),
}

/// What else to do about a quota, where another tier would help.
fn other_tier(limit: usize, largest: usize) -> &'static str {
    if limit < largest {
        ", or another tier"
    } else {
        ""
    }
}
