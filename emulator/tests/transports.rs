//! The ways in: plain, TLS, WebSockets with and without it, IPv4 and IPv6, and what does not get in.

mod support;

use eventhubs_emulator::Emulator;
use fe2o3_amqp_ws::WebSocketStream as AmqpOverWebSocket;
use fe2o3_amqp_ws::native::TokioWebSocketStream;
use futures_util::{SinkExt, StreamExt};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use support::tls::{tcp, tls, with_tls};
use support::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error as WebSocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const URL: &str = "ws://localhost/$servicebus/websocket/";
const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

/// Its addresses for IPv4 and, where there is such a thing, IPv6.
fn both(address: SocketAddr) -> Vec<SocketAddr> {
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
    let has_v6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    [Some(address), has_v6.then_some(v6)]
        .into_iter()
        .flatten()
        .collect()
}

async fn amqp_over<S>(stream: S) -> AmqpOverWebSocket<TokioWebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    AmqpOverWebSocket::connect_with_stream(URL, stream)
        .await
        .unwrap()
}

/// A WebSocket and the subprotocol that was chosen.
async fn web_socket<S>(
    stream: S,
    subprotocols: &str,
) -> Result<(WebSocketStream<S>, String), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = URL.into_client_request().unwrap();
    request.headers_mut().insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_str(subprotocols).unwrap(),
    );
    let (stream, response) = client_async(request, stream).await?;
    let chosen = response.headers()["Sec-WebSocket-Protocol"].to_str();
    Ok((stream, chosen.unwrap().to_owned()))
}

/// Sends an event of a size that takes many frames, and receives it again.
async fn exchanges_large_messages(emulator: &Emulator, carrier: Box<dyn Carrier>) {
    let mut client = Client::over(carrier).await;
    client.authorize().await;
    let body = vec![b'x'; 900_000];
    let mut sender = client.sender("eh1/Partitions/0").await;
    let before = emulator.event_count("eh1");
    send(&mut sender, batch(None, [event(body.clone())])).await;
    assert_eq!(emulator.event_count("eh1"), before + 1);
    let options = ReceiverOptions::from_position(&format!(
        "amqp.annotation.x-opt-sequence-number >= '{before}'"
    ));
    let mut receiver = client.receiver(0, options).await;
    assert_eq!(next(&mut receiver).await.body.0.as_ref(), body);
    client.connection.close().await.unwrap();
}

