//! The ways in: the listening ports, and what leads from a socket to AMQP.
//!
//! ```text
//!             ┌─ 0x16 ─ TLS ─┬─ 'G' ─ HTTP ─ WebSocket ─┐
//!  any port ──┼─ 'G' ─ HTTP ─│─ WebSocket ──────────────┼─ wire::serve
//!             └─ else ───────┴─ else ───────────────────┘
//! ```
//!
//! The first byte tells what a client speaks, so every port takes every kind of client. A further port is only for
//! clients that insist on its number.

mod entrance;
mod sockets;
mod tls;
mod upgrade;
mod websocket;

pub(crate) use entrance::enter;
pub(crate) use sockets::Listeners;
#[cfg(feature = "health")]
pub(crate) use sockets::Port;
pub use tls::CertificateError;
pub(crate) use tls::{Certificate, Tls};
