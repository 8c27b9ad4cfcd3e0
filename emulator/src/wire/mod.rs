//! The AMQP 1.0 engine: bytes to frames to performatives, connections, sessions and links.
//!
//! Our own rather than a library's, because an emulator must do what a library keeps from its users: refuse a link
//! inside the attach answer, write every field of every performative, reject a message that is too large instead of
//! detaching, and pass stored events on without decoding them. Pure from `decode` to `link`; `io` and `connection`
//! are the async shell.
//!
//! ```text
//!  socket ⇄ io ─ frame ─ performative ─ connection ─┬─ session ─ link ─ Sink    → partition log, node
//!                                        (one task) └─ session ─ link ← Source  ← partition log, node
//! ```

mod acks;
mod attaching;
mod connection;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod error;
mod expiry;
mod faulting;
pub(crate) mod frame;
mod handshake;
mod idle;
mod inbound;
mod io;
mod limits;
mod link;
mod outbound;
pub(crate) mod performative;
pub(crate) mod probe;
mod sasl;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod value;

pub(crate) use connection::{refuse, serve, stopped};
pub(crate) use handshake::PRODUCT;
pub(crate) use idle::IdleTimeOuts;
