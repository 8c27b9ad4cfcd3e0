//! Claims-based security: tokens are put to `$cbs`, and renewed before they end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fe2o3_amqp::types::primitives::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, timed_out};
use super::node::Node;
use super::tokens::{Issuer, Token};
use crate::error::Error;

pub(super) const ADDRESS: &str = "$cbs";

/// Renewals are never more frequent, however short the lives of tokens.
const MIN_RENEWAL: Duration = Duration::from_millis(100);

/// The longest wait after a renewal that failed, while the token is good. Some
/// ten attempts are made before it expires.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// Shows the service a token.
pub(super) async fn put_token(
    node: &mut Node,
    issuer: &Issuer,
    token: &Token,
) -> Result<(), Error> {
    let properties = [
        ("operation", "put-token".to_owned()),
        ("type", token.kind.to_owned()),
        ("name", issuer.audience().to_owned()),
    ];
    let text = Value::String(token.text.clone());
    node.call(properties, text).await.map(drop)
}

/// Renews the token of a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Renewal(JoinHandle<()>);

impl Renewal {
    /// Starts when `token` was put over `node`, which stays open.
    pub(super) fn start(connection: &Arc<Connection>, mut node: Node, token: Token) -> Self {
        let connection = Arc::downgrade(connection);
        Self(tokio::spawn(async move {
            renew(connection, &mut node, token).await;
            std::future::pending().await
        }))
    }
}

/// Renews a token until there is no other, or no connection to put it on.
async fn renew(connection: Weak<Connection>, node: &mut Node, mut token: Token) -> Option<()> {
    let mut wait = token.fresh_for()?;
    // The failures in a row since the token expired.
    let mut late = 0;
    loop {
        sleep(wait.max(MIN_RENEWAL)).await;
        let connection = connection.upgrade()?;
        if node.is_ended() {
            match connection.session_of_open().await? {
                Ok(session) => *node = Node::new(session, ADDRESS),
                Err(error) => tracing::warn!(%error, "tokens cannot be renewed"),
            }
        }
        match renew_once(&connection, node).await {
            Ok(newer) => {
                token = newer;
                wait = token.fresh_for()?;
                late = 0;
                connection.set_not_renewed(None);
            }
            Err(error) => {
                let left = token.good_for()?;
                late += u32::from(left.is_zero());
                wait = match late {
                    0 => (left / 10).min(MAX_RETRY),
                    late => connection.backoff(late),
                };
                tracing::warn!(%error, ?left, ?wait, "a token was not renewed: trying again");
                connection.set_not_renewed(Some(error));
            }
        }
    }
}

async fn renew_once(connection: &Connection, node: &mut Node) -> Result<Token, Error> {
    let issuer = connection.issuer();
    let limit = connection.try_timeout();
    let renewing = async {
        let newer = issuer.issue().await?;
        put_token(node, issuer, &newer).await?;
        Ok(newer)
    };
    let renewed = timeout(limit, renewing).await;
    renewed.unwrap_or_else(|_| Err(timed_out("renewing a token", limit)))
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
