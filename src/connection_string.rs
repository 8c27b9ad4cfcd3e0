//! Connection strings, as the portal shows them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// What a connection string says: where to connect, and as whom.
///
/// ```text
/// Endpoint=sb://HOST[:PORT]/;SharedAccessKeyName=NAME;SharedAccessKey=KEY[;EntityPath=HUB]
/// Endpoint=sb://HOST[:PORT]/;SharedAccessSignature=TOKEN[;EntityPath=HUB]
/// ```
///
/// Keys are matched without regard to case, in any order; a value may hold `=`;
/// white space around keys and values, and a trailing `;`, do not count. Keys
/// that other clients use are ignored. `UseDevelopmentEmulator=true` turns TLS
/// off, which connections allow to this machine only. `Debug` shows no secret.
///
/// # Examples
/// ```
/// use eventhubs_flow::ConnectionString;
///
/// # fn main() -> Result<(), eventhubs_flow::Error> {
/// let parsed: ConnectionString = "Endpoint=sb://ns.servicebus.windows.net/;\
///     SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0;EntityPath=orders"
///     .parse()?;
/// assert_eq!(parsed.host(), "ns.servicebus.windows.net");
/// assert_eq!(parsed.entity_path(), Some("orders"));
/// assert!(!format!("{parsed:?}").contains("c2VjcmV0"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    host: String,
    port: Option<u16>,
    credential: Credential,
    entity_path: Option<String>,
    development: bool,
}

/// How a client proves its rights. It has no `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A key that tokens are signed with.
    Key { name: String, key: String },
    /// A token, ready to use.
    Signature(String),
}

impl ConnectionString {
    /// The host of the namespace; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where the endpoint names one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The event hub, where the string names one (`EntityPath`).
    #[must_use]
    pub fn entity_path(&self) -> Option<&str> {
        self.entity_path.as_deref()
    }

    /// Whether the string is for an emulator on this machine, without TLS.
    #[must_use]
    pub fn is_development_emulator(&self) -> bool {
        self.development
    }

    #[cfg(any(feature = "amqp", feature = "azeventhubs"))]
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }
}

impl FromStr for ConnectionString {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = Parts::split(text)?;
        let endpoint = parts.take("Endpoint").ok_or_else(|| {
            invalid(
                "Endpoint is missing: it reads Endpoint=sb://<namespace>.servicebus.windows.net/",
            )
        })?;
        let (host, port) = parse_endpoint(endpoint)?;
        let credential = parts.credential()?;
        let development = parts.development()?;
        Ok(Self {
            host,
            port,
            credential,
            entity_path: parts.take("EntityPath").map(str::to_owned),
            development,
        })
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credential = match &self.credential {
            Credential::Key { name, .. } => format!("key {name:?}"),
            Credential::Signature(_) => "signature".into(),
        };
        f.debug_struct("ConnectionString")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("credential", &credential)
            .field("entity_path", &self.entity_path)
            .field("development", &self.development)
            .finish()
    }
}

/// The known keys and their values.
#[derive(Default)]
struct Parts<'a>([Option<&'a str>; KEYS.len()]);

const KEYS: [&str; 6] = [
    "Endpoint",
    "SharedAccessKeyName",
    "SharedAccessKey",
    "SharedAccessSignature",
    "EntityPath",
    "UseDevelopmentEmulator",
];

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, Error> {
        let mut parts = Self::default();
        let sections = text.split(';').map(str::trim);
        // The text of a part may be a secret: errors name known keys or places.
        for (place, section) in (1..).zip(sections.filter(|section| !section.is_empty())) {
            let (key, value) = section.split_once('=').ok_or_else(|| {
                invalid(format!(
                    "part {place} is not of the form Key=Value: separate parts by ';'"
                ))
            })?;
            let (key, value) = (key.trim(), value.trim());
            let Some(index) = KEYS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(key))
            else {
                continue;
            };
            if value.is_empty() {
                return Err(invalid(format!(
                    "{} has no value: give one, or remove it",
                    KEYS[index]
                )));
            }
            if parts.0[index].replace(value).is_some() {
                return Err(invalid(format!(
                    "{} stands there twice: remove one",
                    KEYS[index]
                )));
            }
        }
        Ok(parts)
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let index = KEYS.iter().position(|known| *known == key)?;
        self.0[index].take()
    }

    fn credential(&mut self) -> Result<Credential, Error> {
        let name = self.take("SharedAccessKeyName").map(str::to_owned);
        let key = self.take("SharedAccessKey").map(str::to_owned);
        let signature = self.take("SharedAccessSignature").map(str::to_owned);
        match (name, key, signature) {
            (Some(name), Some(key), None) => Ok(Credential::Key { name, key }),
            (None, None, Some(token)) if token.starts_with("SharedAccessSignature ") => {
                Ok(Credential::Signature(token))
            }
            (None, None, Some(_)) => Err(invalid(
                "the value of SharedAccessSignature begins with 'SharedAccessSignature sr=': give the whole token",
            )),
            (_, _, Some(_)) => Err(invalid(
                "a key and a SharedAccessSignature contradict each other: remove one",
            )),
            (Some(_), None, None) => Err(invalid("SharedAccessKey is missing: add the key")),
            (None, Some(_), None) => Err(invalid(
                "SharedAccessKeyName is missing: add the name of the key",
            )),
            (None, None, None) => Err(invalid(
                "there are no credentials: add SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature",
            )),
        }
    }

    fn development(&mut self) -> Result<bool, Error> {
        match self.take("UseDevelopmentEmulator") {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(invalid("UseDevelopmentEmulator is neither true nor false")),
        }
    }
}

fn parse_endpoint(endpoint: &str) -> Result<(String, Option<u16>), Error> {
    let malformed =
        || invalid("Endpoint is malformed: it reads sb://<host>/ or sb://<host>:<port>/");
    let scheme = endpoint.get(..5).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("sb://") {
        return Err(malformed());
    }
    let authority = endpoint[5..].trim_end_matches('/');
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(malformed)?;
            let address: Result<std::net::Ipv6Addr, _> = host.parse();
            address.map_err(|_| malformed())?;
            match rest.strip_prefix(':') {
                None if rest.is_empty() => (host, None),
                Some(port) => (host, Some(port)),
                None => return Err(malformed()),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(plain) {
        return Err(malformed());
    }
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(port)) if port != 0 => Some(port),
        Some(_) => return Err(malformed()),
    };
    Ok((host.to_owned(), port))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::InvalidConnectionString,
        format!("invalid connection string: {}", message.into()),
    )
}
