//! The HTTP request that turns a connection into a WebSocket, and the refusal of every other.

use super::websocket::{self, WebSocket};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{
    Request, Response, create_response, write_response,
};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Where the service takes WebSockets; a slash may follow.
const PATH: &str = "/$servicebus/websocket";
/// The subprotocols that mean AMQP.
const SUBPROTOCOLS: [&str; 2] = ["AMQPWSB10", "amqp"];
const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";
/// How long a request may be in bytes, all its headers included.
const MAX_REQUEST: usize = 16 * 1024;
/// How long a client that was refused may take to read why.
const FAREWELL_TIME_OUT: Duration = Duration::from_secs(2);

/// Why a request is refused. The texts are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Malformed,
    NotFound,
    NoUpgrade,
    NoSubprotocol,
    TooLong,
}

impl Refusal {
    /// The status line's end and further headers, and the text.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => ("400 Bad Request", "This is not a WebSocket handshake.\n"),
            Self::NotFound => (
                "404 Not Found",
                "WebSockets are served at /$servicebus/websocket/ only.\n",
            ),
            Self::NoUpgrade => (
                "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
                "This is served over WebSockets only.\n",
            ),
            Self::NoSubprotocol => (
                "400 Bad Request",
                "The subprotocol AMQPWSB10 or amqp must be offered.\n",
            ),
            Self::TooLong => (
                "431 Request Header Fields Too Large",
                "The request is too long.\n",
            ),
        }
    }

    fn response(self) -> String {
        let (status, text) = self.told();
        let connection = match self {
            Self::NoUpgrade => "Upgrade, close",
            _ => "close",
        };
        format!(
            "HTTP/1.1 {status}\r\nConnection: {connection}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
    }
}

/// Reads a request and answers it; the WebSocket, if it asked for one.
///
/// # Errors
///
/// If the client leaves or is refused.
pub(super) async fn upgrade<S>(mut stream: S) -> io::Result<WebSocket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut input = Vec::with_capacity(1024);
    let answer = loop {
        let room = MAX_REQUEST - input.len();
        if room == 0 {
            break Err(Refusal::TooLong);
        }
        if (&mut stream).take(room as u64).read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Request::try_parse(&input) {
            Ok(None) => {}
            Ok(Some((size, request))) => {
                input.drain(..size);
                break answer(&request);
            }
            Err(_) => break Err(Refusal::Malformed),
        }
    };
    match answer {
        Ok(response) => {
            let mut output = Vec::new();
            write_response(&mut output, &response).map_err(io::Error::other)?;
            stream.write_all(&output).await?;
            Ok(websocket::begin(stream, input).await)
        }
        Err(refusal) => {
            stream.write_all(refusal.response().as_bytes()).await?;
            stream.shutdown().await?;
            // Bytes left unread would make TCP throw away what we said; how this ends makes no difference.
            let mut rest = tokio::io::sink();
            let _ = timeout(FAREWELL_TIME_OUT, tokio::io::copy(&mut stream, &mut rest)).await;
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

fn answer(request: &Request) -> Result<Response, Refusal> {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    if !path.eq_ignore_ascii_case(PATH) {
        return Err(Refusal::NotFound);
    }
    let mut response = create_response(request).map_err(|error| match error {
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        ) => Refusal::NoUpgrade,
        _ => Refusal::Malformed,
    })?;
    let subprotocol = subprotocol(request).ok_or(Refusal::NoSubprotocol)?;
    response
        .headers_mut()
        .insert(SUBPROTOCOL, HeaderValue::from_static(subprotocol));
    Ok(response)
}

/// The first of the client's subprotocols that we speak.
fn subprotocol(request: &Request) -> Option<&'static str> {
    request
        .headers()
        .get_all(SUBPROTOCOL)
        .iter()
        .filter_map(|offered| offered.to_str().ok())
        .flat_map(|offered| offered.split(','))
        .find_map(|offered| {
            SUBPROTOCOLS
                .into_iter()
                .find(|ours| *ours == offered.trim())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(target: &str, headers: &str) -> Result<Response, Refusal> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let (_, request) = Request::try_parse(request.as_bytes()).unwrap().unwrap();
        answer(&request)
    }

    const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    #[test]
    fn the_first_subprotocol_that_is_ours_is_chosen() {
        for (offered, chosen) in [
            ("Sec-WebSocket-Protocol: AMQPWSB10\r\n", "AMQPWSB10"),
            ("Sec-WebSocket-Protocol: mqtt, amqp,AMQPWSB10\r\n", "amqp"),
            (
                "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Protocol: AMQPWSB10\r\n",
                "AMQPWSB10",
            ),
        ] {
            for path in ["/$servicebus/websocket", "/$ServiceBus/WebSocket/?x=1"] {
                let response = answered(path, &format!("{UPGRADE}{offered}")).unwrap();
                assert_eq!(response.status(), 101);
                assert_eq!(response.headers()[SUBPROTOCOL], chosen);
                // RFC 6455 gives this answer to this key.
                assert_eq!(
                    response.headers()["Sec-WebSocket-Accept"],
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                );
            }
        }
    }

    #[test]
    fn what_is_no_upgrade_is_refused_by_its_reason() {
        let subprotocol = "Sec-WebSocket-Protocol: amqp\r\n";
        let complete = format!("{UPGRADE}{subprotocol}");
        let path = "/$servicebus/websocket/";
        for (path, headers, refusal) in [
            ("/", complete.clone(), Refusal::NotFound),
            (
                "/$servicebus/websockets",
                complete.clone(),
                Refusal::NotFound,
            ),
            (path, String::new(), Refusal::NoUpgrade),
            (path, complete.replace("13", "8"), Refusal::NoUpgrade),
            (path, complete.replace("==", ""), Refusal::Malformed),
            (path, UPGRADE.to_owned(), Refusal::NoSubprotocol),
            (
                path,
                complete.replace("amqp", "mqtt"),
                Refusal::NoSubprotocol,
            ),
        ] {
            assert_eq!(answered(path, &headers).unwrap_err(), refusal, "{headers}");
        }
    }
}
