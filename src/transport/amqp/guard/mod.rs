//! A guard under the AMQP stack: no value reaches it that nests without end.
//!
//! The stack decodes values recursively and follows them as deep as they go: an
//! event with some thousand lists in one another, written by anybody who may
//! send to the hub, would abort every process that reads it. So the bytes that
//! come in are looked at first, iteratively: frames, performatives, and messages
//! once all their frames are there. Beyond a bound the connection ends with a
//! [`Violation`] that says which.
//!
//! | bound | |
//! |---|---|
//! | depth of values | 64 |
//! | count of a list or map | the bytes it has |
//! | frame | 64 KiB, as we tell the service |
//! | message | 32 MiB |
//! | messages not complete, of all links | 64 MiB |

mod frames;
mod nesting;
mod stream;

pub(super) use stream::{Guarded, Tripped};
