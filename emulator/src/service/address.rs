//! Where a link leads: the address of its source or target, taken apart.

/// The node that takes tokens.
pub(crate) const CBS: &str = "$cbs";
/// The node that tells about hubs and partitions.
pub(crate) const MANAGEMENT: &str = "$management";

/// The longest address, in bytes: longer than those of the longest names.
const MAX_PATH: usize = 2048;

/// An address without scheme, host and outer slashes, its keywords recognised in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    Cbs,
    Management,
    /// `{hub}`: the hub chooses the partition.
    Gateway {
        hub: &'a str,
    },
    /// `{hub}/Partitions/{id}`.
    Partition {
        hub: &'a str,
        id: &'a str,
    },
    /// `{hub}/ConsumerGroups/{group}/Partitions/{id}`.
    Receiver {
        hub: &'a str,
        group: &'a str,
        id: &'a str,
    },
    Unknown,
}

/// The path of an address, which may be a URL (`amqps://host/path`) or begin with a slash.
pub(crate) fn path(address: &str) -> &str {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    path.trim_matches('/')
}

impl<'a> Address<'a> {
    /// Takes the [`path`] of an address apart.
    pub(crate) fn parse(path: &'a str) -> Self {
        if path.len() > MAX_PATH {
            return Self::Unknown;
        }
        let mut segments = path.split('/');
        let segments: [Option<&str>; 6] = std::array::from_fn(|_| segments.next());
        let is = |segment: &str, keyword: &str| segment.eq_ignore_ascii_case(keyword);
        match segments {
            [Some(node), None, ..] if is(node, CBS) => Self::Cbs,
            [Some(node), None, ..] if is(node, MANAGEMENT) => Self::Management,
            [Some(_), Some(node), None, ..] if is(node, MANAGEMENT) => Self::Management,
            [Some(hub), None, ..] if !hub.is_empty() => Self::Gateway { hub },
            [Some(hub), Some(p), Some(id), None, ..] if is(p, "Partitions") => {
                Self::Partition { hub, id }
            }
            [Some(hub), Some(c), Some(group), Some(p), Some(id), None]
                if is(c, "ConsumerGroups") && is(p, "Partitions") =>
            {
                Self::Receiver { hub, group, id }
            }
            _ => Self::Unknown,
        }
    }

    /// The hub it leads to; `None` for nodes.
    pub(crate) fn hub(&self) -> Option<&'a str> {
        match *self {
            Self::Gateway { hub } | Self::Partition { hub, .. } | Self::Receiver { hub, .. } => {
                Some(hub)
            }
            Self::Cbs | Self::Management | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_slashes_are_stripped() {
        for address in [
            "eh1/x",
            "/eh1/x",
            "amqps://host/eh1/x",
            "amqp://host:5672/eh1/x/",
            "sb://h//eh1/x",
        ] {
            assert_eq!(path(address), "eh1/x", "{address}");
        }
        assert_eq!(path("amqps://host"), "");
    }

    #[test]
    fn addresses_are_recognised_in_any_case() {
        for (text, expected) in [
            ("$cbs", Address::Cbs),
            ("$Management", Address::Management),
            ("eh1/$management", Address::Management),
            ("eh1", Address::Gateway { hub: "eh1" }),
            (
                "Eh1/partitions/07",
                Address::Partition {
                    hub: "Eh1",
                    id: "07",
                },
            ),
            (
                "e/CONSUMERGROUPS/$Default/Partitions/0",
                Address::Receiver {
                    hub: "e",
                    group: "$Default",
                    id: "0",
                },
            ),
            ("", Address::Unknown),
            ("eh1/Partitions", Address::Unknown),
            ("eh1/ConsumerGroups/g", Address::Unknown),
            ("e/ConsumerGroups/g/Partitions/0/x", Address::Unknown),
        ] {
            assert_eq!(Address::parse(text), expected, "{text}");
        }
        let long = format!("eh1/Partitions/{}1", "0".repeat(MAX_PATH));
        assert_eq!(Address::parse(&long), Address::Unknown);
    }
}
