//! Who reads a partition in a consumer group: the epoch rules, pure.

use crate::error::{EpochConflict, Error, ErrorKind, OwnershipLostReason};

/// Receivers without an owner level that may read a partition side by side.
const MOST_WITHOUT_LEVEL: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) id: u64,
    pub(super) level: Option<i64>,
    pub(super) name: Option<String>,
}

/// The receivers of one partition in one consumer group.
#[derive(Debug, Default)]
pub(super) struct Holders {
    receivers: Vec<Holder>,
}

impl Holders {
    /// Lets a receiver in and returns those that it displaces.
    pub(super) fn attach(&mut self, new: Holder) -> Result<Vec<Holder>, Error> {
        let owner = self.receivers.iter().find(|holder| holder.level.is_some());
        match (owner, new.level) {
            (Some(owner), level) if level < owner.level => Err(refused(owner, &new)),
            (None, None) if self.receivers.len() >= MOST_WITHOUT_LEVEL => Err(Error::new(
                ErrorKind::QuotaExceeded,
                format!("{MOST_WITHOUT_LEVEL} receivers already read the partition: close one"),
            )),
            (None, None) => {
                self.receivers.push(new);
                Ok(Vec::new())
            }
            _ => Ok(std::mem::replace(&mut self.receivers, vec![new])),
        }
    }

    pub(super) fn detach(&mut self, id: u64) {
        self.receivers.retain(|holder| holder.id != id);
    }

    pub(super) fn len(&self) -> usize {
        self.receivers.len()
    }

    /// Turns all of them out.
    pub(super) fn take(&mut self) -> Vec<Holder> {
        std::mem::take(&mut self.receivers)
    }
}

impl Holder {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("nil")
    }
}

// The service's own words: what is explained here is what is met there.

fn refused(owner: &Holder, new: &Holder) -> Error {
    let held = owner.level.unwrap_or_default();
    let (holder, text) = match new.level {
        Some(level) => (
            owner.name.clone(),
            format!(
                "Receiver '{}' with a higher epoch '{held}' already exists. Receiver '{}' with epoch {level} cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.",
                owner.name(),
                new.name(),
            ),
        ),
        // The text names nobody.
        None => (
            None,
            format!(
                "At least one receiver for the endpoint is created with epoch of '{held}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."
            ),
        ),
    };
    let conflict = EpochConflict {
        holder,
        holder_level: owner.level,
        own_level: new.level,
    };
    Error::new(ErrorKind::OwnershipRefused(conflict), text)
}

/// What `old` learns when `new` takes its place.
pub(super) fn displaced(old: &Holder, new: &Holder) -> Error {
    let conflict = EpochConflict {
        holder: new.name.clone(),
        holder_level: new.level,
        own_level: old.level,
    };
    let text = format!(
        "New receiver '{}' with higher epoch of '{}' is created hence current receiver '{}' with epoch '{}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.",
        new.name(),
        new.level.unwrap_or_default(),
        old.name(),
        old.level.unwrap_or_default(),
    );
    let lost = OwnershipLostReason::Stolen(conflict);
    Error::new(ErrorKind::OwnershipLost(lost), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: u64, level: Option<i64>) -> Holder {
        let name = None;
        Holder { id, level, name }
    }

    fn ids(displaced: Vec<Holder>) -> Vec<u64> {
        displaced.into_iter().map(|holder| holder.id).collect()
    }

    #[test]
    fn an_equal_or_higher_level_displaces_and_a_lower_one_is_refused() {
        let mut holders = Holders::default();
        assert_eq!(
            ids(holders.attach(holder(1, Some(3))).expect("free")),
            [0; 0]
        );
        assert_eq!(ids(holders.attach(holder(2, Some(3))).expect("equal")), [1]);
        assert_eq!(
            ids(holders.attach(holder(3, Some(4))).expect("higher")),
            [2]
        );
        assert!(holders.attach(holder(4, Some(3))).is_err());
        assert!(holders.attach(holder(5, None)).is_err());
        holders.detach(3);
        assert_eq!(ids(holders.attach(holder(6, None)).expect("free")), [0; 0]);
    }

    #[test]
    fn five_read_without_a_level_until_one_with_a_level_comes() {
        let mut holders = Holders::default();
        for id in 0..5 {
            assert_eq!(ids(holders.attach(holder(id, None)).expect("room")), [0; 0]);
        }
        let sixth = holders.attach(holder(5, None)).expect_err("sixth");
        assert_eq!(*sixth.kind(), ErrorKind::QuotaExceeded);
        let displaced = ids(holders.attach(holder(6, Some(0))).expect("displaces"));
        assert_eq!(displaced, [0, 1, 2, 3, 4]);
    }
}
