//! Helpers for the interop tests: other SDKs run as child processes against the emulator.
//!
//! Each SDK has a program that does one thing (a scenario) and prints what it saw as JSON lines:
//! `js/scenarios.js`, `python/scenarios.py` and the binaries `official` and `azeventhubs` of this
//! crate. All know the same scenarios and report the same fields, so a test is written once.
//!
//! The tests need Node.js and Python with the packages that `setup.sh` installs, those of the
//! example `monitoring` Chromium and Prometheus. Where something is missing a test says so and
//! passes; with `INTEROP=required` in the environment it fails.

mod access;
mod app;
pub mod azurite;
mod example;
pub mod expected;
mod http;
mod report;
mod run;
mod sdk;
mod tool;

pub use access::Access;
pub use app::App;
pub use azurite::Azurite;
pub use example::example;
pub use http::get;
pub use report::{outcome, report, setting, variant};
pub use run::{emulator, run, run_with};
pub use sdk::Sdk;
pub use tool::tool;

use std::time::Duration;

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
