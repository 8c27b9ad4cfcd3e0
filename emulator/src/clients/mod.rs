//! Who is connected, and through which links: a table that connections keep up to date and tests look into.
//!
//! Connections and links enter it when they open and leave it by a guard's drop, whichever way they end. What changes
//! in between (credit, deliveries) are atomics, so that whoever looks holds up nobody who sends or receives.

mod info;
mod record;
mod registry;

pub use info::{ConnectionInfo, LinkInfo, LinkRole};
pub(crate) use info::{Identity, LinkDetails, cut};
pub(crate) use record::{ConnectionRecord, LinkRecord};
pub(crate) use registry::Registry;
