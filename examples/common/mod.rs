//! What the examples share: where the event hub is, the web server, and how they stop.

// Each example uses a part of it.
#![allow(dead_code, unused_imports)]

mod place;
pub(crate) mod progress;
mod refusal;
mod settings;
mod stop;
mod web;

pub(crate) use place::{Over, Place};
pub(crate) use refusal::Refusal;
pub(crate) use settings::{consumer_group, web_port};
pub(crate) use stop::stop;
pub(crate) use web::{Web, body};

/// Whatever ends an example: one sentence for a person.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Turns how an example ended into its exit code.
pub(crate) fn exit(ended: Result<(), Failure>) -> std::process::ExitCode {
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("Error: {failure}");
            std::process::ExitCode::FAILURE
        }
    }
}
