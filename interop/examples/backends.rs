//! The same lines over three transports: `amqp`, `azeventhubs` and `azure-sdk`.
//!
//! ```text
//! cargo run -p eventhubs-interop --example backends
//! ```
//!
//! It needs no account: it hosts an emulator and runs itself again as its client, in
//! a process that trusts the emulator's certificate, since azeventhubs always speaks
//! TLS and asks OpenSSL whom to trust.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use azure_messaging_eventhubs::builders::{ConsumerClientBuilder, ProducerClientBuilder};
use eventhubs_emulator::Emulator;
use eventhubs_flow::EventData;
use eventhubs_flow::EventHub;
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::{
    AzeventhubsConsumer, AzeventhubsOptions, AzeventhubsProducer, AzureSdkConsumer,
    AzureSdkProducer, StartPosition, TransportConsumer, TransportProducer,
};
use futures_util::StreamExt as _;
use tokio::process::Command;

type Failure = Box<dyn Error + Send + Sync>;

const PORT: &str = "PORT_OF_THE_EMULATOR";
const KEY: &str = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";

/// What is done over each transport.
async fn talk(
    name: &str,
    producer: impl TransportProducer,
    consumer: impl TransportConsumer,
) -> Result<(), Failure> {
    let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
    let options = BufferedProducerOptions::default();
    let producer = producer.rate_limited(&limiter).buffered(options).await?;
    producer
        .send(EventData::new(format!("by {name}")))
        .await?
        .await?;
    let report = producer.close(Duration::from_secs(10)).await;
    println!("{name} has sent {} event", report.delivered);

    let options = EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest);
    let mut events = EpochSafeConsumer::open(Arc::new(consumer), options).await?;
    let event = events.next().await.ok_or("no partition is left")??;
    println!("{name} reads {:?}", String::from_utf8_lossy(event.body()));
    Ok(events.close().await?)
}

async fn talk_to(port: &str) -> Result<(), Failure> {
    let plain =
        format!("Endpoint=sb://localhost:{port};{KEY};EntityPath=eh1;UseDevelopmentEmulator=true");
    let hub = EventHub::connect(&plain).await?;
    talk("amqp", hub.producer(), hub.consumer()).await?;

    let secure = format!("Endpoint=sb://localhost:{port}/;{KEY};EntityPath=eh1");
    let options = AzeventhubsOptions::default();
    let producer = AzeventhubsProducer::connect(&secure, options.clone())?;
    let consumer = AzeventhubsConsumer::connect(&secure, options)?;
    talk("azeventhubs", producer, consumer).await?;

    // The SDK takes a port only as a custom endpoint.
    let at = format!("amqp://localhost:{port}");
    let of = format!("Endpoint=sb://localhost/;{KEY};EntityPath=eh1");
    let (to, known) = (at.clone(), of.clone());
    let producer = AzureSdkProducer::open(move |client: ProducerClientBuilder| {
        let (client, of) = (client.with_custom_endpoint(to.clone()), known.clone());
        async move { client.open_with_connection_string(&of, None).await }
    });
    let consumer = AzureSdkConsumer::new(move |client: ConsumerClientBuilder| {
        let (client, of) = (client.with_custom_endpoint(at.clone()), of.clone());
        async move { client.open_with_connection_string(&of, None).await }
    });
    talk("azure-sdk", producer.await?, consumer).await
}

/// Hosts an emulator, and runs this again as its client.
async fn host() -> Result<(), Failure> {
    // The SDK misses an outcome that comes at once.
    let emulator = Emulator::builder()
        .tls()
        .acknowledgement_delay(Duration::from_millis(1));
    let emulator = emulator.start().await?;
    let certificate = std::env::temp_dir().join(format!("backends-{}.pem", std::process::id()));
    std::fs::write(
        &certificate,
        emulator.certificate_pem().ok_or("made with TLS")?,
    )?;
    let ended = Command::new(std::env::current_exe()?)
        .env(PORT, emulator.address().port().to_string())
        .env("SSL_CERT_FILE", &certificate)
        .status()
        .await;
    std::fs::remove_file(&certificate)?;
    println!("{} events are in the hub.", emulator.event_count("eh1"));
    match ended?.success() {
        true => Ok(()),
        false => Err("it failed as a client".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match std::env::var(PORT) {
        Ok(port) => talk_to(&port).await,
        Err(_) => host().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
