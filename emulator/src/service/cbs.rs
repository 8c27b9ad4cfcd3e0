//! The `$cbs` node: takes tokens, and grants what they allow to the connection they came on.

use super::authorization::Authorization;
use super::message::{Answer, Request};
use crate::namespace::Namespace;
use crate::texts::{self, ServiceError, condition};
use crate::wire::value::Value;

const SAS_TOKEN: &str = "servicebus.windows.net:sastoken";
const JWT: &str = "jwt";
/// The longest audience kept, in bytes: many times that of any entity.
const MAX_AUDIENCE: usize = 2048;

/// Answers a request at `now` (Unix seconds). What the service says to a request that it does not understand is not
/// known: those texts are ours.
pub(super) fn answer(
    request: &Request,
    namespace: &Namespace,
    authorization: &mut Authorization,
    now: i64,
) -> Answer {
    match put(request, namespace, authorization, now) {
        Ok(()) => Answer {
            status: 202,
            description: "Accepted".to_owned(),
            error: None,
            body: Value::Null,
        },
        Err(error) => Answer {
            status: match error.condition {
                condition::ARGUMENT_ERROR => 400,
                condition::RESOURCE_LIMIT_EXCEEDED => 403,
                _ => 401,
            },
            description: error.text,
            error: Some(error.condition),
            body: Value::Null,
        },
    }
}

fn put(
    request: &Request,
    namespace: &Namespace,
    authorization: &mut Authorization,
    now: i64,
) -> Result<(), ServiceError> {
    if request.text("operation") != Some("put-token") {
        return Err(texts::bad_request(
            "The operation is not supported. It should be put-token.",
        ));
    }
    let audience = request
        .text("name")
        .filter(|name| (1..=MAX_AUDIENCE).contains(&name.len()))
        .ok_or_else(|| {
            texts::bad_request("The name of what the token is for is missing or too long.")
        })?;
    let token = request
        .body
        .as_text()
        .ok_or_else(|| texts::bad_request("The token is missing. It should be a string."))?;
    let authorized = match request.text("type") {
        Some(SAS_TOKEN) => namespace.authorize(token, audience, now)?,
        Some(JWT) => namespace.authorize_jwt(token, audience, now)?,
        _ => {
            return Err(texts::bad_request(
                "The type of the token is missing or not supported. It should be servicebus.windows.net:sastoken or jwt.",
            ));
        }
    };
    if !authorization.put(audience, authorized, now) {
        return Err(texts::too_many_tokens());
    }
    Ok(())
}
