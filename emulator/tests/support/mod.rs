//! A bare AMQP client: `fe2o3-amqp`, and what Event Hubs clients add to it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod raw;
pub mod tls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eventhubs_emulator::Emulator;
use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::link::{ReceiverAttachError, SendError, SenderAttachError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{self, ErrorCondition, Fields};
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::message::__private::Serializable;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Batch, Body, Data, Message, MessageAnnotations, Outcome,
    Properties, Source,
};
use fe2o3_amqp::types::primitives::{OrderedMap, SimpleValue, Symbol, Value};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub const KEY_NAME: &str = "RootManageSharedAccessKey";
pub const KEY: &str = "SAS_KEY_VALUE";
const BATCH_FORMAT: u32 = 0x8001_3700;
const SELECTOR_FILTER: &str = "apache.org:selector-filter:string";
/// Longer than anything here takes, so that what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What carries the bytes of AMQP.
pub trait Carrier: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Carrier for S {}

/// A connection with one session.
pub struct Client {
    pub connection: ConnectionHandle<()>,
    pub session: SessionHandle<()>,
    links: u32,
}

/// How a receiver is attached.
#[derive(Default, Clone)]
pub struct ReceiverOptions {
    pub filter: Option<Value>,
    pub epoch: Option<i64>,
    pub name: Option<&'static str>,
    pub runtime_metrics: bool,
}

impl ReceiverOptions {
    pub fn epoch(epoch: i64) -> Self {
        Self {
            epoch: Some(epoch),
            ..Self::default()
        }
    }

    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// A selector filter without a descriptor.
    pub fn from_position(filter: &str) -> Self {
        Self {
            filter: Some(Value::String(filter.to_owned())),
            ..Self::default()
        }
    }
}

impl Client {
    /// Connects without a token.
    pub async fn connect(emulator: &Emulator, sasl: SaslProfile) -> Self {
        Self::try_connect(emulator, sasl).await.unwrap()
    }

