//! Where a fault strikes, and where things happen.

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// The client sends events.
    Sender,
    /// The client receives events.
    Receiver,
    /// To or from the node that takes tokens.
    Cbs,
    /// To or from the node that tells about hubs.
    Management,
}

impl LinkKind {
    fn carries_events(self) -> bool {
        matches!(self, Self::Sender | Self::Receiver)
    }
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `None` at the nodes.
    pub(crate) hub: Option<Box<str>>,
    /// `None` at the gateway, where the hub chooses, and at the nodes.
    pub(crate) partition: Option<u32>,
    pub(crate) link: LinkKind,
}

/// Which places a fault concerns; what is not said is not asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(super) hub: Option<String>,
    pub(super) partition: Option<u32>,
    /// Nodes are concerned only where one is named.
    pub(super) link: Option<LinkKind>,
}

impl Scope {
    /// Whether nothing narrows it: connections without a link are concerned, too.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.hub.is_none() && self.partition.is_none() && self.link.is_none()
    }

    /// Whether it takes in a place.
    pub(crate) fn covers(&self, place: &Place) -> bool {
        let same_hub = |hub: &String| {
            let other = place.hub.as_deref();
            other.is_some_and(|other| other.eq_ignore_ascii_case(hub))
        };
        self.link
            .map_or(place.link.carries_events(), |link| link == place.link)
            && self.hub.as_ref().is_none_or(same_hub)
            && self
                .partition
                .is_none_or(|partition| place.partition == Some(partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(hub: &str, partition: Option<u32>, link: LinkKind) -> Place {
        Place {
            hub: Some(hub.into()),
            partition,
            link,
        }
    }

    #[test]
    fn each_narrowing_excludes_the_other_places() {
        let scope = |hub: Option<&str>, partition, link| Scope {
            hub: hub.map(str::to_owned),
            partition,
            link,
        };
        let here = place("eh1", Some(1), LinkKind::Sender);
        for (scope, covered) in [
            (scope(None, None, None), true),
            (scope(Some("EH1"), Some(1), Some(LinkKind::Sender)), true),
            (scope(Some("eh2"), None, None), false),
            (scope(None, Some(0), None), false),
            (scope(None, None, Some(LinkKind::Receiver)), false),
            (scope(None, None, Some(LinkKind::Cbs)), false),
        ] {
            assert_eq!(scope.covers(&here), covered, "{scope:?}");
        }
    }

    #[test]
    fn the_gateway_belongs_to_no_partition() {
        let scope = Scope {
            partition: Some(0),
            ..Scope::default()
        };
        assert!(!scope.covers(&place("eh1", None, LinkKind::Sender)));
    }

    #[test]
    fn nodes_are_concerned_only_where_they_are_named() {
        let cbs = Place {
            hub: None,
            partition: None,
            link: LinkKind::Cbs,
        };
        assert!(!Scope::default().covers(&cbs));
        let named = Scope {
            link: Some(LinkKind::Cbs),
            ..Scope::default()
        };
        assert!(named.covers(&cbs) && !named.is_everywhere());
    }
}
