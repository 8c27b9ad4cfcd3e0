//! Shared access signatures.
//!
//! A token is `SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>&skn=<key name>`,
//! its values URL-encoded. What is signed is `sr` exactly as it stands in the token (SDKs differ
//! in the case of their escapes), a line feed and `se`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::access_key::{AccessKey, Right, Rights};
use crate::texts::{self, ServiceError};

/// What a valid token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorized {
    /// Unix time in seconds.
    pub(crate) expires_at: i64,
    rights: Rights,
    resource: Resource,
}

impl Authorized {
    /// What a client may do who has shown the key itself.
    pub(crate) fn with_key(key: &AccessKey) -> Self {
        Self {
            expires_at: i64::MAX,
            rights: key.rights,
            resource: Resource {
                host: String::new(),
                path: key.hub.as_deref().map(normal_path).unwrap_or_default(),
            },
        }
    }

    /// Rights at whatever a token was presented for, `audience`.
    pub(crate) fn for_audience(audience: &str, rights: Rights, expires_at: i64) -> Self {
        Self {
            expires_at,
            rights,
            resource: Resource::parse(audience),
        }
    }

    /// Whether the token gives `right` at an entity's address.
    pub(crate) fn allows(&self, right: Right, address: &str) -> bool {
        self.rights.has(right) && self.covers(address)
    }

    /// Whether the token is good for an entity's address, such as `hub/Partitions/0`.
    pub(crate) fn covers(&self, address: &str) -> bool {
        self.resource.covers_path(&normal_path(address))
    }
}

/// Checks a token that a client presents for `audience` at `now` (Unix seconds).
///
/// # Errors
///
/// What to answer, when the token is malformed, expired, forged or for something else.
pub(crate) fn verify(
    token: &str,
    audience: &str,
    keys: &[AccessKey],
    now: i64,
) -> Result<Authorized, ServiceError> {
    let authorized = authenticate(token, keys, now)?;
    let Resource { host, path } = &authorized.resource;
    if !authorized.resource.covers(&Resource::parse(audience)) {
        return Err(texts::wrong_resource(&format!("{host}/{path}"), audience));
    }
    Ok(authorized)
}

/// Checks a token at `now` (Unix seconds), whatever it is for.
///
/// # Errors
///
/// What to answer, when the token is malformed, expired or forged.
pub(crate) fn authenticate(
    token: &str,
    keys: &[AccessKey],
    now: i64,
) -> Result<Authorized, ServiceError> {
    let token = Token::parse(token).ok_or_else(texts::malformed_token)?;
    let decoded = percent_decode(token.resource).ok_or_else(texts::malformed_token)?;
    let resource = Resource::parse(&decoded);
    // A hub's key is unknown to the namespace and to other hubs.
    let signed_by = |key: &&AccessKey| {
        key.name == token.key_name
            && Authorized::with_key(key).covers(&resource.path)
            && token.is_signed_with(&key.key)
    };
    let key = keys.iter().find(signed_by);
    let key = key.ok_or_else(texts::invalid_signature)?;
    if token.expiry <= now {
        return Err(texts::expired_token(token.expiry));
    }
    Ok(Authorized {
        expires_at: token.expiry,
        rights: key.rights,
        resource,
    })
}

/// What a client may do who shows `key` as the access key of that name; `None` if it is not.
pub(crate) fn sign_in(keys: &[AccessKey], name: &str, key: &[u8]) -> Option<Authorized> {
    // Digests, so that the time it takes says nothing about the key.
    let digest = Sha256::digest(key);
    keys.iter()
        .find(|known| known.name == name && Sha256::digest(&known.key) == digest)
        .map(Authorized::with_key)
}

/// A token taken apart; `resource` and `expiry_text` are as received.
struct Token<'a> {
    resource: &'a str,
    signature: Vec<u8>,
    expiry_text: &'a str,
    expiry: i64,
    key_name: String,
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Option<Self> {
        let fields = token.strip_prefix("SharedAccessSignature ")?;
        let (mut sr, mut sig, mut se, mut skn) = (None, None, None, None);
        for field in fields.split('&') {
            let (name, value) = field.split_once('=')?;
            match name {
                "sr" => sr = Some(value),
                "sig" => sig = Some(value),
                "se" => se = Some(value),
                "skn" => skn = Some(value),
                _ => {}
            }
        }
        let expiry_text = se?;
        Some(Self {
            resource: sr?,
            signature: STANDARD.decode(percent_decode(sig?)?).ok()?,
            expiry_text,
            expiry: expiry_text.parse().ok()?,
            key_name: percent_decode(skn?)?,
        })
    }

    fn is_signed_with(&self, key: &str) -> bool {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        hmac.update(self.resource.as_bytes());
        hmac.update(b"\n");
        hmac.update(self.expiry_text.as_bytes());
        hmac.verify_slice(&self.signature).is_ok()
    }
}

