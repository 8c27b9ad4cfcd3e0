//! A client that writes and reads frames, over a pipe in memory.

use crate::clock::Clock;
use crate::config::Config;
use crate::namespace::Namespace;
use crate::partition_log::{EventAnnotations, NewEvent};
use crate::service::Broker;
use crate::wire::IdleTimeOuts;
use crate::wire::connection::serve;
use crate::wire::decode::Decoder;
use crate::wire::encode;
use crate::wire::frame::{self, Frame, FrameKind};
use crate::wire::io::{Broken, Io};
use crate::wire::performative::{Attach, Begin, Detach, Flow, Open, Performative, Role, Transfer};
use crate::wire::sasl;
use crate::wire::value::Value;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::Instant;

/// Where the pipe would come from.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
pub(super) const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

/// When every test begins.
pub(super) const UNIX_SECONDS: i64 = 1_700_000_000;

pub(super) struct Peer {
    pub(super) io: Io<DuplexStream>,
    pub(super) broker: Arc<Broker>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) server: tokio::task::JoinHandle<()>,
    /// No frame may be larger.
    max_frame_size: u32,
}

impl Peer {
    /// A connection of which nothing has been said yet.
    pub(super) fn connect(config: &Config) -> Self {
        let broker = Broker {
            namespace: Namespace::new(config),
            acknowledgement_delay: Duration::ZERO,
            idle: IdleTimeOuts::default(),
            clock: Clock::Tokio {
                start: Instant::now(),
                unix_millis: UNIX_SECONDS * 1000,
            },
            faults: Arc::default(),
        };
        let broker = Arc::new(broker);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(theirs, ADDRESS, Arc::clone(&broker), stopped));
        Self {
            io: Io::new(ours),
            broker,
            stop,
            server,
            max_frame_size: u32::MAX,
        }
    }

    /// A connection that has signed in, opened and begun a session on channel 0.
    pub(super) async fn ready() -> Self {
        let mut peer = Self::connect(&Config::default());
        peer.open(&open()).await;
        peer.begin(0, 1000).await;
        peer
    }

    /// A client with links to and from `$cbs`, at handles 0 and 1, which has proved nothing yet.
    pub(super) async fn stranger() -> Self {
        let mut peer = Self::connect(&Config {
            accept_jwts: true,
            ..Config::default()
        });
        peer.io.output.put_slice(AMQP);
        peer.send(0, &Performative::Open(open()));
        peer.io.header().await.unwrap();
        peer.frame().await; // open
        peer.begin(0, 1000).await;
        peer.attach(attach(Role::Sender, "$cbs")).await;
        peer.flow().await;
        peer.attach(Attach {
            handle: 1,
            ..attach(Role::Receiver, "$cbs")
        })
        .await;
        peer
    }

    /// Puts a token for `eh1` that expires so many seconds after the start.
    pub(super) async fn put_token(&mut self, delivery_id: u32, expiry: i64) {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = format!(
            r#"{{"aud":"https://eventhubs.azure.net","exp":{}}}"#,
            UNIX_SECONDS + expiry
        );
        let token = format!("{}.{}.c2ln", encode(r#"{"alg":"x"}"#), encode(&claims));
        let mut request = BytesMut::new();
        encode::descriptor(&mut request, 0x74);
        let property = |name, text| (Value::string(name), Value::string(text));
        Value::Map(vec![
            property("operation", "put-token"),
            property("type", "jwt"),
            property("name", "sb://localhost/eh1"),
        ])
        .encode(&mut request);
        encode::descriptor(&mut request, 0x77);
        Value::string(&token).encode(&mut request);
        self.transfer(delivery_id, &request, request.len());
        let frame = self.frame().await;
        let answered = read(&frame).0;
        assert!(
            matches!(answered, Performative::Disposition(_)),
            "{answered:?}"
        );
    }

    /// Signs in with the key, and opens.
    pub(super) async fn open(&mut self, open: &Open) -> Open {
        self.io.output.put_slice(&sasl::HEADER);
        frame::write(&mut self.io.output, FrameKind::Sasl, 0, |out| {
            encode::descriptor(out, 0x41);
            encode::list(out, 2, |out| {
                encode::symbol(out, "PLAIN");
                encode::binary(out, b"\0RootManageSharedAccessKey\0SAS_KEY_VALUE");
            });
        });
        assert_eq!(self.io.header().await.unwrap(), sasl::HEADER);
        for _ in 0..2 {
            assert_eq!(self.io.frame().await.unwrap().kind, FrameKind::Sasl); // mechanisms, outcome
        }
        self.io.output.put_slice(AMQP);
        self.send(0, &Performative::Open(open.clone()));
        self.max_frame_size = open.max_frame_size;
        assert_eq!(self.io.header().await.unwrap(), AMQP);
        match read(&self.frame().await) {
            (Performative::Open(open), _) => open,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn begin(&mut self, channel: u16, incoming_window: u32) {
        self.send(channel, &begin(incoming_window));
        let frame = self.frame().await;
        assert!(
            matches!(read(&frame).0, Performative::Begin(_)),
            "{frame:?}"
        );
    }

    pub(super) fn send(&mut self, channel: u16, performative: &Performative<'_>) {
        performative.write(&mut self.io.output, channel);
    }

    /// The next frame that is not a heartbeat.
    pub(super) async fn frame(&mut self) -> Frame {
        loop {
            let frame = self.io.frame().await.unwrap();
            let size = frame.body.len() + frame::HEADER_SIZE;
            assert!(size as u64 <= self.max_frame_size.into(), "{size} bytes");
            if !frame.body.is_empty() {
                return frame;
            }
        }
    }

    /// Attaches, and returns the answer.
    pub(super) async fn attach(&mut self, attach: Attach) -> Attach {
        self.send(0, &Performative::Attach(Box::new(attach)));
        match read(&self.frame().await).0 {
            Performative::Attach(attach) => *attach,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn flow(&mut self) -> Flow {
        match read(&self.frame().await).0 {
            Performative::Flow(flow) => flow,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message in frames of `part` bytes.
    pub(super) fn transfer(&mut self, delivery_id: u32, message: &[u8], part: usize) {
        let mut parts = message.chunks(part).peekable();
        while let Some(payload) = parts.next() {
            let transfer = Transfer {
                more: parts.peek().is_some(),
                ..transfer(delivery_id)
            };
            frame::write(&mut self.io.output, FrameKind::Amqp, 0, |out| {
                transfer.encode(out);
                out.put_slice(payload);
            });
        }
    }

    /// Condition and text of the error that the connection is closed with.
    pub(super) async fn closed(&mut self) -> (String, String) {
        loop {
            if let Performative::Close(error) = read(&self.frame().await).0 {
                let error = error.unwrap();
                return (error.condition.into_owned(), error.description);
            }
        }
    }

    /// Waits until the other side hangs up.
    pub(super) async fn hung_up(&mut self) {
        loop {
            match self.io.frame().await {
                Ok(_) => {}
                Err(Broken::Gone) => return,
                Err(broken) => panic!("{broken:?}"),
            }
        }
    }

    /// The closing detach with an error.
    pub(super) async fn detached(&mut self) -> (u32, String, String) {
        match read(&self.frame().await).0 {
            Performative::Detach(Detach {
                handle,
                closed: true,
                error: Some(error),
            }) => (handle, error.condition.into_owned(), error.description),
            other => panic!("{other:?}"),
        }
    }
}

/// A frame's performative and payload.
pub(super) fn read(frame: &Frame) -> (Performative<'_>, Bytes) {
    let mut decoder = Decoder::new(&frame.body);
    let performative = Performative::decode(&mut decoder).unwrap();
    (performative, frame.body.slice_ref(decoder.rest()))
}

pub(super) fn open() -> Open {
    Open {
        container_id: "test".to_owned(),
        hostname: None,
        max_frame_size: u32::MAX,
        channel_max: 100,
        idle_time_out: None,
        desired_capabilities: Value::Null,
        properties: Value::Null,
    }
}

pub(super) fn begin(incoming_window: u32) -> Performative<'static> {
    Performative::Begin(Begin {
        remote_channel: None,
        next_outgoing_id: 0,
        incoming_window,
        outgoing_window: 1000,
        handle_max: u32::MAX,
    })
}

/// A link at handle 0 whose far end is `address`.
pub(super) fn attach(role: Role, address: &str) -> Attach {
    let terminus =
        |code, address: &str| Value::described(code, Value::List(vec![Value::string(address)]));
    let (source, target) = match role {
        Role::Sender => ("here", address),
        Role::Receiver => (address, "here"),
    };
    Attach {
        name: format!("{role:?} {address}"),
        handle: 0,
        role,
        snd_settle_mode: 0,
        rcv_settle_mode: 1,
        source: terminus(0x28, source),
        target: terminus(0x29, target),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        max_message_size: None,
        offered_capabilities: Value::Null,
        desired_capabilities: Value::Null,
        properties: Value::Null,
    }
}

pub(super) fn receiver() -> Attach {
    attach(Role::Receiver, "eh1/ConsumerGroups/$Default/Partitions/0")
}

pub(super) fn transfer(delivery_id: u32) -> Transfer<'static> {
    Transfer {
        handle: 0,
        delivery_id: Some(delivery_id),
        delivery_tag: Some(b"tag"),
        message_format: Some(0),
        settled: None,
        more: false,
        aborted: false,
    }
}

/// A flow for the link at handle 0 of a client that has taken nothing yet.
pub(super) fn credit(link_credit: u32) -> Flow {
    Flow {
        next_incoming_id: Some(0),
        incoming_window: 1000,
        next_outgoing_id: 0,
        outgoing_window: 1000,
        handle: Some(0),
        delivery_count: Some(0),
        link_credit: Some(link_credit),
        available: None,
        drain: false,
        echo: false,
    }
}

/// A message with one data section.
pub(super) fn message(body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    encode::descriptor(&mut out, 0x75);
    encode::binary(&mut out, body);
    out.freeze()
}

/// Stores events in the first partition.
pub(super) fn store(peer: &Peer, bodies: &[&[u8]]) {
    let hub = peer.broker.namespace.hub("eh1").unwrap();
    let messages: Vec<_> = bodies.iter().map(|body| message(body)).collect();
    let event = |sections| NewEvent {
        sections,
        annotations: EventAnnotations::default(),
    };
    hub.partitions()[0].append(messages.iter().map(|message| event(&message[..])));
}
