//! The official Rust SDK does one thing against the hub of `EVENTHUB_CONNECTION_STRING` and prints
//! what it saw as JSON lines. Usage: `official NAME`

use std::error::Error;
use std::pin::Pin;
use std::time::UNIX_EPOCH;

use azure_messaging_eventhubs::models::{AmqpSimpleValue, EventData, MessageId, ReceivedEventData};
use azure_messaging_eventhubs::{
    ConsumerClient, EventDataBatchOptions, EventHubsError, EventReceiver, OpenReceiverOptions,
    ProducerClient, SendEventOptions, StartLocation, StartPosition,
};
use eventhubs_interop::{outcome, report, setting, variant};
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

async fn producer() -> Result<ProducerClient, EventHubsError> {
    ProducerClient::builder()
        .with_custom_endpoint(setting("EVENTHUB_ENDPOINT"))
        .open_with_connection_string(&setting("EVENTHUB_CONNECTION_STRING"), None)
        .await
}

async fn send_batch(
    producer: &ProducerClient,
    events: impl IntoIterator<Item = EventData>,
    options: EventDataBatchOptions,
) -> Result<(), EventHubsError> {
    let batch = producer.create_batch(Some(options)).await?;
    for event in events {
        assert!(batch.try_add_event_data(event, None)?, "the batch is full");
    }
    producer.send_batch(batch, None).await
}

fn to_partition(id: &str) -> EventDataBatchOptions {
    EventDataBatchOptions {
        partition_id: Some(id.to_owned()),
        ..Default::default()
    }
}

async fn send(partition: &str, body: &str) -> Result<(), EventHubsError> {
    let events = [EventData::from(body)];
    send_batch(&producer().await?, events, to_partition(partition)).await
}

/// Reads a partition from the start, over a connection of its own: a client has one receiver per
/// partition.
struct Reader(Pin<Box<dyn Stream<Item = Result<ReceivedEventData, EventHubsError>> + Send>>);

impl Reader {
    async fn open(partition: &str, owner_level: Option<i64>) -> Result<Self, EventHubsError> {
        let consumer = ConsumerClient::builder()
            .with_custom_endpoint(setting("EVENTHUB_ENDPOINT"))
            .open_with_connection_string(&setting("EVENTHUB_CONNECTION_STRING"), None)
            .await?;
        let options = OpenReceiverOptions {
            owner_level,
            start_position: Some(StartPosition {
                location: StartLocation::Earliest,
                ..Default::default()
            }),
            ..Default::default()
        };
        let receiver = consumer
            .open_receiver_on_partition(partition.to_owned(), Some(options))
            .await?;
        // The stream borrows the receiver, the process is short: both live as long as it does.
        let receiver: &'static EventReceiver = Box::leak(Box::new(receiver));
        Box::leak(Box::new(consumer));
        Ok(Self(Box::pin(receiver.stream_events())))
    }

    async fn event(&mut self) -> Result<ReceivedEventData, EventHubsError> {
        self.0.next().await.expect("the stream goes on")
    }

    async fn body(&mut self) -> Outcome<String> {
        let event = self.event().await?;
        Ok(String::from_utf8(
            event.event_data().body().unwrap_or_default().to_vec(),
        )?)
    }
}

async fn refused<T>(what: &str, action: impl Future<Output = Result<T, EventHubsError>>) {
    outcome(what, |error| variant(&format!("{:?}", error.kind)), action).await;
}

async fn report_partition(producer: &ProducerClient) -> Outcome {
    let seen = producer.get_partition_properties("0").await?;
    report(&json!({
        "hub": seen.eventhub,
        "partition": seen.id,
        "empty": seen.is_empty,
        "beginning": seen.beginning_sequence_number,
        "last": seen.last_enqueued_sequence_number,
        "offset": seen.last_enqueued_offset,
    }));
    Ok(())
}

async fn properties() -> Outcome {
    let producer = producer().await?;
    let hub = producer.get_eventhub_properties().await?;
    let created = hub.created_on.ok_or("no creation time")?;
    report(&json!({
        "hub": hub.name,
        "partitions": hub.partition_ids,
        "created": created.duration_since(UNIX_EPOCH)?.as_secs(),
    }));
    report_partition(&producer).await?;
    let events = ["one", "two"].map(EventData::from);
    send_batch(&producer, events, to_partition("0")).await?;
    report_partition(&producer).await
}

async fn batch() -> Outcome {
    let producer = producer().await?;
    let batch = producer.create_batch(Some(to_partition("1"))).await?;
    for n in 0..100 {
        let event = EventData::builder()
            .with_body(format!("event {n}"))
            .add_property("n".to_owned(), n)
            .build();
        assert!(batch.try_add_event_data(event, None)?);
    }
    // The SDK does not tell a batch's limit.
    report(&json!({ "count": batch.len() }));
    Ok(producer.send_batch(batch, None).await?)
}

async fn single() -> Outcome {
    Ok(producer().await?.send_event("alone", None).await?)
}

