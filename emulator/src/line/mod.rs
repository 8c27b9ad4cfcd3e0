//! The line between a socket and AMQP, which can be made long, narrow, noisy or dead.
//!
//! Everything here knows bytes only: what holds for a connection is told by [`Orders`], which the faults hand out. A line without either passes every call straight through.

mod delay;
mod half;
mod stream;

pub(crate) use half::{Armed, Mishap, Shape};
pub(crate) use stream::{Direction, Line, Orderer, Orders};
