//! Clients of other people behind our ports.
//!
//! ```text
//! ClientProducer ── requests ──▶ Lane: a task that owns a client; one call at a time
//! ClientReceiver ◀── events ──── Outlet: a task that owns a client and its stream
//! ```
//!
//! A client lives in a task, never in a caller: who drops a future never drops a
//! call half done. What the client does there is fenced in: a panic, a call that
//! never returns and a connection that broke cost that call, with what is known
//! of its fate, and the client; the next call makes another one.

mod consumer;
mod lane;
mod outlet;
mod producer;

pub(crate) use consumer::{ClientConsumer, Read};
pub(crate) use lane::{Client, Connect, Place, Request};
pub(crate) use outlet::Outlet;
pub(crate) use producer::ClientProducer;

use std::time::Duration;

/// How long a close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
