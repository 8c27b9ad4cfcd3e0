//! Who may read a partition: the epoch rules, as a pure table.
//!
//! One table per (hub, consumer group, partition). Either one receiver with an epoch holds it, or
//! up to five without one share it:
//!
//! | active receivers | new receiver | result |
//! |---|---|---|
//! | none | any | accepted |
//! | epoch e1 | epoch e2 >= e1 (equal too) | the old one is displaced |
//! | epoch e1 | epoch e2 < e1 | refused |
//! | epoch | none | refused |
//! | 1 to 5 without | epoch | all of them are displaced |
//! | fewer than 5 without | none | accepted |
//! | 5 without | none | refused |

use crate::texts::{self, ServiceError};

/// How many receivers without an epoch may share a partition within one consumer group.
const MAX_NON_EPOCH_RECEIVERS: usize = 5;

/// One receiver link, unique within its emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkId(pub(crate) u64);

/// A receiver as it asks for its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) link: LinkId,
    pub(crate) epoch: Option<i64>,
    pub(crate) name: Option<String>,
}

/// The receivers of one partition in one consumer group.
#[derive(Debug, Default)]
pub(crate) struct OwnershipTable {
    receivers: Vec<Receiver>,
}

impl OwnershipTable {
    /// Gives `new` its place and returns the links it displaced, each with what to tell it.
    ///
    /// # Errors
    ///
    /// The refusal, when those already there forbid it; nothing has changed then.
    pub(crate) fn attach(
        &mut self,
        new: Receiver,
    ) -> Result<Vec<(LinkId, ServiceError)>, ServiceError> {
        let holder = self.receivers.first().and_then(|first| {
            let epoch = first.epoch?;
            Some((epoch, first.name.as_deref()))
        });
        let displaced = match (holder, new.epoch) {
            (Some((held, name)), Some(epoch)) if epoch < held => {
                return Err(texts::lower_epoch(name, held, new.name.as_deref(), epoch));
            }
            (Some((held, _)), None) => return Err(texts::non_epoch_refused(held)),
            (_, Some(epoch)) => self
                .receivers
                .drain(..)
                .map(|old| {
                    let (new, old_name) = (new.name.as_deref(), old.name.as_deref());
                    (old.link, texts::displaced(new, epoch, old_name, old.epoch))
                })
                .collect(),
            (None, None) if self.receivers.len() >= MAX_NON_EPOCH_RECEIVERS => {
                let name = |receiver| -> &str {
                    let receiver: &Receiver = receiver;
                    texts::receiver_name(receiver.name.as_deref())
                };
                let connected: Vec<_> = self.receivers.iter().map(name).collect();
                return Err(texts::too_many_receivers(&connected));
            }
            (None, None) => Vec::new(),
        };
        self.receivers.push(new);
        Ok(displaced)
    }

    /// Frees the place of `link`; `false` if it had none (any more).
    pub(crate) fn detach(&mut self, link: LinkId) -> bool {
        let before = self.receivers.len();
        self.receivers.retain(|receiver| receiver.link != link);
        self.receivers.len() < before
    }

    /// The receivers in order of arrival.
    pub(crate) fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::condition::{LINK_STOLEN, RESOURCE_LIMIT_EXCEEDED};

    fn receiver(link: u64, epoch: Option<i64>, name: Option<&str>) -> Receiver {
        Receiver {
            link: LinkId(link),
            epoch,
            name: name.map(str::to_owned),
        }
    }

    fn holding(receivers: &[Receiver]) -> OwnershipTable {
        let mut table = OwnershipTable::default();
        for receiver in receivers {
            assert_eq!(table.attach(receiver.clone()), Ok(vec![]));
        }
        table
    }

    fn stolen(text: &str) -> ServiceError {
        ServiceError {
            condition: LINK_STOLEN,
            text: text.into(),
        }
    }

    #[test]
    fn an_empty_partition_accepts_any_receiver() {
        for epoch in [None, Some(0), Some(7)] {
            let table = holding(&[receiver(1, epoch, None)]);
            assert_eq!(table.receivers(), [receiver(1, epoch, None)]);
        }
    }

