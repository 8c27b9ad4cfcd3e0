//! JSON web tokens, as Microsoft Entra ID issues them, taken on trust.
//!
//! Their form, times and audience are checked as the service checks them; their signature is not, for it takes the
//! keys of the tenant that issued them. So anyone can write one: they are for development, and off unless asked for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::texts::{self, ServiceError};

/// Whom a token must be for; slashes at the end do not count.
const AUDIENCE: &str = "https://eventhubs.azure.net";

/// Checks a token at `now`, and tells when it expires (both Unix seconds).
///
/// # Errors
///
/// What to answer, when the token is malformed, not valid at this time, or for something else.
pub(crate) fn check(token: &str, now: i64) -> Result<i64, ServiceError> {
    let claims = claims(token).ok_or_else(texts::malformed_jwt)?;
    let expiry = time(&claims, "exp").ok_or_else(texts::malformed_jwt)?;
    if expiry <= now {
        return Err(texts::expired_token(expiry));
    }
    if time(&claims, "nbf").is_some_and(|not_before| not_before > now) {
        return Err(texts::jwt_not_valid_yet());
    }
    let is_for_us = |audience: &Value| {
        let audience = audience.as_str().unwrap_or_default();
        audience.trim_end_matches('/') == AUDIENCE
    };
    let meant = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_for_us),
        Some(audience) => is_for_us(audience),
        None => false,
    };
    if !meant {
        return Err(texts::wrong_jwt_audience(AUDIENCE));
    }
    Ok(expiry)
}

/// The claims of what has the form of a signed token.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_signed = parts.next().is_none()
        && object(header)?.get("alg")?.is_string()
        && !URL_SAFE_NO_PAD.decode(signature).ok()?.is_empty();
    is_signed.then(|| object(claims))?
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok()
}

/// A time in Unix seconds; fractions are allowed, and dropped.
fn time(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let number = claims.get(name)?;
    number
        .as_i64()
        .or_else(|| number.as_f64().map(|seconds| seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn token(claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        format!("{header}.{}.{}", encode(claims), encode("signature"))
    }

    fn refusal(token: &str) -> String {
        let error = check(token, NOW).unwrap_err();
        assert_eq!(error.condition, "com.microsoft:auth-failed");
        error.text
    }

    #[test]
    fn a_token_for_event_hubs_is_taken_until_it_expires() {
        for claims in [
            r#"{"aud":"https://eventhubs.azure.net","exp":1700000001}"#,
            r#"{"aud":"https://eventhubs.azure.net/","exp":1700000001,"nbf":1700000000}"#,
            r#"{"aud":["x","https://eventhubs.azure.net//"],"exp":1700000001.5}"#,
        ] {
            assert_eq!(check(&token(claims), NOW), Ok(NOW + 1), "{claims}");
        }
    }

    #[test]
    fn a_token_of_another_time_or_for_another_service_is_refused() {
        for (claims, text) in [
            (
                r#"{"aud":"https://eventhubs.azure.net","exp":1700000000}"#,
                "ExpiredToken: ",
            ),
            (
                r#"{"aud":"https://eventhubs.azure.net","exp":1700000009,"nbf":1700000001}"#,
                "InvalidToken: ",
            ),
            (
                r#"{"aud":"https://storage.azure.com","exp":1700000009}"#,
                "InvalidAudience: ",
            ),
            (r#"{"exp":1700000009}"#, "InvalidAudience: "),
            (
                r#"{"aud":"https://eventhubs.azure.net"}"#,
                "MalformedToken: ",
            ),
        ] {
            let refusal = refusal(&token(claims));
            assert!(refusal.starts_with(text), "{claims}: {refusal}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_signed_token_is_malformed() {
        let good = token(r#"{"aud":"https://eventhubs.azure.net","exp":1700000009}"#);
        assert!(check(&good, NOW).is_ok());
        let (unsigned, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = unsigned.split_once('.').unwrap();
        for bad in [
            "",
            "a.b.c",
            unsigned,
            &format!("{unsigned}."),
            &format!("{good}.more"),
            &format!("{claims}.{claims}.{signature}"),
            &format!("{header}.W10.{signature}"),
            &format!("{header}.{claims}=.{signature}"),
        ] {
            assert!(refusal(bad).starts_with("MalformedToken: "), "{bad}");
        }
    }
}
