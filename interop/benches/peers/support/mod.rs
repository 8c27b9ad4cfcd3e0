//! What the contests share.

pub(crate) mod bare;
pub(crate) mod client;
mod contest;
pub(crate) mod emulator;
mod lanes;
mod load;
mod plan;
mod role;
mod table;
mod usage;

pub(crate) use contest::{Bar, Contestant, Group, Measure};
pub(crate) use emulator::Emulator;
pub(crate) use lanes::all;
pub(crate) use load::Load;
pub(crate) use plan::Plan;
pub(crate) use role::Role;
pub(crate) use usage::{Meter, Usage};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
