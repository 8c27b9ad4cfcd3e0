//! What the service says when it refuses: conditions and texts, verbatim where they are known.
//!
//! Clients match on both, so neither may be reworded. Texts that could not be found in the wild
//! are marked as ours.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;

/// Error conditions of AMQP and of the service.
pub(crate) mod condition {
    pub(crate) const LINK_STOLEN: &str = "amqp:link:stolen";
    pub(crate) const NOT_FOUND: &str = "amqp:not-found";
    pub(crate) const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
    pub(crate) const UNAUTHORIZED_ACCESS: &str = "amqp:unauthorized-access";
    pub(crate) const MESSAGE_SIZE_EXCEEDED: &str = "amqp:link:message-size-exceeded";
    pub(crate) const ARGUMENT_ERROR: &str = "com.microsoft:argument-error";
    pub(crate) const ARGUMENT_OUT_OF_RANGE: &str = "com.microsoft:argument-out-of-range";
    pub(crate) const AUTH_FAILED: &str = "com.microsoft:auth-failed";
    pub(crate) const SERVER_BUSY: &str = "com.microsoft:server-busy";
}

/// An error as a client is told it: an AMQP condition and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{condition}: {text}")]
pub(crate) struct ServiceError {
    pub(crate) condition: &'static str,
    pub(crate) text: String,
}

impl ServiceError {
    fn new(condition: &'static str, text: String) -> Self {
        Self { condition, text }
    }

    /// The same error with the tracking suffix that ends most of the service's texts.
    #[must_use]
    pub(crate) fn tracked(mut self, scope: &Scope) -> Self {
        let (id, now) = (tracking_id(), timestamp());
        self.text += &format!(" TrackingId:{id}_G0_B0, SystemTracker:{scope}, Timestamp:{now}");
        self
    }
}

/// The longest beginning of a text of at most `max` bytes.
pub(crate) fn cut_to(text: &str, max: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| end <= max).last();
    &text[..end.unwrap_or(0)]
}

fn tracking_id() -> String {
    let id = RandomState::new();
    format!("{:016x}{:016x}", id.hash_one(0), id.hash_one(1))
}

fn timestamp() -> String {
    clock::iso_seconds(clock::unix_millis() / 1000, 'T')
}

/// A client was silent for too long.
pub(crate) fn silent(container: &str, allowed: Duration) -> String {
    format!(
        "The connection was inactive for more than the allowed {} milliseconds and is closed by container \
         '{container}'.",
        allowed.as_millis()
    )
}

/// A connection had no links for too long.
pub(crate) fn no_links(allowed: Duration) -> String {
    let (id, now, allowed) = (tracking_id(), timestamp(), allowed.as_millis());
    format!(
        "The connection was closed by container '{id}_G0' because it did not have any active links in the past \
         {allowed} milliseconds. TrackingId:{id}_G0, SystemTracker:gateway5, Timestamp:{now}"
    )
}

/// A link was not used for too long. The receiver's text is ours, after the sender's.
pub(crate) fn idle_link(name: &str, is_sender: bool, allowed: Duration) -> String {
    let (id, now) = (tracking_id(), timestamp());
    let (end, origin) = match is_sender {
        true => ("publisher", "AmqpEventHubPublisher"),
        false => ("consumer", "AmqpEventHubConsumer"),
    };
    let allowed = time_span(allowed);
    format!(
        "The link '<G0:0:{name}>' is force detached by the broker due to errors occurred in {end}(link40644). \
         Detach origin: {origin}.IdleTimerExpired: Idle timeout: {allowed}. \
         TrackingId:{id}_G0, SystemTracker:gateway5, Timestamp:{now}"
    )
}