/// Host and path of a resource, lower-cased; scheme and port do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    host: String,
    path: String,
}

impl Resource {
    fn parse(uri: &str) -> Self {
        let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        Self {
            host: host.to_ascii_lowercase(),
            path: normal_path(path),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.host == other.host && self.covers_path(&other.path)
    }

    /// Whether `path` is this path or lies below it.
    fn covers_path(&self, path: &str) -> bool {
        self.path.is_empty()
            || path
                .strip_prefix(&self.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn normal_path(path: &str) -> String {
    path.trim_matches('/').to_ascii_lowercase()
}

/// `None` if an escape is cut short, is no hexadecimal number or does not make UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            decoded.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
            rest = tail;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const LATER: i64 = NOW + 3600;

    fn keys() -> Vec<AccessKey> {
        vec![
            AccessKey::new("Root", "SAS_KEY_VALUE"),
            AccessKey::new("Other", "other key"),
        ]
    }

    /// A token over `sr`, which is already encoded.
    fn token(sr: &str, expiry: i64, name: &str, key: &str) -> String {
        let mut hmac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        hmac.update(format!("{sr}\n{expiry}").as_bytes());
        let signature = STANDARD.encode(hmac.finalize().into_bytes());
        let signature = signature
            .replace('+', "%2B")
            .replace('/', "%2f")
            .replace('=', "%3D");
        format!("SharedAccessSignature sr={sr}&sig={signature}&se={expiry}&skn={name}")
    }

    fn check(sr: &str, audience: &str) -> Result<Authorized, ServiceError> {
        let token = token(sr, LATER, "Root", "SAS_KEY_VALUE");
        verify(&token, audience, &keys(), NOW)
    }

    fn text(result: Result<Authorized, ServiceError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.condition, "com.microsoft:auth-failed");
        error.text
    }

    #[test]
    fn a_token_computed_elsewhere_is_accepted() {
        // Signed with OpenSSL: HMAC-SHA256 of "sb%3A%2F%2Flocalhost%2Feh1\n1700003600".
        let token = "SharedAccessSignature sr=sb%3A%2F%2Flocalhost%2Feh1&sig=RBmM3FjJp1XN8P7Wjhnm3KVFp4OwLoy1dURBWtdo9gw%3D&se=1700003600&skn=Root";
        let authorized = verify(token, "sb://localhost/eh1", &keys(), NOW).unwrap();
        assert_eq!(authorized.expires_at, LATER);
    }

    #[test]
    fn a_good_token_is_accepted_in_every_spelling_of_the_resource() {
        for (sr, audience) in [
            ("sb%3A%2F%2Flocalhost%2Feh1", "sb://localhost/eh1"),
            ("sb%3a%2f%2flocalhost%2feh1", "amqps://localhost:5671/eh1/"),
            (
                "amqp%3A%2F%2FLocalhost%3A6672%2FEH1%2F",
                "sb://localhost/eh1",
            ),
            ("sb://localhost/eh1", "sb://localhost/eh1/Partitions/0"),
            ("sb%3A%2F%2Flocalhost", "sb://localhost/eh1"),
            (
                "sb%3A%2F%2Flocalhost%2F",
                "sb://localhost:5672/eh1/$management",
            ),
        ] {
            assert!(check(sr, audience).is_ok(), "{sr} for {audience}");
        }
    }

    #[test]
    fn a_token_for_another_resource_is_refused() {
        for (sr, audience) in [
            ("sb%3A%2F%2Flocalhost%2Feh2", "sb://localhost/eh1"),
            ("sb%3A%2F%2Flocalhost%2Feh", "sb://localhost/eh1"),
            (
                "sb%3A%2F%2Flocalhost%2Feh1%2FPartitions%2F0",
                "sb://localhost/eh1",
            ),
            ("sb%3A%2F%2Felsewhere%2Feh1", "sb://localhost/eh1"),
        ] {
            let text = text(check(sr, audience));
            assert!(text.starts_with("InvalidAudience: "), "{sr} for {audience}");
        }
    }

    #[test]
    fn a_token_covers_what_lies_below_its_resource() {
        let hub = check("sb%3A%2F%2Flocalhost%2Feh1", "sb://localhost/eh1").unwrap();
        assert!(hub.covers("eh1"));
        assert!(hub.covers("/EH1/ConsumerGroups/$Default/Partitions/0"));
        assert!(!hub.covers("eh10"));
        assert!(!hub.covers("eh2"));
        let whole = check("sb%3A%2F%2Flocalhost", "sb://localhost/eh1").unwrap();
        assert!(whole.covers("eh2/Partitions/1"));
    }

    #[test]
    fn an_expired_token_is_refused_from_its_expiry_on() {
        let token = token("sb%3A%2F%2Flocalhost", NOW, "Root", "SAS_KEY_VALUE");
        let at = |now| verify(&token, "sb://localhost/eh1", &keys(), now);
        assert!(at(NOW - 1).is_ok());
        assert_eq!(
            text(at(NOW)),
            "ExpiredToken: The token is expired. Expiration time: '2023-11-14 22:13:20Z'"
        );
    }

    #[test]
    fn a_wrong_key_or_key_name_is_an_invalid_signature() {
        let sr = "sb%3A%2F%2Flocalhost";
        for (name, key) in [
            ("Root", "other key"),
            ("Other", "SAS_KEY_VALUE"),
            ("Nobody", "SAS_KEY_VALUE"),
        ] {
            let token = token(sr, LATER, name, key);
            let result = verify(&token, "sb://localhost/eh1", &keys(), NOW);
            assert!(text(result).starts_with("InvalidSignature: "));
        }
    }

    #[test]
    fn a_token_gives_the_rights_of_the_key_that_signed_it() {
        let sender = AccessKey::new("Root", "k").with_rights([Right::Send]);
        let token = token("sb%3A%2F%2Flocalhost", LATER, "Root", "k");
        let authorized = authenticate(&token, &[sender], NOW).unwrap();
        assert!(authorized.allows(Right::Send, "eh1"));
        assert!(!authorized.allows(Right::Listen, "eh1"));
    }

    #[test]
    fn a_hubs_key_signs_for_this_hub_only() {
        let keys = [AccessKey::new("Root", "k").for_hub("EH1")];
        for (sr, ok) in [
            ("sb%3A%2F%2Flocalhost%2Feh1", true),
            ("sb%3A%2F%2Flocalhost%2FEh1%2FPartitions%2F0", true),
            ("sb%3A%2F%2Flocalhost%2Feh2", false),
            ("sb%3A%2F%2Flocalhost%2Feh10", false),
            ("sb%3A%2F%2Flocalhost", false),
        ] {
            let token = token(sr, LATER, "Root", "k");
            let result = authenticate(&token, &keys, NOW);
            assert_eq!(result.is_ok(), ok, "{sr}");
            if !ok {
                assert!(text(result).starts_with("InvalidSignature: "));
            }
        }
    }

    #[test]
    fn a_changed_resource_or_expiry_is_an_invalid_signature() {
        let good = token("sb%3A%2F%2Flocalhost%2Feh1", LATER, "Root", "SAS_KEY_VALUE");
        for forged in [
            good.replace("%2Feh1", "%2Feh2"),
            good.replace("%2Feh1", "%2feh1"),
            good.replace("se=17", "se=18"),
        ] {
            let result = verify(&forged, "sb://localhost/eh1", &keys(), NOW);
            assert!(text(result).starts_with("InvalidSignature: "));
        }
    }

    #[test]
    fn anything_else_is_a_malformed_token() {
        let good = token("sb%3A%2F%2Flocalhost", LATER, "Root", "SAS_KEY_VALUE");
        for bad in [
            "",
            "SharedAccessSignature ",
            "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
            &good.replace("skn=", "x="),
            &good.replace("sr=", "x="),
            &good.replace("se=", "se=x"),
            &good.replace("%3D", "%3"),
            &good.replace("sig=", "sig=%zz"),
            &good.replace("skn=", "skn=%ff"),
        ] {
            let result = verify(bad, "sb://localhost/eh1", &keys(), NOW);
            assert!(text(result).starts_with("MalformedToken: "), "{bad}");
        }
    }
}
