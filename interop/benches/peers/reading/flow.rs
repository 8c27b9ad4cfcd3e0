//! Ours.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::{ReceiverOptions, StartPosition, TransportConsumer};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Meter, Usage, all};

/// Of each partition: the default. What is more falls out of the caches.
const PREFETCH: NonZeroU32 = NonZeroU32::new(300).expect("not zero");

pub(super) fn consumer_options() -> String {
    format!("prefetch of {PREFETCH} events by default, one stream of all partitions")
}

pub(super) async fn consumer(load: &Load) -> Result<Usage, Failure> {
    let hub = EventHub::connect(&load.plain()).await?;
    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_prefetch_events(PREFETCH);
    let meter = Meter::start();
    let mut events = hub.epoch_safe_consumer(options).await?;
    for _ in 0..load.events {
        let event = events.next().await.ok_or("no partition is left")??;
        load.check(event.body().len())?;
    }
    let usage = meter.stop(load.events, 0);
    events.close().await?;
    hub.close().await?;
    Ok(usage)
}

pub(super) fn receiver_options() -> String {
    format!("receive({PREFETCH}), a task for each partition")
}

pub(super) async fn receiver(load: &Load) -> Result<Usage, Failure> {
    let hub = EventHub::connect(&load.plain()).await?;
    let consumer = Arc::new(hub.consumer());
    let meter = Meter::start();
    let mut lanes = JoinSet::new();
    for partition in 0..Load::PARTITIONS {
        let (consumer, load) = (Arc::clone(&consumer), load.clone());
        lanes.spawn(async move {
            let options = ReceiverOptions::new(PartitionId::new(partition));
            let mut receiver = consumer.open_receiver(options).await?;
            let mut left = load.share();
            while left > 0 {
                let events = receiver.receive(PREFETCH).await?;
                left -= events.len() as u64;
                for event in events {
                    load.check(event.body().len())?;
                }
            }
            Ok(())
        });
    }
    all(lanes).await?;
    let usage = meter.stop(load.events, 0);
    hub.close().await?;
    Ok(usage)
}

/// Gives each partition its share of the events.
pub(crate) async fn fill(load: &Load) -> Result<Usage, Failure> {
    let hub = EventHub::connect(&load.plain()).await?;
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await?;
    let meter = Meter::start();
    for number in 0..load.events {
        let partition = number % u64::from(Load::PARTITIONS);
        let partition = PartitionId::new(u32::try_from(partition)?);
        let event = EventData::new(load.body()).with_target(partition);
        producer.enqueue(event).await?;
    }
    match producer.close(Duration::MAX).await.into_result() {
        Ok(_) => Ok(meter.stop(load.events, 0)),
        Err(report) => Err(format!("{report:?}").into()),
    }
}
