//! What can be seen of a client.

use crate::texts;
use std::net::SocketAddr;
use std::time::SystemTime;

/// More of a text that a client chose is not kept, in bytes: as much as the longest name in the service.
const MAX_TEXT: usize = 256;

/// A connection that is open. Texts of the client's choice are cut at 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its number within the emulator, from 1, in order of arrival.
    pub id: u64,
    /// Where the client connects from.
    pub peer: SocketAddr,
    /// What the client calls this connection.
    pub container_id: String,
    /// The name of the client's SDK, where it tells (`product` in its open).
    pub product: Option<String>,
    /// The version of the client's SDK, where it tells (`version`).
    pub version: Option<String>,
    /// How the client describes itself at length, where it does (`user-agent`).
    pub user_agent: Option<String>,
    /// When it was opened.
    pub opened_at: SystemTime,
    /// Its links, in the order in which they were attached.
    pub links: Vec<LinkInfo>,
}

/// A link that is attached. Texts of the client's choice are cut at 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// What the client does on it.
    pub role: LinkRole,
    /// What the client calls it.
    pub name: String,
    /// Where it leads, without scheme and host: `orders/ConsumerGroups/$Default/Partitions/0`, `$cbs`, ..
    pub address: String,
    /// The hub it leads to, as the hub is named; `None` for a node (`$cbs`, `$management`).
    pub hub: Option<String>,
    /// The partition it leads to; `None` where the hub chooses, and for a node.
    pub partition: Option<u32>,
    /// The consumer group it reads for, as the group is named; `None` unless it reads events.
    pub consumer_group: Option<String>,
    /// Its epoch (owner level), if it reads with one.
    pub epoch: Option<i64>,
    /// The name the receiver gave itself.
    pub receiver_name: Option<String>,
    /// Whether the client takes the offsets of a geo-replicated hub, which are no numbers (the desired capability
    /// `com.microsoft:georeplication`).
    pub geo_replication: bool,
    /// How many more messages its receiving side takes: of a receiver, what the client has granted and not yet got; of
    /// a sender, what the emulator grants.
    pub credit: u32,
    /// How many messages went over it; a batch is one.
    pub deliveries: u64,
}

/// What a client does on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkRole {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

/// What a client says of itself when it opens a connection.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) container_id: String,
    pub(crate) product: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) user_agent: Option<String>,
}

/// What of a link is known when it is attached, and stays.
#[derive(Debug)]
pub(crate) struct LinkDetails {
    pub(crate) role: LinkRole,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) partition: Option<u32>,
    pub(crate) consumer_group: Option<String>,
    pub(crate) epoch: Option<i64>,
    pub(crate) receiver_name: Option<String>,
    pub(crate) geo_replication: bool,
}

/// As much of a client's text as is kept.
pub(crate) fn cut(text: &str) -> String {
    texts::cut_to(text, MAX_TEXT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let long = "ä".repeat(200);
        assert_eq!(cut(&long), "ä".repeat(128));
        assert_eq!(cut(&format!("x{long}")).len(), 255);
        assert_eq!(cut("short"), "short");
    }
}
