//! What the examples share: where the event hub is, and the web server.

// Each example uses a part of it.
#![allow(dead_code, unused_imports)]

mod place;
pub(crate) mod progress;
mod settings;
mod web;

pub(crate) use place::{Over, Place};
pub(crate) use settings::web_port;
pub(crate) use web::Web;

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