/// A time as .NET's `TimeSpan` prints it: days and tenths of microseconds only where there are any.
fn time_span(time: Duration) -> String {
    let (seconds, ticks) = (time.as_secs(), time.subsec_nanos() / 100);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let days = match days {
        0 => String::new(),
        _ => format!("{days}."),
    };
    let fraction = match ticks {
        0 => String::new(),
        _ => format!(".{ticks:07}"),
    };
    format!("{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// Where something happened, as `SystemTracker` shows it: `ns:eventhub:hub~upper|group`.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    namespace: Arc<str>,
    hub: Arc<str>,
    /// The upper end of the partition's share of the 15-bit hash range; the whole hub's is 32766.
    upper: u32,
    group: Option<Arc<str>>,
}

impl Scope {
    const HASH_RANGE: u32 = 32_768;
    const WHOLE_HUB: u32 = 32_766;

    pub(crate) fn hub(namespace: &str, hub: &str) -> Self {
        Self {
            namespace: namespace.into(),
            hub: hub.into(),
            upper: Self::WHOLE_HUB,
            group: None,
        }
    }

    /// The same hub's partition `id` of `count`.
    pub(crate) fn partition(&self, id: u32, count: u32) -> Self {
        let upper = (id + 1) * Self::HASH_RANGE / count.max(1) - 1;
        Self {
            upper: upper.min(Self::WHOLE_HUB),
            ..self.clone()
        }
    }

    /// The same place as seen by a consumer group.
    pub(crate) fn group(&self, group: &str) -> Self {
        Self {
            group: Some(group.to_ascii_lowercase().into()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            hub,
            upper,
            group,
        } = self;
        write!(f, "{namespace}:eventhub:{hub}~{upper}")?;
        group.iter().try_for_each(|group| write!(f, "|{group}"))
    }
}

/// A receiver's name in texts; the service calls one without a name `nil`.
pub(crate) fn receiver_name(name: Option<&str>) -> &str {
    name.unwrap_or("nil")
}

/// The receiver `old` loses its place to `new`. "Higher" is said of an equal epoch too.
///
/// What the service shows as the epoch of a displaced receiver without one is not known: 0 here.
pub(crate) fn displaced(
    new: Option<&str>,
    new_epoch: i64,
    old: Option<&str>,
    old_epoch: Option<i64>,
) -> ServiceError {
    let (new, old) = (receiver_name(new), receiver_name(old));
    let old_epoch = old_epoch.unwrap_or(0);
    ServiceError::new(
        condition::LINK_STOLEN,
        format!(
            "New receiver '{new}' with higher epoch of '{new_epoch}' is created hence current receiver '{old}' with epoch '{old_epoch}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used."
        ),
    )
}

/// The receiver `new` asks for a place that `holder` has at a higher epoch.
pub(crate) fn lower_epoch(
    holder: Option<&str>,
    holder_epoch: i64,
    new: Option<&str>,
    new_epoch: i64,
) -> ServiceError {
    let (holder, new) = (receiver_name(holder), receiver_name(new));
    ServiceError::new(
        condition::LINK_STOLEN,
        format!(
            "Receiver '{holder}' with a higher epoch '{holder_epoch}' already exists. Receiver '{new}' with epoch {new_epoch} cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected."
        ),
    )
}

/// A receiver without an epoch asks for a place held with one.
pub(crate) fn non_epoch_refused(holder_epoch: i64) -> ServiceError {
    ServiceError::new(
        condition::LINK_STOLEN,
        format!(
            "At least one receiver for the endpoint is created with epoch of '{holder_epoch}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."
        ),
    )
}

/// One receiver too many without an epoch; `connected` are the names of those there.
pub(crate) fn too_many_receivers(connected: &[&str]) -> ServiceError {
    let (count, names) = (connected.len(), connected.join(", "));
    ServiceError::new(
        condition::RESOURCE_LIMIT_EXCEEDED,
        format!(
            "Exceeded the maximum number of allowed receivers per partition in a consumer group which is {count}. List of connected receivers - {names}."
        ),
    )
}

/// A start position beyond the end; `field` is `offset` or `sequence number`.
pub(crate) fn beyond_the_end(field: &str, supplied: i64, last: i64) -> ServiceError {
    ServiceError::new(
        condition::ARGUMENT_ERROR,
        format!(
            "The supplied {field} '{supplied}' is invalid. The last {field} in the system is '{last}'"
        ),
    )
}

/// A start-position filter outside the grammar. The text is ours.
pub(crate) fn invalid_filter() -> ServiceError {
    ServiceError::new(
        condition::ARGUMENT_ERROR,
        "The supplied selector filter is invalid. It should compare x-opt-offset, x-opt-sequence-number or x-opt-enqueued-time with a value by '>' or '>='.".into(),
    )
}

/// A partition id that the hub of `count` partitions does not have.
pub(crate) fn invalid_partition(count: u32) -> ServiceError {
    let last = count - 1;
    ServiceError::new(
        condition::ARGUMENT_OUT_OF_RANGE,
        format!(
            "The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and {last}."
        ),
    )
}

/// No such hub in the namespace.
pub(crate) fn hub_not_found(namespace: &str, hub: &str) -> ServiceError {
    not_found(&format!("sb://{namespace}.servicebus.windows.net/{hub}"))
}

/// No such consumer group in the hub.
pub(crate) fn group_not_found(scope: &Scope, group: &str) -> ServiceError {
    not_found(&scope.group(group).to_string())
}

fn not_found(entity: &str) -> ServiceError {
    ServiceError::new(
        condition::NOT_FOUND,
        format!(
            "The messaging entity '{entity}' could not be found. To know more visit https://aka.ms/sbResourceMgrExceptions. "
        ),
    )
}

/// A connection that has put too many tokens. The text is ours.
pub(crate) fn too_many_tokens() -> ServiceError {
    ServiceError::new(
        condition::RESOURCE_LIMIT_EXCEEDED,
        "The connection holds too many tokens.".to_owned(),
    )
}

/// A request to a node that it does not understand. The texts are ours.
pub(crate) fn bad_request(text: &str) -> ServiceError {
    ServiceError::new(condition::ARGUMENT_ERROR, text.to_owned())
}

/// A batch larger than the link allows.
pub(crate) fn message_too_large(delivery_id: u32, size: u64, limit: u64) -> ServiceError {
    ServiceError::new(
        condition::MESSAGE_SIZE_EXCEEDED,
        format!(
            "The received message (delivery-id:{delivery_id}, size:{size} bytes) exceeds the limit ({limit} bytes) currently allowed on the link."
        ),
    )
}

/// The entity at `scope` is throttled: `code` is 50002 where too much is sent, 50008 where too
/// much is asked of the management node. Tracked already, as the text runs on into the suffix.
///
/// The wait is all that a client is told of when to come back. The counters within are those of a
/// message seen in the wild, the same each time: what they count is not documented.
pub(crate) fn server_busy(scope: &Scope, code: u32, wait_seconds: u64) -> ServiceError {
    let entity = scope.to_string().to_ascii_uppercase();
    let namespace = scope.namespace.to_ascii_lowercase();
    let now = clock::iso_seconds(clock::unix_millis() / 1000, 'T');
    ServiceError::new(
        condition::SERVER_BUSY,
        format!(
            "The request was terminated because the entity is being throttled. Error code : {code}. Please wait {wait_seconds} seconds and try again. To know more visit https://aka.ms/sbResourceMgrExceptionsS:N:{entity},CL:2040,CC:2050,ACC:85870,LUR:IncomingBytes_{namespace}_409654-1,LUT:{now}.0000000Z,RC:210"
        ),
    )
    .tracked(scope)
}

/// The client holds no valid token for `resource`; `claim` is `Send`, `Listen` or `Manage`.
///
/// A link that outlives its token is detached with this, too: live links of the service have been seen to end so. That
/// an expired token is always the cause is unproven.
pub(crate) fn unauthorized(claim: &str, resource: &str) -> ServiceError {
    ServiceError::new(
        condition::UNAUTHORIZED_ACCESS,
        format!(
            "Unauthorized access. '{claim}' claim(s) are required to perform this operation. Resource: '{resource}'."
        ),
    )
}

/// A token past its expiry, a Unix time in seconds.
pub(crate) fn expired_token(expiry: i64) -> ServiceError {
    let expiry = clock::iso_seconds(expiry, ' ');
    ServiceError::new(
        condition::AUTH_FAILED,
        format!("ExpiredToken: The token is expired. Expiration time: '{expiry}Z'"),
    )
}

/// A token whose signature no key of the namespace made.
pub(crate) fn invalid_signature() -> ServiceError {
    ServiceError::new(
        condition::AUTH_FAILED,
        "InvalidSignature: The token has an invalid signature.".into(),
    )
}

/// A token signed for another resource. The text is ours.
pub(crate) fn wrong_resource(resource: &str, audience: &str) -> ServiceError {
    ServiceError::new(
        condition::AUTH_FAILED,
        format!("InvalidAudience: The token for '{resource}' does not cover '{audience}'."),
    )
}

/// A JSON web token where none are taken. The text is ours.
pub(crate) fn jwt_not_accepted() -> ServiceError {
    auth_failed(
        "InvalidToken: The emulator accepts shared access signatures only, no JSON web tokens, unless it is told to.",
    )
}

/// What should be a JSON web token and is none. The text is ours.
pub(crate) fn malformed_jwt() -> ServiceError {
    auth_failed("MalformedToken: The token is not a signed JSON web token with an expiry.")
}

/// A JSON web token that becomes valid later. The text is ours.
pub(crate) fn jwt_not_valid_yet() -> ServiceError {
    auth_failed("InvalidToken: The token is not valid yet.")
}

/// A JSON web token for another service than `audience`. The text is ours.
pub(crate) fn wrong_jwt_audience(audience: &str) -> ServiceError {
    auth_failed(&format!(
        "InvalidAudience: The token is not for '{audience}'."
    ))
}

fn auth_failed(text: &str) -> ServiceError {
    ServiceError::new(condition::AUTH_FAILED, text.to_owned())
}

/// A namespace that has as many connections as its tier allows. The sentence is the service's; that it is said over
/// AMQP, and under this condition, is unproven.
pub(crate) fn too_many_connections(namespace: &str) -> ServiceError {
    ServiceError::new(
        condition::RESOURCE_LIMIT_EXCEEDED,
        format!("ConnectionsQuotaExceeded for namespace {namespace}."),
    )
}

/// A receiver's name of more than `limit` characters. The text is ours.
pub(crate) fn receiver_name_too_long(limit: usize) -> ServiceError {
    ServiceError::new(
        condition::ARGUMENT_ERROR,
        format!("The receiver's name is too long. It should have {limit} characters at most."),
    )
}

/// A partition key of more than `limit` characters. The text is ours.
pub(crate) fn partition_key_too_long(limit: usize) -> ServiceError {
    ServiceError::new(
        condition::ARGUMENT_ERROR,
        format!("The partition key is too long. It should have {limit} characters at most."),
    )
}

/// A token that is no shared access signature. The text is ours.
pub(crate) fn malformed_token() -> ServiceError {
    ServiceError::new(
        condition::AUTH_FAILED,
        "MalformedToken: The token is not a shared access signature with sr, sig, se and skn."
            .into(),
    )
}

#[cfg(test)]
mod tests;
