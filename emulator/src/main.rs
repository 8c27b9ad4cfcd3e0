//! The emulator as a program of its own.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Parser;
use eventhubs_emulator::{Emulator, HubConfig};

/// An Azure Event Hubs emulator that speaks AMQP 1.0.
///
/// It prints one line with the connection string that any Event Hubs SDK connects with, and runs
/// until it is interrupted (Ctrl-C, or a termination signal). Events live in memory only.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Port to listen on, on this machine only; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 5672)]
    port: u16,

    /// An event hub, with its partitions (4 if not said) and consumer groups beside $Default
    ///
    /// May be given many times. Without it there is eh1:4:cg1.
    #[arg(long = "hub", value_name = "NAME[:PARTITIONS[:GROUP,GROUP..]]")]
    hubs: Vec<HubConfig>,

    /// A shared access key; the connection string shows the first
    ///
    /// May be given many times. Without it there is RootManageSharedAccessKey=SAS_KEY_VALUE.
    #[arg(long = "key", value_name = "NAME=KEY", value_parser = parse_key)]
    keys: Vec<(String, String)>,

    /// Bytes of events to keep in memory over all hubs; the oldest go first
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    retention: u64,

    /// Throughput units: per unit and second 1 MB or 1000 events in, 2 MB or 4096 events out
    ///
    /// Senders above it are told that the server is busy, receivers are slowed down. Without it nothing is throttled.
    #[arg(long, value_name = "N")]
    throughput_units: Option<NonZeroU32>,

    /// Limit each partition to 1 MB in per second, too
    #[arg(long)]
    partition_throttling: bool,
}

const EXAMPLES: &str = "\
Examples:
  eventhubs-emulator
  eventhubs-emulator --hub orders:8:billing,audit --hub logs:32
  eventhubs-emulator --port 6672 --key Writer=bGV0IG1lIGlu --retention 268435456";

fn parse_key(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, key)) => Ok((name.to_owned(), key.to_owned())),
        None => Err("a key is written NAME=KEY".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let interrupted = interrupted()?;
    let mut builder = Emulator::builder()
        .port(arguments.port)
        .retention_bytes(arguments.retention)
        .partition_throttling(arguments.partition_throttling);
    if let Some(units) = arguments.throughput_units {
        builder = builder.throughput_units(units);
    }
    for hub in arguments.hubs {
        builder = builder.hub(hub);
    }
    for (name, key) in arguments.keys {
        builder = builder.access_key(name, key);
    }
    let emulator = builder.start().await?;
    println!(
        "Event Hubs emulator ready on {}: {}",
        emulator.address(),
        emulator.connection_string()
    );
    interrupted.await;
    emulator.stop().await;
    Ok(())
}

/// Waits for Ctrl-C or, where there is such a thing, a termination signal. Either is caught from
/// the call on, not only once the future is polled.
///
/// # Errors
///
/// If the signals cannot be caught.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(windows)]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
