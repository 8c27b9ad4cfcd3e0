//! The official SDK, `azure_messaging_eventhubs`.

use std::sync::Arc;

use azure_messaging_eventhubs::{
    ConsumerClient, OpenReceiverOptions, StartLocation, StartPosition,
};
use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Meter, Usage, all};

/// The default: more costs more CPU time, and is no faster.
const PREFETCH: u32 = 300;

pub(super) fn options() -> String {
    format!("prefetch {PREFETCH}, a task for each partition")
}

pub(super) async fn receiver(load: &Load) -> Result<Usage, Failure> {
    let client = ConsumerClient::builder()
        .with_custom_endpoint(load.endpoint("amqp"))
        .open_with_connection_string(&load.portless(), None)
        .await?;
    let client = Arc::new(client);
    let meter = Meter::start();
    let mut lanes = JoinSet::new();
    for partition in 0..Load::PARTITIONS {
        let (client, load) = (Arc::clone(&client), load.clone());
        lanes.spawn(async move {
            let options = OpenReceiverOptions {
                prefetch: Some(PREFETCH),
                start_position: Some(StartPosition {
                    location: StartLocation::Earliest,
                    ..Default::default()
                }),
                ..Default::default()
            };
            let partition = partition.to_string();
            let opening = client.open_receiver_on_partition(partition, Some(options));
            let receiver = opening.await?;
            let mut events = receiver.stream_events();
            for _ in 0..load.share() {
                let event = events.next().await.ok_or("the stream has ended")??;
                load.check(event.event_data().body().map_or(0, <[u8]>::len))?;
            }
            Ok(())
        });
    }
    all(lanes).await?;
    Ok(meter.stop(load.events, 0))
}
