//! The `$management` node: tells about hubs and partitions.

use super::authorization::Authorization;
use super::message::{Answer, Request};
use crate::hub::Hub;
use crate::namespace::Namespace;
use crate::texts::{self, ServiceError, condition};
use crate::wire::value::Value;

const EVENT_HUB: &str = "com.microsoft:eventhub";
const PARTITION: &str = "com.microsoft:partition";

/// Answers a request at `now` (Unix seconds).
pub(super) fn answer(
    request: &Request,
    namespace: &Namespace,
    authorization: &Authorization,
    now: i64,
) -> Answer {
    let body = read(request, namespace, authorization, now);
    match body {
        Ok(body) => Answer {
            status: 200,
            description: "OK".to_owned(),
            error: None,
            body,
        },
        Err(error) => Answer {
            status: match error.condition {
                condition::UNAUTHORIZED_ACCESS => 401,
                condition::NOT_FOUND => 404,
                _ => 400,
            },
            description: error.text,
            error: Some(error.condition),
            body: Value::Null,
        },
    }
}

fn read(
    request: &Request,
    namespace: &Namespace,
    authorization: &Authorization,
    now: i64,
) -> Result<Value, ServiceError> {
    if request.text("operation") != Some("READ") {
        return Err(texts::bad_request("The operation is not supported."));
    }
    let name = request
        .text("name")
        .ok_or_else(|| texts::bad_request("The name of an event hub is missing."))?;
    // Some SDKs ask for rights on the hub, some on its management node, some send the token along. Any right is enough:
    // the service's built-in roles let senders as well as receivers read this.
    let node = format!("{name}/$management");
    let resource = format!("sb://{}.servicebus.windows.net/{name}", namespace.name());
    let sent_along = request
        .text("security_token")
        .and_then(|token| namespace.authenticate(token, now).ok());
    let allowed = [name, &node, "$management"].iter().any(|path| {
        authorization.covers(path, now)
            || sent_along.as_ref().is_some_and(|token| token.covers(path))
    });
    if !allowed {
        return Err(texts::unauthorized("Manage,EventHubs", &resource));
    }
    let hub = namespace.hub(name)?;
    match request.text("type") {
        Some(EVENT_HUB) => Ok(hub_properties(hub)),
        Some(PARTITION) => partition_properties(hub, request),
        _ => Err(texts::bad_request("The type of entity is not supported.")),
    }
}

fn hub_properties(hub: &Hub) -> Value {
    let ids: Vec<String> = (0..hub.partition_count())
        .map(|id| id.to_string())
        .collect();
    map([
        ("name", Value::string(hub.name())),
        ("type", Value::string(EVENT_HUB)),
        ("created_at", Value::Timestamp(hub.created_at())),
        ("partition_count", Value::Int(hub.partition_count() as i32)),
        (
            "partition_ids",
            Value::string_array(ids.iter().map(String::as_str)),
        ),
        ("georeplication_factor", Value::Int(1)),
    ])
}

fn partition_properties(hub: &Hub, request: &Request) -> Result<Value, ServiceError> {
    let (id, log) = hub.partition(request.text("partition").unwrap_or_default())?;
    let info = log.info();
    Ok(map([
        ("name", Value::string(hub.name())),
        ("type", Value::string(PARTITION)),
        ("partition", Value::String(id.to_string())),
        (
            "begin_sequence_number",
            Value::Long(info.begin_sequence_number),
        ),
        ("begin_sequence_number_epoch", Value::Int(-1)),
        (
            "last_enqueued_sequence_number",
            Value::Long(info.last_sequence_number),
        ),
        ("last_enqueued_sequence_number_epoch", Value::Int(-1)),
        (
            "last_enqueued_offset",
            Value::String(info.last_offset.to_string()),
        ),
        (
            "last_enqueued_time_utc",
            Value::Timestamp(info.last_enqueued_time),
        ),
        ("is_partition_empty", Value::Bool(info.is_empty)),
    ]))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (Value::string(key), value))
            .collect(),
    )
}
