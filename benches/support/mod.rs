//! What the benches share.

// A bench is a program: nothing of it is reachable from elsewhere.
#![allow(unreachable_pub)]

pub mod pipelines;
pub mod rounds;
