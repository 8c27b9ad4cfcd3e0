//! The crate azeventhubs: over TLS, and one batch in flight, since it sends by `&mut self`.

use azeventhubs::producer::{
    CreateBatchOptions, EventHubProducerClient, EventHubProducerClientOptions, SendEventOptions,
};
use azeventhubs::{EventData, EventHubConnectionOptions};

use crate::support::{Failure, Load, Usage};

pub(super) fn options() -> String {
    "batches as full as the link takes them, for each partition in turn".into()
}

pub(super) async fn batches(load: &Load) -> Result<Usage, Failure> {
    let options = EventHubProducerClientOptions {
        connection_options: EventHubConnectionOptions {
            custom_endpoint_address: Some(load.endpoint("amqps").parse()?),
            ..Default::default()
        },
        ..Default::default()
    };
    let client = EventHubProducerClient::new_from_connection_string(load.portless(), None, options);
    let mut client = Box::pin(client).await?;
    let body = load.body();
    let mut partition = 0;
    load.measure(async |events| {
        let mut left = events;
        while left > 0 {
            let mut batch = Box::pin(client.create_batch(CreateBatchOptions::default())).await?;
            while left > 0 && batch.try_add(EventData::from(body)).is_ok() {
                left -= 1;
            }
            let to = SendEventOptions::new().with_partition_id(partition.to_string());
            partition = (partition + 1) % Load::PARTITIONS;
            Box::pin(client.send_batch(batch, to)).await?;
        }
        Ok(())
    })
    .await
}
