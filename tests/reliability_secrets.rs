//! The reliability bar, as far as secrets go: whatever can be printed is searched
//! for what was planted.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amqp_support::{HUB, batch, partition};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::consumer::epoch_safe::{EpochPolicy, EpochSafeConsumerOptions};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::stream::BatchOptions;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    AccessToken, BatchLimits, ConnectionString, Error, ErrorKind, EventBatch, EventData, EventHub,
    EventHubOptions, PartitionId, SendBatchError, SendError, Target, TokenCredential,
};
use futures::{StreamExt, stream};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

const FIRST: PartitionId = PartitionId::new(0);
const MINUTE: Duration = Duration::from_secs(60);

/// Everything secret holds this word.
const PLANTED: &str = "planted";

/// What a secret looks like when it gets out: in text, as the numbers of its
/// bytes, in hexadecimal; a token that was signed or handed over.
const TRACES: [&str; 6] = [
    PLANTED,
    "112, 108, 97, 110, 116, 101, 100",
    "706c616e746564",
    "\\x70\\x6c",
    "sig=",
    "eyJ",
];

/// All that was printed.
#[derive(Debug, Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Prints what a `{:?}` somewhere would print.
    fn show(&self, value: &(impl Debug + ?Sized)) {
        writeln!(self.clone(), "shown: {value:?}\nshown: {value:#?}").unwrap();
    }

    /// Prints an error with all its sources, for people and for developers.
    fn tell(&self, error: &(impl StdError + ?Sized)) {
        writeln!(self.clone(), "told: {error}").unwrap();
        self.show(error);
        let mut source = error.source();
        while let Some(error) = source {
            writeln!(self.clone(), "told: {error} {error:?}").unwrap();
            source = error.source();
        }
    }

    /// Collects the traces of this thread until the guard is dropped, those of
    /// dependencies that log included.
    fn of_traces(&self) -> tracing::subscriber::DefaultGuard {
        // The emulator's end of a WebSocket, which logs whole frames. The library has
        // none of it: `deny.toml` sees to that.
        let logs = tracing_log::LogTracer::builder().ignore_crate("tungstenite");
        // Once per process.
        let _ = logs.init();
        let output = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || output.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        text.to_ascii_lowercase()
    }

    #[track_caller]
    fn assert_clean(&self) {
        let text = self.text();
        for trace in TRACES.map(str::to_ascii_lowercase) {
            if let Some(at) = text.find(&trace) {
                let around = at.saturating_sub(300)..text.len().min(at + 100);
                let around = String::from_utf8_lossy(&text.as_bytes()[around]);
                panic!("{trace:?} was printed: {around}");
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event that is secret from head to foot.
fn event() -> EventData {
    EventData::new("planted body")
        .with_property("property", "planted text")
        .with_property("bytes", b"planted bytes".to_vec())
        .with_message_id("planted id")
        .with_correlation_id("planted correlation")
        .with_content_type("text/planted")
}

fn secret_batch() -> EventBatch {
    batch(Target::Partition(FIRST), [event()])
}

/// A JSON web token; its signature is planted.
fn jwt() -> String {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + MINUTE;
    let claims = format!(
        r#"{{"aud":"https://eventhubs.azure.net","exp":{}}}"#,
        expiry.as_secs()
    );
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    format!(
        "{header}.{}.plantedsignature",
        URL_SAFE_NO_PAD.encode(claims)
    )
}

#[derive(Debug)]
struct Issuing;

#[async_trait]
impl TokenCredential for Issuing {
    async fn token(&self, _: &str) -> Result<AccessToken, Box<dyn StdError + Send + Sync>> {
        Ok(AccessToken::new(jwt(), SystemTime::now() + MINUTE))
    }
}

async fn emulator() -> Emulator {
    let builder = Emulator::builder().access_key("name", "planted key");
    builder.tls().accept_jwts().start().await.unwrap()
}

/// Every call once that ends well, and every refusal.
async fn round(emulator: &Emulator, hub: &EventHub, output: &Output) {
    let producer = hub.producer();
    producer.send_batch(secret_batch()).await.unwrap();
    output.show(&hub.properties().await.unwrap());
    output.show(&hub.partition_properties(FIRST).await.unwrap());
    let consumer = hub.consumer();
    let mut options = ReceiverOptions::new(FIRST);
    options.owner_level = Some(0);
    let mut receiver = consumer.open_receiver(options.clone()).await.unwrap();
    let received = receiver.receive(NonZeroU32::MIN).await.unwrap();
    assert_eq!(received[0].body(), "planted body".as_bytes());
    output.show(&received);
    output.show(&*receiver);
    let thief = consumer.open_receiver(options.clone()).await.unwrap();
    output.tell(&receiver.receive(NonZeroU32::MIN).await.unwrap_err());
    options.owner_level = None;
    output.tell(&consumer.open_receiver(options.clone()).await.unwrap_err());
    thief.close().await.unwrap();
    options.position = StartPosition::Offset {
        offset: "999999".into(),
        inclusive: true,
    };
    output.tell(&consumer.open_receiver(options).await.unwrap_err());

    let failures = [
        Fault::reject("amqp:not-allowed", "no"),
        Fault::server_busy(),
        Fault::release(),
        Fault::modify(),
        Fault::detach(When::OnTransfer, "amqp:internal-error", "gone"),
        Fault::end_session(When::OnTransfer, "amqp:internal-error", "gone"),
        Fault::close_connection(When::OnTransfer, "amqp:connection:forced", "gone"),
        Fault::drop_connection(When::OnTransfer),
    ];
    for failure in failures {
        let fault = emulator.faults().inject(failure.senders().times(1));
        let refused = producer.send_batch(secret_batch()).await.unwrap_err();
        assert_eq!(fault.struck(), 1);
        output.tell(&refused);
        // What was lost is made again.
        producer.hub_properties().await.unwrap();
    }
    let unknown = batch(partition(99), [event()]);
    output.tell(&producer.send_batch(unknown).await.unwrap_err());
    let huge = batch(partition(0), [EventData::new(vec![b'p'; 2 << 20])]);
    output.tell(&producer.send_batch(huge).await.unwrap_err());
    producer.close().await.unwrap();
    output.tell(&producer.send_batch(secret_batch()).await.unwrap_err());
    output.show(&(&producer, &consumer, hub, emulator, emulator.received(HUB)));
    primitives(emulator, hub, output).await;
}

/// The primitives over the transport, likewise.
async fn primitives(emulator: &Emulator, hub: &EventHub, output: &Output) {
    let limiter = RateLimiter::new(RateLimit::throughput_units(1)).unwrap();
    let limited = hub.producer().rate_limited(&limiter);
    output.show(&(&limited, &limiter));
    let options = BufferedProducerOptions::default();
    let event = || event().with_target(FIRST);
    let buffered = limited.buffered(options.clone()).await.unwrap();
    let delivery = buffered.send(event()).await.unwrap();
    output.show(&(&buffered, &delivery, &options));
    delivery.await.unwrap();
    let permit = buffered.reserve(&Target::Any, 1000).await.unwrap();
    output.show(&permit);
    drop(permit);
    let _reject = emulator
        .faults()
        .inject(Fault::reject("amqp:not-allowed", "no"));
    let delivery = buffered.send(event()).await.unwrap();
    output.tell(&delivery.await.unwrap_err());
    buffered.enqueue(event()).await.unwrap();
    output.show(&buffered.flush(MINUTE).await);
    output.show(&buffered.close(MINUTE).await);
    output.tell(&buffered.enqueue(event()).await.unwrap_err());

    let batches = stream::iter([event()]).batched(BatchOptions::default());
    output.show(&batches);
    let mut sent = Box::pin(batches.rate_limited(&limiter).send_through(hub.producer()));
    output.show(&sent);
    output.tell(&sent.next().await.unwrap().unwrap_err());

    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_policy(EpochPolicy::TakeOver { level: 1 });
    let mut events = hub.epoch_safe_consumer(options.clone()).await.unwrap();
    output.show(&events.next().await.unwrap().unwrap());
    output.show(&(&events, &options));
    events.close().await.unwrap();
}

fn planted(emulator: &Emulator) -> String {
    let string = emulator.connection_string_for(HUB);
    assert!(string.contains(PLANTED));
    string
}

fn trusting(emulator: &Emulator) -> EventHubOptions {
    let pem = emulator.certificate_pem().unwrap();
    EventHubOptions::default().with_root_certificates(pem)
}

#[tokio::test]
async fn row_49_no_key_token_or_payload_is_in_any_output_of_a_full_round() {
    let output = Output::default();
    let traces = output.of_traces();
    let emulator = emulator().await;
    let hub = EventHub::connect(&planted(&emulator)).await.unwrap();
    round(&emulator, &hub, &output).await;
    hub.close().await.unwrap();
    drop(traces);
    let text = output.text();
    for crate_name in ["eventhubs_flow", "fe2o3_amqp"] {
        assert!(
            text.contains(&format!(" {crate_name}::")),
            "{crate_name} was heard"
        );
    }
    output.assert_clean();
}

#[tokio::test]
async fn row_49_no_token_of_a_credential_is_in_any_output() {
    let output = Output::default();
    let traces = output.of_traces();
    let emulator = emulator().await;
    let endpoint = emulator.tls_address().unwrap();
    let options = trusting(&emulator).with_custom_endpoint(endpoint.to_string());
    output.show(&(AccessToken::new(jwt(), SystemTime::now()), &options));
    let credential = Arc::new(Issuing);
    let hub = EventHub::connect_with_credential("localhost", HUB, credential, options.clone());
    round(&emulator, &hub.await.unwrap(), &output).await;
    drop(traces);
    output.assert_clean();
}

#[tokio::test]
async fn row_49_no_key_token_or_payload_is_in_any_output_over_web_sockets() {
    let output = Output::default();
    let traces = output.of_traces();
    let emulator = emulator().await;
    let options = EventHubOptions::default().with_web_sockets();
    let hub = EventHub::connect_with(&planted(&emulator), options).await;
    round(&emulator, &hub.unwrap(), &output).await;
    drop(traces);
    output.assert_clean();
}

#[tokio::test]
async fn row_49_no_secret_that_is_refused_is_in_any_output() {
    let output = Output::default();
    let traces = output.of_traces();
    let emulator = Emulator::start().await.unwrap();
    let right = emulator.connection_string_for(HUB);
    let (before, _) = right.split_once("SharedAccessKeyName=").unwrap();
    for credential in [
        "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=planted",
        "SharedAccessKeyName=unknown;SharedAccessKey=planted",
        "SharedAccessSignature=SharedAccessSignature sr=planted&sig=planted&se=1&skn=planted",
        "SharedAccessSignature=planted",
        "SharedAccessKey=planted",
        "planted",
        "SharedAccessKeyName=n;SharedAccessKey=planted;SharedAccessSignature=planted",
    ] {
        let string = format!("{before}{credential};EntityPath={HUB}");
        match string.parse::<ConnectionString>() {
            Ok(parsed) => output.show(&parsed),
            Err(error) => output.tell(&error),
        }
        output.tell(&EventHub::connect(&string).await.unwrap_err());
    }
    // JSON web tokens are not taken here.
    let tls = Emulator::builder().tls().start().await.unwrap();
    let endpoint = tls.tls_address().unwrap();
    let options = trusting(&tls).with_custom_endpoint(endpoint.to_string());
    let hub = EventHub::connect_with_credential("localhost", HUB, Arc::new(Issuing), options);
    let error = hub.await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthorized);
    output.tell(&error);
    drop(traces);
    output.assert_clean();
}

#[tokio::test]
async fn row_49_no_public_type_shows_an_event() {
    let output = Output::default();
    let error = || Error::new(ErrorKind::BufferFull, "full");
    output.show(&event());
    for value in event().properties().values() {
        output.show(value);
    }
    output.show(event().message_properties());
    output.show(event().properties());
    output.show(&secret_batch());
    output.tell(&SendError::new(event(), error()));
    output.tell(&SendBatchError::new(secret_batch(), error()));
    let mut small = EventBatch::new(
        Target::Any,
        BatchLimits {
            bytes: 10,
            events: 1,
        },
    );
    output.tell(&small.try_add(event()).unwrap_err());

    let hub = MemoryHub::new(1);
    hub.producer().send_batch(secret_batch()).await.unwrap();
    hub.fail_next(1, error());
    output.tell(&hub.producer().send_batch(secret_batch()).await.unwrap_err());
    output.show(&(&hub, hub.producer(), hub.consumer(), hub.received()));
    output.assert_clean();
}
