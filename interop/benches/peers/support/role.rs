//! What this process is: the host of the contests, or one that takes part.

use super::emulator::Terms;
use super::{Failure, Load, Plan};

#[derive(Debug)]
pub(crate) enum Role {
    Host(Plan),
    Emulator(Terms),
    Client(String, Load),
}

/// The first argument of a process that the host starts.
pub(super) const EMULATOR: &str = "as-emulator";
pub(super) const CLIENT: &str = "as-client";

impl Role {
    /// # Errors
    /// For what a plan does not understand.
    ///
    /// # Panics
    /// If what the host starts is given less than the host gives.
    pub(crate) fn of(arguments: &[String]) -> Result<Self, Failure> {
        Ok(match arguments {
            [role, delay, retention] if role == EMULATOR => {
                Self::Emulator(Terms::parse([delay, retention]).expect("the host's terms"))
            }
            [role, name, load @ ..] if role == CLIENT => {
                Self::Client(name.clone(), Load::parse(load).expect("the host's load"))
            }
            others => Self::Host(Plan::of(others)?),
        })
    }
}