    pub async fn try_connect(emulator: &Emulator, sasl: SaslProfile) -> Result<Self, OpenError> {
        let stream = TcpStream::connect(emulator.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::try_over(stream, sasl).await
    }

    /// Connects over whatever carries the bytes, without a token.
    pub async fn over(stream: impl Carrier) -> Self {
        Self::try_over(stream, SaslProfile::Anonymous)
            .await
            .unwrap()
    }

    async fn try_over(stream: impl Carrier, sasl: SaslProfile) -> Result<Self, OpenError> {
        let mut connection = Connection::builder()
            .container_id("test")
            .hostname("localhost")
            .sasl_profile(sasl)
            .open_with_stream(stream)
            .await?;
        let session = Session::begin(&mut connection).await.unwrap();
        Ok(Self {
            connection,
            session,
            links: 0,
        })
    }

    /// Connects, and puts a token for the hub `eh1`.
    pub async fn authorized(emulator: &Emulator) -> Self {
        let mut client = Self::connect(emulator, SaslProfile::Anonymous).await;
        client.authorize().await;
        client
    }

    /// Puts a token for the hub `eh1`.
    pub async fn authorize(&mut self) {
        let audience = "amqps://localhost/eh1";
        let token = sas_token(audience, KEY_NAME, KEY, in_an_hour());
        let (status, _) = self.put_token(audience, &token).await;
        assert_eq!(status, 202);
    }

    fn link_name(&mut self, role: &str) -> String {
        self.links += 1;
        format!("{role}-{}", self.links)
    }

    /// Status and description of what `$cbs` answers.
    pub async fn put_token(&mut self, audience: &str, token: &str) -> (i32, String) {
        let (status, description, _) = self
            .request(
                "$cbs",
                &[
                    ("operation", "put-token"),
                    ("type", "servicebus.windows.net:sastoken"),
                    ("name", audience),
                ],
                token,
            )
            .await;
        (status, description)
    }

    /// Status, description and body of what `$management` answers to a read.
    pub async fn read(&mut self, properties: &[(&str, &str)]) -> (i32, String, Value) {
        let mut all = vec![("operation", "READ")];
        all.extend(properties);
        self.request("$management", &all, "").await
    }

    /// A request to a node, over a pair of links of its own.
    pub async fn request(
        &mut self,
        node: &str,
        properties: &[(&str, &str)],
        body: &str,
    ) -> (i32, String, Value) {
        let (name, reply_to) = (self.link_name("requests"), self.link_name("reply"));
        let mut requests = Sender::attach(&mut self.session, name, node).await.unwrap();
        let mut answers = Receiver::builder()
            .name(reply_to.clone())
            .source(node)
            .target(reply_to.as_str())
            .attach(&mut self.session)
            .await
            .unwrap();
        let properties: OrderedMap<String, SimpleValue> = properties
            .iter()
            .map(|&(k, v)| (k.to_owned(), SimpleValue::String(v.to_owned())))
            .collect();
        let request = Message::builder()
            .properties(
                Properties::builder()
                    .message_id(77u64)
                    .reply_to(reply_to)
                    .build(),
            )
            .application_properties(ApplicationProperties(properties))
            .value(body.to_owned())
            .build();
        let outcome = requests.send(request).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        let answer = answers.recv::<Body<Value>>().await.unwrap();
        answers.accept(&answer).await.unwrap();
        let message = answer.into_message();
        let correlation = message.properties.unwrap().correlation_id;
        assert_eq!(
            correlation,
            Some(77u64.into()),
            "the message id comes back with its type"
        );
        let answered = message.application_properties.unwrap().0;
        let status = match answered.get("status-code") {
            Some(SimpleValue::Int(status)) => *status,
            other => panic!("{other:?}"),
        };
        let description = match answered.get("status-description") {
            Some(SimpleValue::String(text)) => text.clone(),
            other => panic!("{other:?}"),
        };
        requests.close().await.unwrap();
        answers.close().await.unwrap();
        let Body::Value(AmqpValue(body)) = message.body else {
            panic!("an amqp-value was expected")
        };
        (status, description, body)
    }

    pub async fn sender(&mut self, address: &str) -> Sender {
        self.try_sender(address).await.unwrap()
    }

    pub async fn try_sender(&mut self, address: &str) -> Result<Sender, SenderAttachError> {
        let name = self.link_name("sender");
        Sender::attach(&mut self.session, name, address).await
    }

    pub async fn sender_with_limit(
        &mut self,
        address: &str,
        max_message_size: Option<u64>,
    ) -> Sender {
        let mut builder = Sender::builder()
            .name(self.link_name("sender"))
            .target(address);
        if let Some(size) = max_message_size {
            builder = builder.max_message_size(size);
        }
        builder.attach(&mut self.session).await.unwrap()
    }

    /// Goes on in a new session: after a refusal `fe2o3-amqp` 0.18.4 may send its own detach late, when the handle is
    /// another link's already.
    pub async fn begin_anew(&mut self) {
        self.session = Session::begin(&mut self.connection).await.unwrap();
    }

    /// Condition and description with which a sender is refused.
    pub async fn sender_refusal(&mut self, address: &str) -> (String, String) {
        match self.try_sender(address).await {
            Err(SenderAttachError::RemoteClosedWithError(error)) => {
                self.begin_anew().await;
                told(&error)
            }
            other => panic!("a refusal was expected: {other:?}"),
        }
    }

    /// Condition and description with which a receiver is refused.
    pub async fn receiver_refusal(
        &mut self,
        address: &str,
        options: ReceiverOptions,
    ) -> (String, String) {
        match self.try_receiver(address, options).await {
            Err(ReceiverAttachError::RemoteClosedWithError(error)) => {
                self.begin_anew().await;
                told(&error)
            }
            other => panic!("a refusal was expected: {other:?}"),
        }
    }

    pub async fn receiver(&mut self, partition: u32, options: ReceiverOptions) -> Receiver {
        self.try_receiver(&receiver_address(partition), options)
            .await
            .unwrap()
    }

    pub async fn try_receiver(
        &mut self,
        address: &str,
        options: ReceiverOptions,
    ) -> Result<Receiver, ReceiverAttachError> {
        let mut source = Source::builder().address(address);
        if let Some(filter) = options.filter {
            source = source.add_to_filter_using_legacy_format(SELECTOR_FILTER, filter);
        }
        let mut properties = Fields::new();
        if let Some(epoch) = options.epoch {
            properties.insert(Symbol::from("com.microsoft:epoch"), Value::Long(epoch));
        }
        if let Some(name) = options.name {
            let key = Symbol::from("com.microsoft:receiver-name");
            properties.insert(key, Value::String(name.to_owned()));
        }
        let mut builder = Receiver::builder()
            .name(self.link_name("receiver"))
            .source(source.build())
            .properties(properties)
            .credit_mode(CreditMode::Auto(200));
        if options.runtime_metrics {
            builder =
                builder.add_desired_capabilities("com.microsoft:enable-receiver-runtime-metric");
        }
        builder.attach(&mut self.session).await
    }
}

pub fn receiver_address(partition: u32) -> String {
    format!("eh1/ConsumerGroups/$Default/Partitions/{partition}")
}

pub fn in_an_hour() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    i64::try_from(now).unwrap() + 3600
}

