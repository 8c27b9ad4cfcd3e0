//! What the `$management` node tells of a hub and its partitions.

use std::sync::Arc;

use fe2o3_amqp::types::primitives::{OrderedMap, Value};
use tokio::time::timeout;

use super::connection::{Connection, timed_out};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::transport::{HubProperties, PartitionProperties};
use crate::value::Timestamp;

pub(super) const ADDRESS: &str = "$management";

/// Reads the properties of the hub.
pub(super) async fn hub(connection: &Arc<Connection>) -> Result<HubProperties, Error> {
    let token = connection.token().await?;
    let answer = read(
        connection,
        [
            ("operation", "READ".to_owned()),
            ("name", connection.hub().to_owned()),
            ("type", "com.microsoft:eventhub".to_owned()),
            ("security_token", token),
        ],
    );
    let answer = answer.await?;
    let partitions: Option<Result<_, _>> = match answer.get("partition_ids") {
        Some(Value::Array(ids)) => Some(ids.0.iter().map(partition_id).collect()),
        Some(Value::List(ids)) => Some(ids.iter().map(partition_id).collect()),
        _ => None,
    };
    Ok(HubProperties {
        name: answer.string("name")?,
        created_at: answer.time("created_at")?.into(),
        partitions: partitions.ok_or_else(|| missing("partition_ids"))??,
    })
}

/// Reads the properties of a partition.
pub(super) async fn partition(
    connection: &Arc<Connection>,
    partition: PartitionId,
) -> Result<PartitionProperties, Error> {
    let token = connection.token().await?;
    let answer = read(
        connection,
        [
            ("operation", "READ".to_owned()),
            ("name", connection.hub().to_owned()),
            ("type", "com.microsoft:partition".to_owned()),
            ("partition", partition.to_string()),
            ("security_token", token),
        ],
    );
    let answer = answer.await?;
    Ok(PartitionProperties {
        partition,
        beginning_sequence_number: answer.long("begin_sequence_number")?,
        last_enqueued_sequence_number: answer.long("last_enqueued_sequence_number")?,
        last_enqueued_offset: answer.string("last_enqueued_offset")?,
        last_enqueued_time: answer.time("last_enqueued_time_utc")?.into(),
        is_empty: answer.bool("is_partition_empty")?,
    })
}

async fn read<const N: usize>(
    connection: &Arc<Connection>,
    properties: [(&'static str, String); N],
) -> Result<Answer, Error> {
    let node = connection.management().await?;
    let asked = Arc::clone(connection);
    let answer = connection.in_task(async move {
        let limit = asked.try_timeout();
        let call = async { node.lock().await.call(properties, Value::Null).await };
        let answer = match timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out("calling $management", limit)),
        };
        if let Err(error) = &answer
            && matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout)
        {
            asked.forget_management(&node).await;
        }
        answer
    });
    match answer.await? {
        Value::Map(map) => Ok(Answer(map)),
        _ => Err(Error::new(
            ErrorKind::Protocol,
            "$management answered without a map",
        )),
    }
}

/// The map that an answer holds.
struct Answer(OrderedMap<Value, Value>);

impl Answer {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(&Value::String(name.to_owned()))
    }

    fn string(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(missing(name)),
        }
    }

    fn long(&self, name: &str) -> Result<i64, Error> {
        match self.get(name) {
            Some(Value::Long(number)) => Ok(*number),
            Some(Value::Int(number)) => Ok((*number).into()),
            _ => Err(missing(name)),
        }
    }

    fn time(&self, name: &str) -> Result<Timestamp, Error> {
        match self.get(name) {
            Some(Value::Timestamp(time)) => Ok(Timestamp::from_millis(time.milliseconds())),
            _ => Err(missing(name)),
        }
    }

    fn bool(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            Some(Value::Bool(is)) => Ok(*is),
            _ => Err(missing(name)),
        }
    }
}

fn partition_id(value: &Value) -> Result<PartitionId, Error> {
    match value {
        Value::String(id) => id.parse(),
        _ => Err(missing("partition_ids")),
    }
}

fn missing(name: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("$management answered without a readable {name}"),
    )
}
