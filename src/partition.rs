//! Partitions: their ids, the keys that choose one, and where an event goes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// The longest partition key the service takes, in characters.
pub const MAX_PARTITION_KEY_CHARS: usize = 128;

/// A partition of an event hub.
///
/// The service names partitions by decimal strings from `"0"`; a number costs
/// nothing to copy and indexes what is kept per partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u32);

impl PartitionId {
    /// The partition with this number, from 0.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The partition's number, from 0.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<u32> for PartitionId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PartitionId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        match id.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(Error::new(
                ErrorKind::InvalidPartition,
                format!("{id:?} is no partition id: ids are decimal numbers from 0"),
            )),
        }
    }
}

/// A key whose events all go to one partition, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey(Arc<str>);

impl PartitionKey {
    /// A partition key of at most 128 characters.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`] if the key is longer: the service refuses it.
    pub fn new(key: impl Into<Arc<str>>) -> Result<Self, Error> {
        let key = key.into();
        let chars = key.chars().count();
        if chars > MAX_PARTITION_KEY_CHARS {
            return Err(Error::invalid_options(format!(
                "a partition key of {chars} characters exceeds {MAX_PARTITION_KEY_CHARS}: shorten or hash it"
            )));
        }
        Ok(Self(key))
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that this key maps to among `count` partitions.
    ///
    /// The hash of the .NET, JavaScript and Java buffered producers (Jenkins
    /// lookup3, `PartitionResolver.cs` in azure-sdk-for-net). That the service
    /// places keyed events by the same rule is not documented by Microsoft.
    ///
    /// # Panics
    /// If `count` is 0.
    #[must_use]
    pub fn partition(&self, count: u32) -> PartitionId {
        assert!(count > 0, "a hub has at least one partition");
        let hash = i64::from(hash(self.0.as_bytes()));
        let index = (hash % i64::from(count)).unsigned_abs();
        PartitionId(u32::try_from(index).expect("less than count"))
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an event or a batch goes.
///
/// One type serves both: an event names its target when it is made, and a batch
/// takes the events that agree with its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Target {
    /// Any partition: the service (or a buffer) chooses.
    #[default]
    Any,
    /// One partition, by id.
    Partition(PartitionId),
    /// The partition that a key maps to.
    Key(PartitionKey),
}

impl Target {
    /// The partition key, if the target is one.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&PartitionKey> {
        match self {
            Self::Key(key) => Some(key),
            _ => None,
        }
    }
}

impl From<PartitionId> for Target {
    fn from(id: PartitionId) -> Self {
        Self::Partition(id)
    }
}

impl From<PartitionKey> for Target {
    fn from(key: PartitionKey) -> Self {
        Self::Key(key)
    }
}

/// Jenkins lookup3 (`hashlittle2`) with both seeds 0, folded to 16 bits.
fn hash(key: &[u8]) -> i16 {
    let seed = 0xDEAD_BEEF_u32.wrapping_add(key.len() as u32);
    let (mut a, mut b, mut c) = (seed, seed, seed);

    let mut rest = key;
    while rest.len() > 12 {
        let (block, tail) = rest.split_at(12);
        a = a.wrapping_add(word(&block[0..4]));
        b = b.wrapping_add(word(&block[4..8]));
        c = c.wrapping_add(word(&block[8..12]));
        (a, b, c) = mix(a, b, c);
        rest = tail;
    }
    // Only an empty key ends here with nothing left: it skips the final mix.
    if !rest.is_empty() {
        let mut block = [0; 12];
        block[..rest.len()].copy_from_slice(rest);
        a = a.wrapping_add(word(&block[0..4]));
        b = b.wrapping_add(word(&block[4..8]));
        c = c.wrapping_add(word(&block[8..12]));
        (b, c) = final_mix(a, b, c);
    }
    (c ^ b) as i16
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn final_mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32) {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    (b, c)
}
