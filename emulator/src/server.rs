//! The listening sockets, and a task for each connection.

use crate::service::Broker;
use crate::texts::condition;
use crate::wire;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How many connections beyond those allowed are told so at a time; more are closed without a word.
const MAX_REFUSALS: usize = 64;
const BACKLOG: i32 = 1024;
/// Python's AMQP stack sets the segment size of its socket anew, which fails now and then where loopback's own
/// is larger than this.
#[cfg(unix)]
const SEGMENT_SIZE: u32 = 16_384;
/// A free port is looked for this often: the one that is free for IPv4 may be taken for IPv6.
const PORT_ATTEMPTS: usize = 16;
/// Before accepting again when the system has no sockets left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The sockets for "localhost", whichever address it stands for.
#[derive(Debug)]
pub(crate) struct Listeners {
    v4: TcpListener,
    /// `None` where the machine has no IPv6.
    v6: Option<TcpListener>,
}

impl Listeners {
    /// Binds a port of the loopback addresses; 0 is any free one.
    ///
    /// # Errors
    ///
    /// If the port is taken or not allowed.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let v4 = listen((Ipv4Addr::LOCALHOST, port).into())?;
            match listen((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into()) {
                Ok(v6) => return Ok(Self { v4, v6: Some(v6) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if attempts == 0 {
                        return Err(error);
                    }
                }
                Err(_) => return Ok(Self { v4, v6: None }),
            }
        }
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.v4.local_addr()
    }

    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let v6 = async {
            match &self.v6 {
                Some(v6) => v6.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.v4.accept() => accepted,
            accepted = v6 => accepted,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    {
        // Elsewhere this would let two servers share the port.
        socket.set_reuse_address(true)?;
        socket.set_tcp_mss(SEGMENT_SIZE)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts and serves connections until `stop` says so, then waits for them to end.
pub(crate) async fn run(
    listeners: Listeners,
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
                    let (broker, stop) = (Arc::clone(&broker), stop.clone());
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        broker.namespace.counters().error(condition::RESOURCE_LIMIT_EXCEEDED);
                        if let Ok(refusal) = Arc::clone(&refusals).try_acquire_owned() {
                            connections.spawn(async move {
                                let _refusal = refusal;
                                wire::refuse(stream, broker, stop).await;
                            });
                        }
                        continue;
                    };
                    connections.spawn(async move {
                        let _place = place;
                        // A socket that refuses this is slower, no more.
                        let _ = stream.set_nodelay(true);
                        wire::serve(stream, address, broker, stop).await;
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
