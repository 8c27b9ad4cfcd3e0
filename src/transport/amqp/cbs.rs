//! Claims-based security: tokens are put to `$cbs`, and renewed before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fe2o3_amqp::types::primitives::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::connection::TRY_TIMEOUT;
use super::node::Node;
use super::sas::{Issuer, TOKEN_LIFE};
use crate::error::Error;

pub(super) const ADDRESS: &str = "$cbs";

/// Four fifths of a token's life: the rest is for renewals that fail.
const RENEW_AFTER: Duration = Duration::from_secs(TOKEN_LIFE.as_secs() / 5 * 4);

/// The wait between renewals that fail.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Shows the service a token.
pub(super) async fn put_token(node: &mut Node, issuer: &Issuer) -> Result<(), Error> {
    let properties = [
        ("operation", "put-token"),
        ("type", "servicebus.windows.net:sastoken"),
        ("name", issuer.audience()),
    ];
    let token = Value::String(issuer.token(SystemTime::now()));
    node.call(properties, token).await.map(drop)
}

/// Renews the token of a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Renewal(JoinHandle<()>);

impl Renewal {
    /// Starts when a token was put.
    pub(super) fn start(mut node: Node, issuer: Arc<Issuer>) -> Self {
        Self(tokio::spawn(async move {
            if !issuer.renews() {
                // The node is kept: the token was put over it.
                std::future::pending::<()>().await;
            }
            let mut wait = RENEW_AFTER;
            while !node.is_ended() {
                sleep(wait).await;
                let renewed = timeout(TRY_TIMEOUT, put_token(&mut node, &issuer)).await;
                wait = match renewed {
                    Ok(Ok(())) => RENEW_AFTER,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "a token was not renewed: trying again");
                        RETRY_AFTER
                    }
                    Err(_) => {
                        tracing::warn!("a token was not renewed in time: trying again");
                        RETRY_AFTER
                    }
                };
            }
        }))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