#[tokio::test]
async fn every_port_takes_plain_tls_and_web_sockets_with_and_without_tls_over_both_versions_of_ip()
{
    let emulator = with_tls().await;
    let trusted = emulator.certificate_pem().unwrap();
    let tls_address = emulator.tls_address().unwrap();
    assert_ne!(emulator.address(), tls_address);
    for address in [both(emulator.address()), both(tls_address)].concat() {
        let secure = || async { tls(address, trusted).await.unwrap() };
        let carriers: [Box<dyn Carrier>; 4] = [
            Box::new(tcp(address).await),
            Box::new(secure().await),
            Box::new(amqp_over(tcp(address).await).await),
            Box::new(amqp_over(secure().await).await),
        ];
        for carrier in carriers {
            timeout(PATIENCE, exchanges_large_messages(&emulator, carrier))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn clients_that_have_closed_their_connection_are_not_kept_however_they_leave() {
    let emulator = with_tls().await;
    let trusted = emulator.certificate_pem().unwrap();
    let address = emulator.address();
    // Without the close_notify of TLS, without the close handshake of WebSockets.
    for in_web_socket in [false, true] {
        let carrier: Box<dyn Carrier> = if in_web_socket {
            Box::new(amqp_over(tcp(address).await).await)
        } else {
            Box::new(tls(address, trusted).await.unwrap())
        };
        let mut client = Client::over(carrier).await;
        client.connection.close().await.unwrap();
        drop(client);
        timeout(PATIENCE, async {
            while emulator.connection_count() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_subprotocol_chosen_is_the_first_known_and_is_told() {
    let emulator = Emulator::start().await.unwrap();
    for (offered, expected) in [
        ("AMQPWSB10", "AMQPWSB10"),
        ("amqp", "amqp"),
        ("mqtt, amqp, AMQPWSB10", "amqp"),
    ] {
        let (mut stream, chosen) = web_socket(tcp(emulator.address()).await, offered)
            .await
            .unwrap();
        assert_eq!(chosen, expected);
        stream
            .send(Message::Binary(Bytes::from_static(AMQP)))
            .await
            .unwrap();
        assert_eq!(read_bytes(&mut stream, 8).await, AMQP);
    }
}

/// The next bytes of at least one message.
async fn read_bytes<S>(stream: &mut WebSocketStream<S>, at_least: usize) -> Vec<u8>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    while bytes.len() < at_least {
        match timeout(PATIENCE, stream.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Binary(more) => bytes.extend(more),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

#[tokio::test]
async fn a_message_may_hold_any_part_of_the_bytes_and_be_fragmented() {
    let emulator = Emulator::start().await.unwrap();
    let (mut stream, _) = web_socket(tcp(emulator.address()).await, "amqp")
        .await
        .unwrap();
    for part in [&SASL[..3], &[], &SASL[3..7]] {
        let part = Bytes::copy_from_slice(part);
        stream.send(Message::Binary(part)).await.unwrap();
    }
    // The last byte of the header and a whole sasl-init for ANONYMOUS, in three fragments with a ping among them.
    let init =
        b"\x00\x00\x00\x1c\x02\x01\x00\x00\x00\x53\x41\xc0\x0f\x03\xa3\x09ANONYMOUS\xa0\x00\x40";
    let rest = [&SASL[7..], init].concat();
    let fragment = |part: &[u8], kind, last| {
        Message::Frame(Frame::message(
            Bytes::copy_from_slice(part),
            OpCode::Data(kind),
            last,
        ))
    };
    for message in [
        fragment(&rest[..2], Data::Binary, false),
        Message::Ping(Bytes::from_static(b"there?")),
        fragment(&rest[2..9], Data::Continue, false),
        fragment(&rest[9..], Data::Continue, true),
    ] {
        stream.send(message).await.unwrap();
    }
    let mut answered = Vec::new();
    let mut pong = false;
    // The header, the mechanisms, and an outcome whose code is 0, ok.
    while !answered.ends_with(b"\x50\x00\x40") {
        match timeout(PATIENCE, stream.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Binary(more) => answered.extend(more),
            Message::Pong(echo) => pong = echo == "there?",
            other => panic!("{other:?}"),
        }
    }
    assert!(answered.starts_with(SASL));
    assert!(pong, "a ping is answered");
}

/// The code with which it is closed.
async fn close_code<S>(stream: &mut WebSocketStream<S>) -> CloseCode
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match timeout(PATIENCE, stream.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => frame.code,
        other => panic!("a close was expected: {other:?}"),
    }
}

#[tokio::test]
async fn text_and_messages_too_large_close_the_web_socket_by_their_codes() {
    let emulator = Emulator::start().await.unwrap();
    let text = Message::text("AMQP");
    let large = Message::binary(vec![0; (1 << 20) + 1]);
    for (message, code) in [(text, CloseCode::Unsupported), (large, CloseCode::Size)] {
        let (mut stream, _) = web_socket(tcp(emulator.address()).await, "amqp")
            .await
            .unwrap();
        // It may be refused before it is sent in full.
        let _ = stream.send(message).await;
        assert_eq!(close_code(&mut stream).await, code);
    }
}

#[tokio::test]
async fn a_web_socket_is_closed_by_handshake_after_the_connection_in_it() {
    let emulator = Emulator::start().await.unwrap();
    let (mut stream, _) = web_socket(tcp(emulator.address()).await, "amqp")
        .await
        .unwrap();
    stream
        .send(Message::Binary(Bytes::from_static(AMQP)))
        .await
        .unwrap();
    assert_eq!(read_bytes(&mut stream, 8).await, AMQP);
    // A frame too short to be one.
    stream
        .send(Message::Binary(Bytes::from_static(b"\0\0\0\x03\x02\0\0\0")))
        .await
        .unwrap();
    let close = read_bytes(&mut stream, 1).await;
    let told = String::from_utf8_lossy(&close);
    assert!(told.contains("amqp:connection:framing-error"), "{told}");
    let closed = timeout(PATIENCE, stream.next()).await.unwrap();
    assert!(matches!(closed, Some(Ok(Message::Close(_)))), "{closed:?}");
    // The client's answer ends it.
    assert!(stream.next().await.is_none());
}

/// Sends a request, and the whole answer.
async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = tcp(address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn http_that_is_no_upgrade_gets_a_short_answer_in_http() {
    let emulator = Emulator::start().await.unwrap();
    let long = "x".repeat(20_000);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (
            "GET /$servicebus/websocket/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "426 Upgrade Required",
        ),
        ("GET nonsense\r\n\r\n", "400 Bad Request"),
        (
            &format!("GET /{long} HTTP/1.1\r\n\r\n"),
            "431 Request Header Fields Too Large",
        ),
    ] {
        let answer = http(emulator.address(), request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length) && !body.is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn a_subprotocol_that_is_not_known_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    match web_socket(tcp(emulator.address()).await, "mqtt").await {
        Err(WebSocketError::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
}

/// The clock stands still but for time-outs, which are due as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_get_on_is_left_after_its_time() {
    let emulator = with_tls().await;
    for beginning in [&b""[..], b"GET /$service", b"\x16\x03"] {
        let began = Instant::now();
        let mut stream = tcp(emulator.address()).await;
        stream.write_all(beginning).await.unwrap();
        let mut answer = Vec::new();
        // Bytes that were never read make the end a reset.
        let read = stream.read_to_end(&mut answer);
        let _ = timeout(Duration::from_secs(60), read).await.unwrap();
        assert!(answer.is_empty());
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(30), "{beginning:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_on_their_way_in() {
    let emulator = with_tls().await;
    let mut streams = Vec::new();
    for beginning in [&b""[..], b"GET /", b"\x16\x03"] {
        let mut stream = tcp(emulator.address()).await;
        stream.write_all(beginning).await.unwrap();
        streams.push(stream);
    }
    while emulator.connection_count() < streams.len() {
        tokio::task::yield_now().await;
    }
    timeout(PATIENCE, emulator.stop()).await.unwrap();
}