async fn keyed() -> Outcome {
    let producer = producer().await?;
    for key in ["device1", "device3", "device4", "日本語", "device1"] {
        let options = EventDataBatchOptions {
            partition_key: Some(key.to_owned()),
            ..Default::default()
        };
        send_batch(&producer, [EventData::from(key)], options).await?;
    }
    Ok(())
}

/// Batches of many frames, each way.
async fn large() -> Outcome {
    let body = vec![b'x'; 200_000];
    let events = std::iter::repeat_n(EventData::from(body.clone()), 4);
    send_batch(&producer().await?, events, to_partition("0")).await?;
    let mut reader = Reader::open("0", None).await?;
    for _ in 0..4 {
        let event = reader.event().await?;
        report(&json!({ "intact": event.event_data().body() == Some(&body) }));
    }
    Ok(())
}

async fn receive() -> Outcome {
    let producer = producer().await?;
    let first = EventData::builder()
        .with_body("first")
        .add_property("text".to_owned(), "a")
        .add_property("number".to_owned(), 7)
        .add_property("flag".to_owned(), true)
        .with_message_id("m1")
        .with_correlation_id("c1")
        .with_content_type("text/x".to_owned())
        .build();
    send_batch(
        &producer,
        [first, EventData::from("second")],
        to_partition("0"),
    )
    .await?;
    let options = SendEventOptions {
        partition_id: Some("0".to_owned()),
    };
    producer.send_event("third", Some(options)).await?;
    let mut reader = Reader::open("0", None).await?;
    for _ in 0..3 {
        let received = reader.event().await?;
        let event = received.event_data();
        let enqueued = received.enqueued_time().ok_or("no enqueued time")?;
        report(&json!({
            "body": String::from_utf8_lossy(event.body().unwrap_or_default()),
            "properties": event.properties().into_iter().flatten()
                .map(|(key, value)| (key.clone(), json_of(value)))
                .collect::<Map<_, _>>(),
            "message_id": event.message_id().map(text),
            "correlation_id": event.correlation_id().map(text),
            "content_type": event.content_type(),
            "sequence_number": received.sequence_number(),
            "offset": received.offset(),
            "enqueued": u64::try_from(enqueued.duration_since(UNIX_EPOCH)?.as_millis())?,
        }));
    }
    Ok(())
}

fn json_of(value: &AmqpSimpleValue) -> Value {
    match value {
        AmqpSimpleValue::Boolean(flag) => json!(flag),
        AmqpSimpleValue::Int(number) => json!(number),
        AmqpSimpleValue::Long(number) => json!(number),
        AmqpSimpleValue::String(text) => json!(text),
        other => json!(format!("{other:?}")),
    }
}

fn text(id: &MessageId) -> String {
    match id {
        MessageId::String(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

async fn theft() -> Outcome {
    for level in [2, 3] {
        send("0", "one").await?;
        let mut holder = Reader::open("0", Some(2)).await?;
        holder.event().await?;
        let mut thief = Reader::open("0", Some(level)).await?;
        report(&json!({ "thief_reads": thief.body().await? }));
        refused("displaced", read_on(&mut holder)).await;
    }
    Ok(())
}

/// Reads until an error comes.
async fn read_on(reader: &mut Reader) -> Result<(), EventHubsError> {
    loop {
        reader.event().await?;
    }
}

async fn refusal() -> Outcome {
    send("0", "one").await?;
    let mut holder = Reader::open("0", Some(2)).await?;
    holder.event().await?;
    for level in [Some(1), None] {
        let mut asking = Reader::open("0", level).await?;
        refused("refused", asking.event()).await;
    }
    send("0", "two").await?;
    report(&json!({ "holder_reads": holder.body().await? }));
    Ok(())
}

async fn sixth() -> Outcome {
    send("0", "one").await?;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = Reader::open("0", None).await?;
        reader.event().await?;
        readers.push(reader);
    }
    let mut asking = Reader::open("0", None).await?;
    refused("refused", asking.event()).await;
    send("0", "two").await?;
    let mut read = Vec::new();
    for reader in &mut readers {
        read.push(reader.body().await?);
    }
    report(&json!({ "five_read": read }));
    Ok(())
}

async fn bad_partition() -> Outcome {
    refused("sent", send("9", "x")).await;
    let mut reader = Reader::open("9", None).await?;
    refused("read", reader.event()).await;
    Ok(())
}

/// Whatever the connection string is good for.
async fn attempt() -> Outcome {
    refused("asked", async {
        producer().await?.get_eventhub_properties().await
    })
    .await;
    refused("sent", async {
        producer().await?.send_event("x", None).await
    })
    .await;
    Ok(())
}

async fn oversize() -> Outcome {
    let producer = producer().await?;
    let options = || {
        Some(SendEventOptions {
            partition_id: Some("0".to_owned()),
        })
    };
    refused(
        "sent",
        producer.send_event(vec![b'x'; 1_200_000], options()),
    )
    .await;
    refused("then", producer.send_event("small", options())).await;
    Ok(())
}

async fn throttled() -> Outcome {
    let producer = producer().await?;
    for what in ["first", "second"] {
        let events = std::iter::repeat_n(EventData::from("x"), 1000);
        refused(what, send_batch(&producer, events, to_partition("0"))).await;
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
