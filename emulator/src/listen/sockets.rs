//! The listening sockets.

use crate::builder::StartError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};

const BACKLOG: i32 = 1024;
/// Python's AMQP stack sets the segment size of its socket anew, which fails now and then where loopback's own
/// is larger than this.
#[cfg(unix)]
const SEGMENT_SIZE: u32 = 16_384;
/// A free port is looked for this often: the one that is free for IPv4 may be taken for IPv6.
const PORT_ATTEMPTS: usize = 16;

/// The ports listened on.
#[derive(Debug)]
pub(crate) struct Listeners {
    port: Port,
    /// For clients that look for TLS on a port of its own.
    tls_port: Option<Port>,
}

impl Listeners {
    /// Binds the port, and the one for TLS if there is to be one; 0 is any free one.
    ///
    /// # Errors
    ///
    /// If a port is taken or not allowed.
    pub(crate) fn bind(port: u16, tls_port: Option<u16>) -> Result<Self, StartError> {
        let bind = |port| Port::bind(port).map_err(|source| StartError::of_port(port, source));
        Ok(Self {
            port: bind(port)?,
            tls_port: tls_port.map(bind).transpose()?,
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.port.address()
    }

    /// The address of the port for TLS, if there is one.
    pub(crate) fn tls_address(&self) -> io::Result<Option<SocketAddr>> {
        self.tls_port.as_ref().map(Port::address).transpose()
    }

    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let tls = async {
            match &self.tls_port {
                Some(port) => port.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.port.accept() => accepted,
            accepted = tls => accepted,
        }
    }
}

/// The sockets for "localhost", whichever address it stands for.
#[derive(Debug)]
pub(crate) struct Port {
    v4: TcpListener,
    /// `None` where the machine has no IPv6.
    v6: Option<TcpListener>,
}

impl Port {
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
