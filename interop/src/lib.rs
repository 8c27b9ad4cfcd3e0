//! Helpers for the interop tests: other SDKs run as child processes against the emulator.
//!
//! The tests need Node.js and Python with the packages that `setup.sh` installs. Where something
//! is missing a test says so and passes; with `INTEROP=required` in the environment it fails.

mod app;
mod http;
mod sdk;

pub use app::App;
pub use http::get;
pub use sdk::Sdk;

use std::time::Duration;

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
