//! A process that is one client.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::role::CLIENT;
use super::{Emulator, Failure, Load, Usage};

/// Beyond this a client hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Does a client's work, and prints what it took.
///
/// # Errors
/// What went wrong at work, or that it took too long.
pub(crate) fn run(work: impl Future<Output = Result<Usage, Failure>>) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let usage = runtime.block_on(async { timeout(LIMIT, work).await })??;
    println!("{}", usage.line());
    // Some clients take long to go.
    runtime.shutdown_background();
    Ok(())
}

/// Runs a client in a process of its own.
///
/// # Errors
/// If it fails.
pub(crate) fn start(name: &str, load: &Load, emulator: &Emulator) -> Result<Usage, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args([CLIENT, name])
        .args(load.arguments())
        .env("SSL_CERT_FILE", emulator.certificate())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("'{name}' has failed").into());
    }
    Usage::parse(&String::from_utf8(output.stdout)?)
}
