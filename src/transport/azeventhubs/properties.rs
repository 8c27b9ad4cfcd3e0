//! What azeventhubs tells of a hub and its partitions.

use azeventhubs::{EventHubProperties, PartitionProperties as Told};

use super::errors::{self, Foreign};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::transport::{HubProperties, PartitionProperties};

/// The partitions that are known to be there: azeventhubs is not asked for another,
/// since it would not say what was wrong, and might wait for ever.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<PartitionId>);

impl Known {
    pub(super) fn has(&self, partition: PartitionId) -> bool {
        self.0.contains(&partition)
    }

    /// # Errors
    /// [`ErrorKind::InvalidPartition`] if the hub has no such partition.
    pub(super) fn learn(
        &mut self,
        hub: &HubProperties,
        partition: PartitionId,
    ) -> Result<(), Error> {
        self.0.clone_from(&hub.partitions);
        match self.has(partition) {
            true => Ok(()),
            false => {
                let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
                Err(Error::invalid_partition(partition, count))
            }
        }
    }
}

pub(super) fn of_the_hub(
    told: Result<EventHubProperties, impl Foreign>,
) -> Result<HubProperties, Error> {
    let told = told.map_err(|error| {
        let error = errors::explain(error, "reading the hub's properties");
        match error.kind() {
            ErrorKind::Protocol => Error::new(
                ErrorKind::Protocol,
                "azeventhubs does not tell why the hub's properties are refused: there may be no such hub, or the credentials lack the right",
            )
            .with_source(error),
            _ => error,
        }
    })?;
    let partitions = told.partition_ids().iter().map(|id| id.parse());
    Ok(HubProperties {
        name: told.name().to_owned(),
        created_at: (*told.created_on()).into(),
        partitions: partitions.collect::<Result<_, _>>()?,
    })
}

pub(super) fn of_a_partition(
    partition: PartitionId,
    told: Result<Told, impl Foreign>,
) -> Result<PartitionProperties, Error> {
    let told = told.map_err(|error| {
        let what = format!("reading the properties of partition {partition}");
        errors::explain(error, &what)
    })?;
    Ok(PartitionProperties {
        partition,
        beginning_sequence_number: told.beginning_sequence_number(),
        last_enqueued_sequence_number: told.last_enqueued_sequence_number(),
        last_enqueued_offset: told.last_enqueued_offset().to_string(),
        last_enqueued_time: (*told.last_enqueued_time()).into(),
        is_empty: told.is_empty(),
    })
}
