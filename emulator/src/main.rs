//! The emulator as a program of its own.

mod cli;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use cli::{Arguments, Running, Signals};

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(misuse) => misuse.exit(),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut signals = Signals::catch()?;
    let running = Running::start(arguments).await?;
    // Whoever reads the lines may stop after the first.
    let _ = io::stdout().write_all(running.ready_lines().as_bytes());
    signals.next().await;
    Ok(tokio::select! {
        () = running.stop() => ExitCode::SUCCESS,
        () = signals.next() => ExitCode::FAILURE,
    })
}