    #[test]
    fn a_higher_epoch_displaces_the_holder() {
        let mut table = holding(&[receiver(1, Some(1), Some("old"))]);
        let displaced = table.attach(receiver(2, Some(5), Some("new"))).unwrap();
        let text = "New receiver 'new' with higher epoch of '5' is created hence current receiver 'old' with epoch '1' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.";
        assert_eq!(displaced, [(LinkId(1), stolen(text))]);
        assert_eq!(table.receivers(), [receiver(2, Some(5), Some("new"))]);
    }

    #[test]
    fn an_equal_epoch_displaces_the_holder_too() {
        let mut table = holding(&[receiver(1, Some(0), None)]);
        let displaced = table.attach(receiver(2, Some(0), None)).unwrap();
        let text = "New receiver 'nil' with higher epoch of '0' is created hence current receiver 'nil' with epoch '0' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.";
        assert_eq!(displaced, [(LinkId(1), stolen(text))]);
        assert_eq!(table.receivers(), [receiver(2, Some(0), None)]);
    }

    #[test]
    fn a_lower_epoch_is_refused_and_the_holder_stays() {
        let mut table = holding(&[receiver(1, Some(1), None)]);
        let refusal = table.attach(receiver(2, Some(0), None)).unwrap_err();
        let text = "Receiver 'nil' with a higher epoch '1' already exists. Receiver 'nil' with epoch 0 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.";
        assert_eq!(refusal, stolen(text));
        assert_eq!(table.receivers(), [receiver(1, Some(1), None)]);
    }

    #[test]
    fn a_receiver_without_epoch_is_refused_where_one_holds() {
        let mut table = holding(&[receiver(1, Some(0), None)]);
        let refusal = table.attach(receiver(2, None, None)).unwrap_err();
        let text = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";
        assert_eq!(refusal, stolen(text));
        assert_eq!(table.receivers(), [receiver(1, Some(0), None)]);
    }

    #[test]
    fn any_epoch_displaces_all_receivers_without_one() {
        for count in 1..=5 {
            let shared: Vec<_> = (0..count).map(|id| receiver(id, None, None)).collect();
            let mut table = holding(&shared);
            let displaced = table.attach(receiver(9, Some(0), Some("e"))).unwrap();
            let text = "New receiver 'e' with higher epoch of '0' is created hence current receiver 'nil' with epoch '0' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.";
            let all: Vec<_> = (0..count).map(|id| (LinkId(id), stolen(text))).collect();
            assert_eq!(displaced, all);
            assert_eq!(table.receivers(), [receiver(9, Some(0), Some("e"))]);
        }
    }

    #[test]
    fn five_receivers_without_epoch_share_and_the_sixth_is_refused() {
        let names = [Some("a"), Some("b"), None, Some("d"), Some("e")];
        let shared: Vec<_> = (1..)
            .zip(names)
            .map(|(id, n)| receiver(id, None, n))
            .collect();
        let mut table = holding(&shared);
        let refusal = ServiceError {
            condition: RESOURCE_LIMIT_EXCEEDED,
            text: "Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5. List of connected receivers - a, b, nil, d, e.".into(),
        };
        assert_eq!(table.attach(receiver(6, None, Some("f"))), Err(refusal));
        assert_eq!(table.receivers(), shared);
    }

    #[test]
    fn a_detached_receiver_frees_its_place_once() {
        let mut table = holding(&[receiver(1, Some(9), None)]);
        assert!(table.detach(LinkId(1)));
        assert!(!table.detach(LinkId(1)));
        assert_eq!(table.attach(receiver(2, None, None)), Ok(vec![]));
    }

    #[test]
    fn a_displaced_receivers_detach_does_not_touch_its_successor() {
        let mut table = holding(&[receiver(1, Some(0), None)]);
        table.attach(receiver(2, Some(0), None)).unwrap();
        assert!(!table.detach(LinkId(1)));
        assert_eq!(table.receivers(), [receiver(2, Some(0), None)]);
    }
}
