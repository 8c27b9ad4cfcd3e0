//! Another reader, as another program would be: it takes a partition away.

use eventhubs_flow::consumer::epoch_safe::ConsumerHandle;
use eventhubs_flow::transport::{AmqpConsumer, ReceiverOptions, TransportConsumer};
use eventhubs_flow::{Error, PartitionId};

const PARTITION: PartitionId = PartitionId::new(0);

/// What a rival is made of: the bare transport, and whom it is a rival of.
pub(crate) struct Rival {
    consumer: AmqpConsumer,
    ours: ConsumerHandle,
}

impl Rival {
    pub(crate) fn new(consumer: AmqpConsumer, ours: ConsumerHandle) -> Self {
        Self { consumer, ours }
    }

    /// Takes partition 0 at our own owner level, where the newcomer wins, and holds it
    /// until we take it back. Returns the level.
    pub(crate) async fn take(&self) -> Result<i64, Error> {
        let ours = self.ours.snapshot().partitions;
        let mut ours = ours.iter().filter(|it| it.partition == PARTITION);
        let level = ours.next().and_then(|it| it.owner_level).unwrap_or(0);
        let mut options = ReceiverOptions::new(PARTITION);
        options.owner_level = Some(level);
        options.name = Some("rival".to_owned());
        let mut receiver = self.consumer.open_receiver(options).await?;
        tokio::spawn(async move { receiver.ended().await });
        Ok(level)
    }
}
