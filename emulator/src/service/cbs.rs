//! The `$cbs` node: takes tokens, and grants what they allow to the connection they came on.

use super::authorization::Authorization;
use super::message::{Answer, Request};
use crate::namespace::Namespace;
use crate::texts::condition;
use crate::wire::value::Value;

const SAS_TOKEN: &str = "servicebus.windows.net:sastoken";

/// Answers a request at `now` (Unix seconds).
pub(super) fn answer(
    request: &Request,
    namespace: &Namespace,
    authorization: &mut Authorization,
    now: i64,
) -> Answer {
    let refused = |status, error, description: &str| Answer {
        status,
        description: description.to_owned(),
        error: Some(error),
        body: Value::Null,
    };
    if request.text("operation") != Some("put-token") {
        return refused(
            400,
            condition::ARGUMENT_ERROR,
            "The operation is not supported.",
        );
    }
    let (Some(audience), Some(token)) = (request.text("name"), request.body.as_text()) else {
        return refused(
            400,
            condition::ARGUMENT_ERROR,
            "A put-token needs a name and a token.",
        );
    };
    if request.text("type") != Some(SAS_TOKEN) {
        return refused(
            401,
            condition::UNAUTHORIZED_ACCESS,
            "Only shared access signatures are accepted.",
        );
    }
    match namespace.authorize(token, audience, now) {
        Err(error) => refused(401, error.condition, &error.text),
        Ok(authorized) => {
            if authorization.put(audience, authorized, now) {
                Answer {
                    status: 202,
                    description: "Accepted".to_owned(),
                    error: None,
                    body: Value::Null,
                }
            } else {
                refused(
                    403,
                    condition::RESOURCE_LIMIT_EXCEEDED,
                    "The connection holds too many tokens.",
                )
            }
        }
    }
}
