//! The crate azeventhubs does one thing against the hub of `EVENTHUB_CONNECTION_STRING` and prints
//! what it saw as JSON lines. It always speaks TLS. Usage: `azeventhubs NAME`

#![expect(clippy::large_futures, reason = "the SDK's own are")]

use std::error::Error;
use std::time::Duration;

use azeventhubs::authorization::AzureSasCredential;
use azeventhubs::consumer::{
    EventHubConsumerClient, EventHubConsumerClientOptions, EventPosition, EventStream,
    ReadEventOptions,
};
use azeventhubs::producer::{
    CreateBatchOptions, EventHubProducerClient, EventHubProducerClientOptions, SendEventOptions,
};
use azeventhubs::{BasicRetryPolicy, EventData, EventHubConnectionOptions, ReceivedEventData};
use eventhubs_interop::{outcome, report, setting, variant};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::timeout;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;
type Producer = EventHubProducerClient<BasicRetryPolicy>;

async fn refused<T>(what: &str, action: impl Future<Output = azure_core::Result<T>>) {
    let kind = |error: &azure_core::Error| variant(&format!("{:?}", error.kind()));
    outcome(what, kind, action).await;
}

fn connection() -> EventHubConnectionOptions {
    let endpoint = setting("EVENTHUB_ENDPOINT").parse();
    EventHubConnectionOptions {
        custom_endpoint_address: Some(endpoint.expect("the tests set a URL")),
        ..Default::default()
    }
}

async fn producer() -> Outcome<Producer> {
    Ok(open().await?)
}

async fn open() -> azure_core::Result<Producer> {
    let options = EventHubProducerClientOptions {
        connection_options: connection(),
        ..Default::default()
    };
    let string = setting("EVENTHUB_CONNECTION_STRING");
    // The SDK calls a token malformed when it stands in a connection string.
    let Some((_, token)) = string.split_once("SharedAccessSignature=") else {
        return EventHubProducerClient::new_from_connection_string(string, None, options).await;
    };
    let token = token.split(';').next().unwrap_or_default();
    let credential = AzureSasCredential::new(token.to_owned());
    EventHubProducerClient::new_from_sas_credential("localhost", "eh1", credential, options).await
}

fn to_partition(id: &str) -> SendEventOptions {
    SendEventOptions::new().with_partition_id(id)
}

async fn send(partition: &str, bodies: &[&str]) -> Outcome {
    let events: Vec<_> = bodies.iter().copied().map(EventData::from).collect();
    let mut producer = producer().await?;
    Ok(producer
        .send_events(events, to_partition(partition))
        .await?)
}

