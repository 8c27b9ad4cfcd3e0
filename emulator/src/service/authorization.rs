//! What the client of a connection may do, and for how long.

use crate::access_key::Right;
use crate::sas::Authorized;

/// How many tokens a connection may hold. A client of 1024 partitions needs two per partition at most.
const MAX_TOKENS: usize = 4096;

/// What a link needs all the time it lives: a right at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) right: Right,
    pub(crate) path: String,
}

/// The rights of one connection: of the key it signed in with, and of the tokens it put.
#[derive(Debug, Default)]
pub(crate) struct Authorization {
    signed_in: Option<Authorized>,
    /// Whether a token has ever been accepted.
    has_put: bool,
    tokens: Vec<(String, Authorized)>,
    /// When the first of the tokens expires.
    next_expiry: Option<i64>,
}

impl Authorization {
    /// The client has shown a key: what it allows is allowed from now on.
    pub(crate) fn sign_in(&mut self, key: Authorized) {
        self.signed_in = Some(key);
    }

    /// Keeps a token, in place of an earlier one for the same audience; `false` if there are too many.
    ///
    /// A token with fewer rights than the one before ends no link at once: links that it no longer covers live until
    /// some token of the connection expires. What the service does is not known.
    pub(crate) fn put(&mut self, audience: &str, token: Authorized, now: i64) -> bool {
        let has_expired = self.next_expiry.is_some_and(|at| at <= now);
        self.tokens
            .retain(|(other, token)| other != audience && token.expires_at > now);
        let room = self.tokens.len() < MAX_TOKENS;
        if room {
            self.tokens.push((audience.to_owned(), token));
            self.has_put = true;
        }
        self.find_next_expiry();
        if has_expired {
            // The links that lived by it have yet to end.
            self.next_expiry = Some(now);
        }
        room
    }

    /// Whether the client has shown neither a key nor a valid token so far; one whose tokens have expired is known.
    pub(crate) fn is_stranger(&self) -> bool {
        self.signed_in.is_none() && !self.has_put
    }

    /// When a token expires next, in Unix seconds; links that lived by it may then be at their end.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        self.next_expiry
    }

    /// Forgets the tokens that have expired at `now` (Unix seconds).
    pub(crate) fn expire(&mut self, now: i64) {
        self.tokens.retain(|(_, token)| token.expires_at > now);
        self.find_next_expiry();
    }

    /// Whether `right` is held for the entity at `path` at `now` (Unix seconds).
    pub(crate) fn allows(&self, right: Right, path: &str, now: i64) -> bool {
        self.held()
            .any(|held| held.expires_at > now && held.allows(right, path))
    }

    /// Whether any right is held for the entity at `path` at `now` (Unix seconds).
    pub(crate) fn covers(&self, path: &str, now: i64) -> bool {
        self.held()
            .any(|held| held.expires_at > now && held.covers(path))
    }

    fn held(&self) -> impl Iterator<Item = &Authorized> {
        let tokens = self.tokens.iter().map(|(_, token)| token);
        self.signed_in.iter().chain(tokens)
    }

    fn find_next_expiry(&mut self) {
        self.next_expiry = self.tokens.iter().map(|(_, token)| token.expires_at).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_key::{AccessKey, Rights};

    fn token(path: &str, right: Right, expires_at: i64) -> Authorized {
        let rights: Rights = [right].into_iter().collect();
        Authorized::for_audience(&format!("sb://localhost/{path}"), rights, expires_at)
    }

    #[test]
    fn a_token_allows_its_right_at_its_resource_until_it_expires() {
        let mut authorization = Authorization::default();
        assert!(authorization.is_stranger());
        assert!(authorization.put("a", token("eh1", Right::Send, 10), 0));
        assert!(!authorization.is_stranger());
        assert!(authorization.allows(Right::Send, "eh1/Partitions/0", 9));
        assert!(!authorization.allows(Right::Send, "eh1", 10));
        assert!(!authorization.allows(Right::Listen, "eh1", 9));
        assert!(!authorization.allows(Right::Send, "eh2", 9));
        assert!(authorization.covers("eh1", 9) && !authorization.covers("eh1", 10));
    }

    #[test]
    fn a_renewal_takes_the_place_of_the_token_before() {
        let mut authorization = Authorization::default();
        authorization.put("a", token("eh1", Right::Send, 10), 0);
        authorization.put("b", token("eh2", Right::Send, 20), 0);
        assert_eq!(authorization.next_expiry(), Some(10));
        authorization.put("a", token("eh1", Right::Send, 30), 5);
        assert_eq!(authorization.next_expiry(), Some(20));
        assert!(authorization.allows(Right::Send, "eh1", 29));
        authorization.expire(20);
        assert!(!authorization.is_stranger(), "its token was valid");
        assert_eq!(authorization.next_expiry(), Some(30));
    }

    #[test]
    fn a_token_put_in_the_moment_in_which_another_expires_does_not_hide_that() {
        let mut authorization = Authorization::default();
        authorization.put("a", token("eh1", Right::Send, 10), 0);
        authorization.put("b", token("eh2", Right::Send, 20), 10);
        assert_eq!(authorization.next_expiry(), Some(10));
        authorization.expire(10);
        assert_eq!(authorization.next_expiry(), Some(20));
    }

    #[test]
    fn there_is_room_for_so_many_tokens_and_expired_ones_make_room() {
        let mut authorization = Authorization::default();
        for n in 0..MAX_TOKENS {
            let expires_at = if n == 0 { 10 } else { 20 };
            let token = token("eh1", Right::Send, expires_at);
            assert!(authorization.put(&n.to_string(), token, 0));
        }
        assert!(!authorization.put("more", token("eh1", Right::Send, 20), 9));
        assert!(authorization.put("more", token("eh1", Right::Send, 20), 10));
    }

    #[test]
    fn a_key_signed_in_with_allows_its_rights_for_ever() {
        let key = AccessKey::new("k", "k")
            .for_hub("EH1")
            .with_rights([Right::Listen]);
        let mut authorization = Authorization::default();
        authorization.sign_in(Authorized::with_key(&key));
        assert!(!authorization.is_stranger());
        assert!(authorization.allows(Right::Listen, "eh1/x", i64::MAX - 1));
        assert!(!authorization.allows(Right::Send, "eh1", 0));
        assert!(!authorization.allows(Right::Listen, "eh2", 0));
        assert_eq!(authorization.next_expiry(), None);
    }
}
