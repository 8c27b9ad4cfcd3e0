//! Accepting connections, and a task for each.

use crate::faults::LineOrders;
use crate::line::Line;
use crate::listen::{self, Listeners};
use crate::service::Broker;
use crate::texts::condition;
use crate::wire;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How many connections beyond those allowed are told so at a time; more are closed without a word.
const MAX_REFUSALS: usize = 64;
/// Before accepting again when the system has no sockets left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves connections until `stop` says so, then waits for them to end.
pub(crate) async fn run(
    listeners: Listeners,
    tls: Option<TlsAcceptor>,
    broker: Arc<Broker>,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            accepted = listeners.accept() => match accepted {
                Ok((stream, address)) => {
                    let (tls, broker, mut stop) = (tls.clone(), Arc::clone(&broker), stop.clone());
                    let place = Arc::clone(&places).try_acquire_owned();
                    let admitted = place.is_ok();
                    // One connection too many is told so, if there are not too many of those.
                    let Ok(place) = place.or_else(|_| {
                        broker.namespace.counters().error(condition::RESOURCE_LIMIT_EXCEEDED);
                        Arc::clone(&refusals).try_acquire_owned()
                    }) else {
                        continue;
                    };
                    connections.spawn(async move {
                        let _place = place;
                        // A socket that refuses this is slower, no more.
                        let _ = stream.set_nodelay(true);
                        let entered = tokio::select! {
                            entered = listen::enter(stream, tls.as_ref()) => entered,
                            () = wire::stopped(&mut stop) => return,
                        };
                        // A client that does not find in has been told, or is gone.
                        let Ok(stream) = entered else {
                            return;
                        };
                        let orders = LineOrders::new(Arc::clone(&broker.faults));
                        let stream = Line::new(stream, orders);
                        if admitted {
                            wire::serve(stream, address, broker, stop).await;
                        } else {
                            wire::refuse(stream, broker, stop).await;
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