/// Reads a partition from the start, over a connection of its own.
struct Reader(EventStream<'static, BasicRetryPolicy>);

impl Reader {
    async fn open(partition: &str, owner_level: Option<i64>) -> Outcome<Self> {
        // The stream borrows the client, the process is short: it lives as long as that does.
        let client = Box::leak(Box::new(consumer().await?));
        let options = ReadEventOptions {
            owner_level,
            ..Default::default()
        };
        let start = EventPosition::earliest();
        let stream = client.read_events_from_partition(partition, start, options);
        Ok(Self(stream.await?))
    }

    async fn event(&mut self) -> Outcome<ReceivedEventData> {
        Ok(self.0.next().await.ok_or("the stream has ended")??)
    }

    async fn body(&mut self) -> Outcome<String> {
        Ok(String::from_utf8(self.event().await?.body()?.to_vec())?)
    }
}

async fn consumer() -> Outcome<EventHubConsumerClient<BasicRetryPolicy>> {
    let options = EventHubConsumerClientOptions {
        connection_options: connection(),
        ..Default::default()
    };
    let group = EventHubConsumerClient::DEFAULT_CONSUMER_GROUP_NAME;
    let string = setting("EVENTHUB_CONNECTION_STRING");
    Ok(EventHubConsumerClient::new_from_connection_string(group, string, None, options).await?)
}

async fn report_partition(producer: &mut Producer) -> Outcome {
    let seen = producer.get_partition_properties("0").await?;
    report(&json!({
        "hub": seen.event_hub_name(),
        "partition": seen.id(),
        "empty": seen.is_empty(),
        "beginning": seen.beginning_sequence_number(),
        "last": seen.last_enqueued_sequence_number(),
        // This SDK's offsets are numbers.
        "offset": seen.last_enqueued_offset().to_string(),
    }));
    Ok(())
}

async fn properties() -> Outcome {
    let mut producer = producer().await?;
    let hub = producer.get_event_hub_properties().await?;
    report(&json!({
        "hub": hub.name(),
        "partitions": hub.partition_ids(),
        "created": hub.created_on().unix_timestamp(),
    }));
    report_partition(&mut producer).await?;
    let events = ["one", "two"].map(EventData::from);
    producer.send_events(events, to_partition("0")).await?;
    report_partition(&mut producer).await
}

async fn batch() -> Outcome {
    let mut producer = producer().await?;
    let mut batch = producer.create_batch(CreateBatchOptions::new()).await?;
    for n in 0..100 {
        batch.try_add(format!("event {n}"))?;
    }
    report(&json!({ "count": batch.len(), "max_size": batch.max_size_in_bytes() }));
    Ok(producer.send_batch(batch, to_partition("1")).await?)
}

async fn single() -> Outcome {
    let mut producer = producer().await?;
    Ok(producer
        .send_event("alone", SendEventOptions::new())
        .await?)
}

async fn keyed() -> Outcome {
    let mut producer = producer().await?;
    for key in ["device1", "device3", "device4", "日本語", "device1"] {
        let options = SendEventOptions::new().with_partition_key(key);
        producer.send_event(key, options).await?;
    }
    Ok(())
}

/// Batches of many frames, each way.
async fn large() -> Outcome {
    let body = vec![b'x'; 200_000];
    let events = vec![EventData::from(body.clone()); 4];
    producer()
        .await?
        .send_events(events, to_partition("0"))
        .await?;
    let mut reader = Reader::open("0", None).await?;
    for _ in 0..4 {
        report(&json!({ "intact": reader.event().await?.body()? == body }));
    }
    Ok(())
}

async fn receive() -> Outcome {
    let mut first = EventData::from("first");
    first.set_message_id("m1")?;
    first.set_correlation_id("c1".to_owned());
    first.set_content_type("text/x".to_owned());
    let mut producer = producer().await?;
    producer
        .send_events([first, EventData::from("second")], to_partition("0"))
        .await?;
    producer.send_event("third", to_partition("0")).await?;
    let mut reader = Reader::open("0", None).await?;
    for _ in 0..3 {
        let event = reader.event().await?;
        let properties = event.system_properties();
        report(&json!({
            "body": String::from_utf8_lossy(event.body()?),
            "message_id": event.message_id(),
            "correlation_id": event.correlation_id(),
            "content_type": properties.and_then(|all| all.content_type.as_ref()).map(|kind| &kind.0),
            "sequence_number": event.sequence_number(),
            "offset": event.offset().map(|offset| offset.to_string()),
            "enqueued": i64::try_from(event.enqueued_time().unix_timestamp_nanos() / 1_000_000)?,
        }));
    }
    Ok(())
}

async fn theft() -> Outcome {
    for level in [2, 3] {
        send("0", &["one"]).await?;
        let mut holder = Reader::open("0", Some(2)).await?;
        holder.event().await?;
        let mut thief = Reader::open("0", Some(level)).await?;
        report(&json!({ "thief_reads": thief.body().await? }));
        refused("displaced", async {
            loop {
                // It may steal back without a word, again and again: there is an end to the wait.
                match timeout(Duration::from_secs(10), holder.0.next()).await {
                    Ok(Some(Ok(_))) => {}
                    Ok(Some(Err(error))) => break Err(error),
                    Ok(None) | Err(_) => break Ok(()),
                }
            }
        })
        .await;
    }
    Ok(())
}

async fn refusal() -> Outcome {
    send("0", &["one"]).await?;
    let mut holder = Reader::open("0", Some(2)).await?;
    holder.event().await?;
    for owner_level in [Some(1), None] {
        ask("refused", "0", owner_level).await?;
    }
    send("0", &["two"]).await?;
    report(&json!({ "holder_reads": holder.body().await? }));
    Ok(())
}

/// Opens a reader that is to be refused: at once, or by its stream.
async fn ask(what: &str, partition: &str, owner_level: Option<i64>) -> Outcome {
    let mut client = consumer().await?;
    let options = ReadEventOptions {
        owner_level,
        ..Default::default()
    };
    refused(what, async {
        let start = EventPosition::earliest();
        let stream = client.read_events_from_partition(partition, start, options);
        stream.await?.next().await.unwrap()
    })
    .await;
    Ok(())
}

async fn sixth() -> Outcome {
    send("0", &["one"]).await?;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = Reader::open("0", None).await?;
        reader.event().await?;
        readers.push(reader);
    }
    ask("refused", "0", None).await?;
    send("0", &["two"]).await?;
    let mut read = Vec::new();
    for reader in &mut readers {
        read.push(reader.body().await?);
    }
    report(&json!({ "five_read": read }));
    Ok(())
}

async fn bad_partition() -> Outcome {
    let mut producer = producer().await?;
    refused("sent", producer.send_event("x", to_partition("9"))).await;
    ask("read", "9", None).await
}

/// Whatever the connection string is good for.
async fn attempt() -> Outcome {
    refused("asked", async {
        open().await?.get_event_hub_properties().await
    })
    .await;
    refused("sent", async {
        open().await?.send_event("x", SendEventOptions::new()).await
    })
    .await;
    Ok(())
}

async fn oversize() -> Outcome {
    let mut producer = producer().await?;
    let body = vec![b'x'; 1_200_000];
    refused("sent", producer.send_event(body, to_partition("0"))).await;
    refused("then", producer.send_event("small", to_partition("0"))).await;
    Ok(())
}

async fn throttled() -> Outcome {
    let mut producer = producer().await?;
    for what in ["first", "second"] {
        let events = vec![EventData::from("x"); 1000];
        refused(what, producer.send_events(events, to_partition("0"))).await;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "properties" => properties().await,
        "batch" => batch().await,
        "single" => single().await,
        "keyed" => keyed().await,
        "large" => large().await,
        "receive" => receive().await,
        "theft" => theft().await,
        "refusal" => refusal().await,
        "sixth" => sixth().await,
        "bad_partition" => bad_partition().await,
        "attempt" => attempt().await,
        "oversize" => oversize().await,
        "throttled" => throttled().await,
        other => Err(format!("no scenario '{other}'").into()),
    }
}
