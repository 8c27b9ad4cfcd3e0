//! The emulator, in a process of its own.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use eventhubs_emulator::HubConfig;
use tokio::runtime::Runtime;

use super::role::EMULATOR;
use super::usage::cpu_seconds;
use super::{Failure, Load};

/// What it is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Before an acknowledgement, in milliseconds.
    pub(crate) delay: u64,
    /// How many bytes of events it keeps.
    pub(crate) retention: u64,
}

impl Terms {
    /// For those who send: its memory is soon used again.
    pub(crate) fn sent_to(delay: u64) -> Self {
        let retention = 64 << 20;
        Self { delay, retention }
    }

    /// For those who read: it keeps all.
    pub(crate) fn read_from() -> Self {
        Self {
            delay: 1,
            retention: 1 << 30,
        }
    }

    fn arguments(self) -> [String; 2] {
        [self.delay.to_string(), self.retention.to_string()]
    }

    pub(super) fn parse([delay, retention]: [&String; 2]) -> Option<Self> {
        Some(Self {
            delay: delay.parse().ok()?,
            retention: retention.parse().ok()?,
        })
    }
}

/// The hub of events of so many bytes.
pub(crate) fn hub(bytes: usize) -> String {
    format!("of-{bytes}")
}

/// Serves, and answers each line with what it has done, until there are no more lines.
///
/// # Errors
/// If the emulator cannot start.
pub(crate) fn serve(terms: Terms) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let mut builder = eventhubs_emulator::Emulator::builder()
        .tls()
        .retention_bytes(terms.retention)
        .acknowledgement_delay(Duration::from_millis(terms.delay));
    for bytes in Load::SIZES {
        builder = builder.hub(HubConfig::new(hub(bytes)).with_partitions(Load::PARTITIONS));
    }
    let emulator = runtime.block_on(builder.start())?;
    let certificate = std::env::temp_dir().join(format!("peers-{}.pem", std::process::id()));
    let pem = emulator.certificate_pem().ok_or("made with TLS")?;
    std::fs::write(&certificate, pem)?;
    let port = emulator.address().port();
    println!("{port} {}", certificate.display());
    for line in std::io::stdin().lines() {
        line?;
        let stored = emulator.metrics().incoming_messages;
        println!("{} {stored}", cpu_seconds());
    }
    std::fs::remove_file(certificate)?;
    runtime.block_on(emulator.stop());
    Ok(())
}

/// What it has done since its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    /// CPU time in seconds.
    pub(super) cpu: f64,
    /// Events that it has stored.
    pub(super) stored: u64,
}

/// The process, which ends with this.
#[derive(Debug)]
pub(crate) struct Emulator {
    process: Child,
    /// Gone when it is to end.
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    port: u16,
    certificate: PathBuf,
}

impl Emulator {
    /// # Errors
    /// If it does not start.
    pub(crate) fn start(terms: Terms) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(EMULATOR)
            .args(terms.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take();
        let answers = process.stdout.take().ok_or("it is piped")?;
        let mut answers = BufReader::new(answers).lines();
        let ready = answers.next().ok_or("the emulator has failed")??;
        let (port, certificate) = ready.split_once(' ').ok_or("a port and a path")?;
        Ok(Self {
            port: port.parse()?,
            certificate: certificate.into(),
            process,
            questions,
            answers,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The file of the certificate that clients are to trust.
    pub(super) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// # Errors
    /// If it is gone.
    pub(super) fn done(&mut self) -> Result<Done, Failure> {
        let questions = self.questions.as_mut().ok_or("it is to end")?;
        writeln!(questions)?;
        let answer = self.answers.next().ok_or("the emulator is gone")??;
        let (cpu, stored) = answer.split_once(' ').ok_or("two numbers")?;
        Ok(Done {
            cpu: cpu.parse()?,
            stored: stored.parse()?,
        })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.questions.take());
        // It ends with its input; whether well or not is all the same now.
        let _ = self.process.wait();
    }
}
