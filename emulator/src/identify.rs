//! Who listens on a port: what a program asks before it hosts an emulator there, or joins one.

use crate::wire::PRODUCT;
use crate::wire::probe::{self, Answer};
use crate::wire::value::Value;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an AMQP server may take to introduce itself.
const AMQP_TIME_OUT: Duration = Duration::from_secs(5);
/// How long a server that did not may take to answer HTTP.
const HTTP_TIME_OUT: Duration = Duration::from_secs(2);
/// A name is shown up to this many characters.
const NAME_CHARS: usize = 64;

/// Who listens on a port; see [`identify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// No one: the port is free.
    Nobody,
    /// An emulator of this crate.
    Emulator,
    /// Another program, called what it calls itself or can be taken for.
    Foreign(String),
}

impl fmt::Display for Identity {
    /// A noun that fits into a sentence, such as `RabbitMQ 4.0.5` or `an HTTP server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Emulator => "an eventhubs-emulator",
            Self::Foreign(name) => name,
        })
    }
}

/// Learns who listens on a port of this machine, IPv4 before IPv6; it takes seven seconds at most.
///
/// It begins an AMQP connection as nobody, reads how the server introduces itself, and leaves. A server that says
/// nothing is asked once more, in HTTP.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_emulator::StartError> {
/// use eventhubs_emulator::{Emulator, Identity, identify};
///
/// let emulator = Emulator::start().await?;
/// let port = emulator.address().port();
/// assert_eq!(identify(port).await, Identity::Emulator);
///
/// emulator.stop().await;
/// assert_eq!(identify(port).await, Identity::Nobody);
/// # Ok(())
/// # }
/// ```
pub async fn identify(port: u16) -> Identity {
    let Some(stream) = connect(port).await else {
        return Identity::Nobody;
    };
    let silent = match timeout(AMQP_TIME_OUT, probe::ask(stream)).await {
        Ok(Ok(Answer::Amqp {
            mechanisms,
            properties,
        })) => return name_amqp(&mechanisms, properties.as_ref()),
        Ok(Ok(Answer::Foreign(first))) => match name_first_bytes(&first) {
            Some(name) => return Identity::Foreign(name.to_owned()),
            None => "a server that does not speak AMQP",
        },
        Ok(Err(_)) => "a server that does not speak AMQP",
        Err(_) => "a server that says nothing",
    };
    let name = match timeout(HTTP_TIME_OUT, speaks_http(port)).await {
        Ok(true) => HTTP,
        _ => silent,
    };
    Identity::Foreign(name.to_owned())
}

const HTTP: &str = "an HTTP server";

async fn connect(port: u16) -> Option<TcpStream> {
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in loopback {
        if let Ok(Ok(stream)) = timeout(AMQP_TIME_OUT, TcpStream::connect((address, port))).await {
            return Some(stream);
        }
    }
    None
}

/// Whether it answers a request with an HTTP status line; many web servers wait for a whole line before they say so.
async fn speaks_http(port: u16) -> bool {
    let Some(mut stream) = connect(port).await else {
        return false;
    };
    let mut first = [0; 5];
    stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await.is_ok()
        && stream.read_exact(&mut first).await.is_ok()
        && name_first_bytes(&first) == Some(HTTP)
}

fn name_amqp(mechanisms: &Value, properties: Option<&Value>) -> Identity {
    let property = |key| properties.and_then(|map| map.get(key)?.as_text());
    let name = match (property("product"), property("version")) {
        (Some(PRODUCT), _) => return Identity::Emulator,
        (Some(product), Some(version)) => shown(&format!("{product} {version}")),
        (Some(product), None) => shown(product),
        // It names no product; but only Microsoft has this way to sign in.
        (None, _) if mechanisms.has_symbol("MSSBCBS") => {
            "Microsoft's emulator of Event Hubs or Service Bus".to_owned()
        }
        (None, _) if mechanisms.has_symbol("AMQPLAIN") => "RabbitMQ".to_owned(),
        (None, _) => "an AMQP 1.0 server that does not say its name".to_owned(),
    };
    Identity::Foreign(name)
}

/// A name that came over the wire, fit for a terminal.
fn shown(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_control())
        .take(NAME_CHARS)
        .collect()
}

fn name_first_bytes(first: &[u8]) -> Option<&'static str> {
    const TLS_ALERT: u8 = 0x15;
    const TLS_MAJOR: u8 = 3;
    match first {
        [b'A', b'M', b'Q', b'P', 0, 0, 9, 1] => {
            Some("an AMQP 0-9-1 server, such as RabbitMQ before version 4")
        }
        [b'A', b'M', b'Q', b'P', ..] => Some("a server of another version of AMQP"),
        [b'H', b'T', b'T', b'P', b'/', ..] => Some(HTTP),
        [b'S', b'S', b'H', b'-', ..] => Some("an SSH server"),
        [TLS_ALERT, TLS_MAJOR, ..] => Some("a TLS server"),
        _ => None,
    }
}
