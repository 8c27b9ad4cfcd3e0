//! The crate azeventhubs: over TLS.

use azeventhubs::EventHubConnectionOptions;
use azeventhubs::consumer::{
    EventHubConsumerClient, EventHubConsumerClientOptions, ReadEventOptions,
};
use futures_util::StreamExt;

use crate::support::{Failure, Load, Meter, Usage};

/// The default.
const PREFETCH: u32 = 300;

pub(super) fn options() -> String {
    format!(
        "prefetch_count {PREFETCH}, track_last_enqueued_event_properties off, one stream of all partitions"
    )
}

pub(super) async fn stream(load: &Load) -> Result<Usage, Failure> {
    let options = EventHubConsumerClientOptions {
        connection_options: EventHubConnectionOptions {
            custom_endpoint_address: Some(load.endpoint("amqps").parse()?),
            ..Default::default()
        },
        ..Default::default()
    };
    let group = EventHubConsumerClient::DEFAULT_CONSUMER_GROUP_NAME;
    let client =
        EventHubConsumerClient::new_from_connection_string(group, load.portless(), None, options);
    let mut client = Box::pin(client).await?;
    let options = ReadEventOptions {
        prefetch_count: PREFETCH,
        track_last_enqueued_event_properties: false,
        ..Default::default()
    };
    let meter = Meter::start();
    let mut events = Box::pin(client.read_events(true, options)).await?;
    for _ in 0..load.events {
        let event = events.next().await.ok_or("the stream has ended")??;
        load.check(event.body()?.len())?;
    }
    Ok(meter.stop(load.events, 0))
}
