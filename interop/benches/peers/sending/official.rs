//! The official SDK, `azure_messaging_eventhubs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_messaging_eventhubs::models::EventData;
use azure_messaging_eventhubs::{BufferedProducerClient, EventDataBatchOptions, ProducerClient};
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Usage, all};

/// Also the most events of a batch.
const BUFFERED_EVENTS: usize = 65_536;

pub(super) fn batch_options(in_flight: u32) -> String {
    match in_flight {
        1 => "batches as full as the link takes them, for each partition in turn".into(),
        _ => format!(
            "batches as full as the link takes them, {in_flight} in flight, one for each partition"
        ),
    }
}

/// With so many in flight: in a task each, with partitions of its own.
pub(super) async fn batches(load: &Load, in_flight: u32) -> Result<Usage, Failure> {
    let client = ProducerClient::builder()
        .with_custom_endpoint(load.endpoint("amqp"))
        .open_with_connection_string(&load.portless(), None)
        .await?;
    let client = Arc::new(client);
    let body = load.body();
    load.measure(async |events| {
        let share = events / u64::from(in_flight);
        let mut lanes = JoinSet::new();
        for lane in 0..in_flight {
            let client = Arc::clone(&client);
            lanes.spawn(async move {
                let (mut left, mut partition) = (share, lane);
                while left > 0 {
                    let options = EventDataBatchOptions {
                        partition_id: Some(partition.to_string()),
                        ..Default::default()
                    };
                    partition = (partition + in_flight) % Load::PARTITIONS;
                    let batch = client.create_batch(Some(options)).await?;
                    while left > 0 && batch.try_add_event_data(EventData::from(body), None)? {
                        left -= 1;
                    }
                    client.send_batch(batch, None).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        all(lanes).await
    })
    .await
}

pub(super) fn buffered_options() -> String {
    format!(
        "with_max_buffered_event_count_per_partition({BUFFERED_EVENTS}), events for any partition"
    )
}

pub(super) async fn buffered(load: &Load) -> Result<Usage, Failure> {
    let failed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&failed);
    let client = BufferedProducerClient::builder()
        .with_custom_endpoint(load.endpoint("amqp"))
        .with_max_buffered_event_count_per_partition(BUFFERED_EVENTS)
        .with_on_send_failed(move |_| {
            told.store(true, Ordering::Relaxed);
            std::future::ready(())
        })
        .open_with_connection_string(&load.portless(), None)
        .await?;
    let body = load.body();
    load.measure(async |events| {
        for _ in 0..events {
            client.enqueue_event(body, None).await?;
        }
        client.flush().await?;
        match failed.load(Ordering::Relaxed) {
            true => Err("a batch has failed".into()),
            false => Ok(()),
        }
    })
    .await
}
