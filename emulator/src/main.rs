//! The emulator as a program of its own.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use clap::Parser;
use eventhubs_emulator::{Emulator, EmulatorBuilder, HubConfig};

/// An Azure Event Hubs emulator that speaks AMQP 1.0.
///
/// It prints one line with the connection string that any Event Hubs SDK connects with, and runs
/// until it is interrupted (Ctrl-C, or a termination signal). Events live in memory only. Every
/// port takes AMQP and WebSockets, and TLS where that is on: then two lines before tell where, and
/// what to trust.
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

    #[command(flatten)]
    tls: TlsArguments,
}

/// What TLS takes.
#[derive(Debug, clap::Args)]
struct TlsArguments {
    /// Take TLS, too, on every port; a certificate for localhost is made at start
    #[arg(long)]
    tls: bool,

    /// Port of its own for clients that use TLS; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 5671)]
    tls_port: u16,

    /// Certificate to show, in PEM, others of its chain after it; turns TLS on
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,

    /// Where to write the certificate that clients are to trust
    ///
    /// Without it that is eventhubs-emulator-PORT.pem in the directory for temporary files, PORT being the one for TLS.
    #[arg(long, value_name = "FILE")]
    cert_out: Option<PathBuf>,
}

impl TlsArguments {
    /// # Errors
    ///
    /// If a file cannot be read.
    fn apply(&self, builder: EmulatorBuilder) -> Result<EmulatorBuilder, String> {
        let builder = match (&self.cert, &self.cert_key) {
            (Some(certificate), Some(key)) => builder.certificate(read(certificate)?, read(key)?),
            _ if self.tls => builder,
            _ => return Ok(builder),
        };
        Ok(builder.tls_port(self.tls_port))
    }

    /// Writes the certificate to where clients find it, and says where that is.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    fn announce(&self, emulator: &Emulator) -> Result<(), String> {
        let (Some(address), Some(connection_string), Some(pem)) = (
            emulator.tls_address(),
            emulator.tls_connection_string(),
            emulator.certificate_pem(),
        ) else {
            return Ok(());
        };
        let path = self.cert_out.clone().unwrap_or_else(|| {
            let name = format!("eventhubs-emulator-{}.pem", address.port());
            env::temp_dir().join(name)
        });
        write(&path, pem)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        println!("TLS on {address}: {connection_string}");
        println!("Certificate to trust: {}", path.display());
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Puts a new file in the place of whatever is there: a link left in a directory that all may write to is not followed.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", process::id()));
    File::create_new(&new)?.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

const EXAMPLES: &str = "\
Examples:
  eventhubs-emulator
  eventhubs-emulator --hub orders:8:billing,audit --hub logs:32
  eventhubs-emulator --tls --cert-out ca.pem
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
        .retention_bytes(arguments.retention);
    for hub in arguments.hubs {
        builder = builder.hub(hub);
    }
    for (name, key) in arguments.keys {
        builder = builder.access_key(name, key);
    }
    let emulator = arguments.tls.apply(builder)?.start().await?;
    arguments.tls.announce(&emulator)?;
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