pub fn sas_token(resource: &str, key_name: &str, key: &str, expiry: i64) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    };
    let resource = encode(resource);
    let mut hmac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    hmac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&STANDARD.encode(hmac.finalize().into_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={key_name}")
}

/// An event as clients encode it into a batch.
pub fn event(body: impl Into<Vec<u8>>) -> Message<Data> {
    Message::builder().data(body.into()).build()
}

pub fn keyed(key: &str) -> MessageAnnotations {
    MessageAnnotations::builder()
        .insert("x-opt-partition-key", key)
        .build()
}

/// A batch of events, under an envelope key where one is given.
pub fn batch(
    key: Option<&str>,
    events: impl IntoIterator<Item = Message<Data>>,
) -> Sendable<Batch<Data>> {
    let encoded: Vec<Data> = events
        .into_iter()
        .map(|event| Data::from(serde_amqp::to_vec(&Serializable(event)).unwrap()))
        .collect();
    let mut message = Message::builder().data_batch(encoded).build();
    message.message_annotations = key.map(keyed);
    Sendable::builder()
        .message(message)
        .message_format(BATCH_FORMAT)
        .settled(false)
        .build()
}

/// Sends and expects to be told that it is stored.
pub async fn send(sender: &mut Sender, events: Sendable<Batch<Data>>) {
    let outcome = sender.send(events).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

/// The error of a rejected outcome.
pub fn rejection(outcome: Result<Outcome, SendError>) -> definitions::Error {
    match outcome {
        Ok(Outcome::Rejected(rejected)) => rejected.error.unwrap(),
        other => panic!("a rejection was expected: {other:?}"),
    }
}

/// The next event, accepted.
pub async fn next(receiver: &mut Receiver) -> Message<Data> {
    let received = tokio::time::timeout(PATIENCE, receiver.recv::<Data>())
        .await
        .unwrap()
        .unwrap();
    receiver.accept(&received).await.unwrap();
    received.into_message()
}

/// The bodies of the next events.
pub async fn next_bodies(receiver: &mut Receiver, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(String::from_utf8(next(receiver).await.body.0.to_vec()).unwrap());
    }
    bodies
}

/// A message annotation.
pub fn annotation<T>(message: &Message<T>, name: &str) -> Value {
    let annotations = message.message_annotations.as_ref().unwrap();
    annotations
        .0
        .get(&OwnedKey::Symbol(name.into()))
        .cloned()
        .unwrap_or(Value::Null)
}

/// Condition and description of the error that a link was closed with.
pub fn told(error: &definitions::Error) -> (String, String) {
    let condition: Symbol = match &error.condition {
        ErrorCondition::AmqpError(condition) => condition.into(),
        ErrorCondition::ConnectionError(condition) => condition.into(),
        ErrorCondition::SessionError(condition) => condition.into(),
        ErrorCondition::LinkError(condition) => condition.into(),
        ErrorCondition::Custom(condition) => condition.clone(),
    };
    (condition.0, error.description.clone().unwrap_or_default())
}

/// A text without the tracking suffix, which must be there.
pub fn untracked(text: &str) -> &str {
    let (text, tracking) = text.split_once(" TrackingId:").unwrap();
    assert!(
        tracking.contains(", SystemTracker:emulatorNs1:eventhub:"),
        "{tracking}"
    );
    assert!(tracking.contains(", Timestamp:"));
    text
}
