//! Where a connection goes, and what protects it.

use crate::error::Error;
use crate::hub::EventHubOptions;
use crate::tls::is_loopback;

/// The service as it is named by who wants to connect.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) tls: bool,
}

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Whom we speak to: the name that TLS proves and tokens are made out to.
    pub(super) host: String,
    /// Where TCP goes.
    pub(super) address: (String, u16),
    pub(super) tls: bool,
    pub(super) web_socket: bool,
}

impl Endpoint {
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if bytes
    /// would leave this machine in the clear, or an address is malformed.
    pub(super) fn new(server: Server, options: &EventHubOptions) -> Result<Self, Error> {
        let Server { host, port, tls } = server;
        let web_socket = options.web_sockets;
        let usual = match (tls, web_socket) {
            (true, false) => 5671,
            (true, true) => 443,
            (false, _) => 5672,
        };
        let address = match &options.custom_endpoint {
            None => (host.clone(), port.unwrap_or(usual)),
            Some(custom) => {
                let (host, own) = split(custom)?;
                (host, own.or(port).unwrap_or(usual))
            }
        };
        if !tls {
            check_plaintext(&address.0, options.plaintext_to.as_deref())?;
        }
        Ok(Self {
            host,
            address,
            tls,
            web_socket,
        })
    }

    /// The address of the WebSocket.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let port = self.address.1;
        format!("{scheme}://{host}:{port}/$servicebus/websocket/")
    }
}

/// `HOST[:PORT]`, an IPv6 address in brackets.
fn split(endpoint: &str) -> Result<(String, Option<u16>), Error> {
    let malformed = || {
        Error::invalid_options(format!(
            "{endpoint:?} is no endpoint: it reads HOST or HOST:PORT, an IPv6 address in brackets"
        ))
    };
    let (host, port) = match endpoint.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(malformed)?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or_else(malformed)?),
            };
            (host, port)
        }
        None => match endpoint.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (endpoint, None),
        },
    };
    let named = !host.is_empty() && !host.contains(['/', '@', ' ']);
    let port = port.map(str::parse).transpose();
    match port {
        Ok(port) if named && port != Some(0) => Ok((host.to_owned(), port)),
        _ => Err(malformed()),
    }
}

fn check_plaintext(host: &str, allowed: Option<&str>) -> Result<(), Error> {
    if is_loopback(host) || allowed.is_some_and(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Error::invalid_options(format!(
        "UseDevelopmentEmulator=true turns TLS off and is for this machine only, not for {host}: \
         remove it, or allow that host with EventHubOptions::allow_plaintext_to"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection_string::ConnectionString;

    const KEY: &str = "SharedAccessKeyName=n;SharedAccessKey=k";

    fn endpoint(endpoint: &str, options: EventHubOptions) -> Result<Endpoint, Error> {
        let text = format!("Endpoint=sb://{endpoint};{KEY}");
        let settings: ConnectionString = text.parse()?;
        let server = Server {
            host: settings.host().to_owned(),
            port: settings.port(),
            tls: !settings.is_development_emulator(),
        };
        Endpoint::new(server, &options)
    }

    fn address(host: &str, port: u16) -> (String, u16) {
        (host.to_owned(), port)
    }

    #[test]
    fn the_port_follows_from_how_it_is_spoken() {
        let options = EventHubOptions::default;
        let tcp = endpoint("ns.example.net/", options()).unwrap();
        assert_eq!(
            (tcp.address, tcp.tls),
            (address("ns.example.net", 5671), true)
        );
        let web = endpoint("ns.example.net/", options().with_web_sockets()).unwrap();
        assert_eq!(web.url(), "wss://ns.example.net:443/$servicebus/websocket/");
        let own = endpoint("ns.example.net:7000/", options()).unwrap();
        assert_eq!(own.address.1, 7000);
        let plain = endpoint("localhost;UseDevelopmentEmulator=true", options()).unwrap();
        assert_eq!(
            (plain.address, plain.tls),
            (address("localhost", 5672), false)
        );
    }

    #[test]
    fn a_custom_endpoint_is_where_the_bytes_go_and_not_whom_they_are_for() {
        for (custom, expected) in [
            ("10.0.0.5", address("10.0.0.5", 5671)),
            ("gateway:8443", address("gateway", 8443)),
            ("[fd00::5]:8443", address("fd00::5", 8443)),
            ("[fd00::5]", address("fd00::5", 5671)),
        ] {
            let options = EventHubOptions::default().with_custom_endpoint(custom);
            let found = endpoint("ns.example.net/", options).unwrap();
            assert_eq!(
                (found.host.as_str(), found.address),
                ("ns.example.net", expected)
            );
        }
        for custom in [
            "", ":1", "h:", "h:0", "h:70000", "sb://h/", "[::1", "[::1]x",
        ] {
            let options = EventHubOptions::default().with_custom_endpoint(custom);
            assert!(endpoint("ns.example.net/", options).is_err(), "{custom:?}");
        }
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_a_host_is_named() {
        let emulator =
            |host: &str, options| endpoint(&format!("{host};UseDevelopmentEmulator=true"), options);
        for host in ["localhost", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(emulator(host, EventHubOptions::default()).is_ok(), "{host}");
        }
        let error = emulator("ns.example.net", EventHubOptions::default()).unwrap_err();
        assert!(error.to_string().contains("allow_plaintext_to"), "{error}");
        let allowing = EventHubOptions::default().allow_plaintext_to("emulator");
        assert!(emulator("Emulator:5672", allowing.clone()).is_ok());
        assert!(emulator("other", allowing).is_err());
        let astray = EventHubOptions::default().with_custom_endpoint("10.0.0.5");
        assert!(
            emulator("localhost", astray).is_err(),
            "where the bytes go counts"
        );
    }
}
