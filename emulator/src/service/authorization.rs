//! What the client of a connection may do.

use crate::sas::Authorized;

/// How many tokens a connection may hold. A client of 1024 partitions needs two per partition at most.
const MAX_TOKENS: usize = 4096;

/// The rights of one connection: of the key it signed in with, or of the tokens it put.
#[derive(Debug, Default)]
pub(crate) struct Authorization {
    signed_in: bool,
    tokens: Vec<(String, Authorized)>,
}

impl Authorization {
    /// The client has shown a key of the namespace: all is allowed.
    pub(crate) fn sign_in(&mut self) {
        self.signed_in = true;
    }

    /// Keeps a token, in place of an earlier one for the same audience; `false` if there are too many.
    pub(crate) fn put(&mut self, audience: &str, token: Authorized, now: i64) -> bool {
        self.tokens
            .retain(|(other, token)| other != audience && token.expires_at > now);
        let room = self.tokens.len() < MAX_TOKENS;
        if room {
            self.tokens.push((audience.to_owned(), token));
        }
        room
    }

    /// Whether the entity at `path` may be used at `now` (Unix seconds).
    pub(crate) fn covers(&self, path: &str, now: i64) -> bool {
        let good = |token: &Authorized| token.expires_at > now && token.covers(path);
        self.signed_in || self.tokens.iter().any(|(_, token)| good(token))
    }
}
