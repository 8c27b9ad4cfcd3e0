//! What the contracts of the ports share: checks that run one after the other.

mod polling;
mod run;
mod verdict;

pub(crate) use polling::{more_and_more_polls, polled};
pub(crate) use run::{Checking, assert_kind, checks};
pub use verdict::{Guard, Report, Verdict};
