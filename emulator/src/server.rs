//! Accepting connections, and a task for each.

use crate::listen::{self, Listeners};
use crate::service::Broker;
use crate::wire;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How many connections there may be, as in a namespace of the standard tier.
pub(crate) const MAX_CONNECTIONS: usize = 5000;
/// Before accepting again when the system has no sockets left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves connections until `stop` says so, then waits for them to end.
pub(crate) async fn run(
    listeners: Listeners,
    tls: Option<TlsAcceptor>,
    broker: Arc<Broker>,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            accepted = listeners.accept() => match accepted {
                Ok(stream) => {
                    // One connection too many is closed without a word.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (tls, broker, mut stop) = (tls.clone(), Arc::clone(&broker), stop.clone());
                    connections.spawn(async move {
                        let _place = place;
                        // A socket that refuses this is slower, no more.
                        let _ = stream.set_nodelay(true);
                        let entered = tokio::select! {
                            entered = listen::enter(stream, tls.as_ref()) => entered,
                            () = wire::stopped(&mut stop) => return,
                        };
                        // A client that does not find in has been told, or is gone.
                        if let Ok(stream) = entered {
                            wire::serve(stream, broker, stop).await;
                        }
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = wire::stopped(&mut stopping) => break,
        }
    }
    drop(listeners);
    while connections.join_next().await.is_some() {}
}
