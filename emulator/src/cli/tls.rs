//! The options for TLS, and what is told of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, process};

use eventhubs_emulator::{Emulator, EmulatorBuilder};

/// What TLS takes.
#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArguments {
    /// Take TLS, too, on every port; a certificate for localhost is made at start
    #[arg(long, env = "EVENTHUBS_EMULATOR_TLS")]
    tls: bool,

    /// Port of its own for clients that use TLS; 0 takes any free one
    ///
    /// With several namespaces it is the first one's; the others take TLS on their one port.
    #[arg(
        long,
        value_name = "PORT",
        env = "EVENTHUBS_EMULATOR_TLS_PORT",
        default_value_t = 5671
    )]
    tls_port: u16,

    /// Certificate to show, in PEM, others of its chain after it; turns TLS on
    #[arg(
        long,
        value_name = "FILE",
        env = "EVENTHUBS_EMULATOR_CERT",
        requires = "cert_key"
    )]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "EVENTHUBS_EMULATOR_CERT_KEY",
        requires = "cert"
    )]
    cert_key: Option<PathBuf>,

    /// Where to write the certificate that clients are to trust
    ///
    /// Without it that is eventhubs-emulator-PORT.pem in the directory for temporary files, PORT being the one for TLS.
    #[arg(long, value_name = "FILE", env = "EVENTHUBS_EMULATOR_CERT_OUT")]
    cert_out: Option<PathBuf>,
}

impl TlsArguments {
    /// Sets up the first namespace or another one.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(super) fn apply(
        &self,
        builder: EmulatorBuilder,
        is_first: bool,
    ) -> Result<EmulatorBuilder, String> {
        let builder = match (&self.cert, &self.cert_key) {
            (Some(certificate), Some(key)) => builder.certificate(read(certificate)?, read(key)?),
            _ if self.tls => builder.tls(),
            _ => return Ok(builder),
        };
        Ok(match is_first {
            true => builder.tls_port(self.tls_port),
            false => builder,
        })
    }

    /// Writes the certificate to where clients find it, and tells where that is.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(super) fn announce(&self, emulator: &Emulator) -> Result<String, String> {
        let (Some(address), Some(connection_string), Some(pem)) = (
            emulator.tls_address(),
            emulator.tls_connection_string(),
            emulator.certificate_pem(),
        ) else {
            return Ok(String::new());
        };
        let path = self.cert_out.clone().unwrap_or_else(|| {
            let name = format!("eventhubs-emulator-{}.pem", address.port());
            env::temp_dir().join(name)
        });
        write(&path, pem)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        let path = path.display();
        Ok(format!(
            "TLS on {address}: {connection_string}\nCertificate to trust: {path}\n"
        ))
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
