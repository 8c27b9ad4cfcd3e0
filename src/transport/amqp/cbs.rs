//! Claims-based security: tokens are put to `$cbs`, and renewed before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fe2o3_amqp::types::primitives::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::connection::timed_out;
use super::node::Node;
use super::tokens::{Issuer, Token};
use crate::error::Error;

pub(super) const ADDRESS: &str = "$cbs";

/// Renewals are never more frequent, however short the lives of tokens.
const MIN_RENEWAL: Duration = Duration::from_millis(100);

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
    /// Starts when `token` was put over `node`, which stays open for it.
    pub(super) fn start(
        node: Node,
        issuer: Arc<Issuer>,
        token: Token,
        try_timeout: Duration,
    ) -> Self {
        Self(tokio::spawn(renew(node, issuer, token, try_timeout)))
    }
}

async fn renew(mut node: Node, issuer: Arc<Issuer>, mut token: Token, try_timeout: Duration) {
    while !node.is_ended() {
        let Some(fresh_for) = token.fresh_for(SystemTime::now()) else {
            // There will be no other.
            return std::future::pending().await;
        };
        sleep(fresh_for.max(MIN_RENEWAL)).await;
        let renewing = async {
            let newer = issuer.issue(SystemTime::now()).await?;
            put_token(&mut node, &issuer, &newer).await?;
            Ok(newer)
        };
        let renewed = timeout(try_timeout, renewing).await;
        match renewed.unwrap_or_else(|_| Err(timed_out("renewing a token", try_timeout))) {
            Ok(newer) => token = newer,
            Err(error) => {
                let left = token.good_for(SystemTime::now()).unwrap_or_default();
                tracing::warn!(%error, ?left, "a token was not renewed: trying again");
                sleep(retry_after(left)).await;
            }
        }
    }
}

/// The wait after a renewal that failed: some ten attempts while the token is
/// still good, and no storm.
fn retry_after(left: Duration) -> Duration {
    (left / 10).clamp(MIN_RENEWAL, Duration::from_secs(30))
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
