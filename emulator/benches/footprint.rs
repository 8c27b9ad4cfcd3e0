//! How soon is the program there, and how much memory does it take?
//!
//! The binary is started as a user starts it. Memory is what the system says is resident, which only Linux tells in
//! a file: elsewhere the bench says that it cannot.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::client::Sender;
use support::encode::{self, Frames};
use support::{TARGET, batches, singles};
use tokio::time::Instant;

const STARTS: usize = 20;
const MIB: f64 = 1024.0 * 1024.0;
/// How many bytes an event may cost on top of its own.
const ALLOWED: f64 = 64.0;

/// The program, killed when it is dropped.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(hub: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eventhubs-emulator"))
            .args(["--port", "0", "--retention", "4294967296", "--hub", hub])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("the program says where it listens");
        let address = line.split_whitespace().find_map(|word| {
            let address = word.strip_suffix(':')?;
            address.parse().ok()
        });
        Self {
            child,
            address: address.expect("an address in the first line"),
        }
    }

    /// The resident bytes; `None` where the system does not tell.
    fn resident(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended by itself needs no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    starts();
    for hub in ["eh1:4", "eh1:1024"] {
        let program = Program::start(hub);
        match program.resident() {
            Some(bytes) => println!("idle, {hub}: {:.1} MiB resident (bar: 20)", bytes / MIB),
            None => return println!("this system does not tell what is resident"),
        }
    }
    for (size, events) in [(100, 1_000_000), (1024, 1_000_000)] {
        let batch = batches(size, 500, 1);
        per_event(&format!("{size} B in batches of 500"), size, events, batch);
        per_event(
            &format!("{size} B one by one"),
            size,
            events,
            singles(size, 200),
        );
    }
}

/// From the start of the process to a link that is attached.
fn starts() {
    let mut times: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let (frames, _) = singles(1, 1);
            let start = Instant::now();
            let program = Program::start("eh1:4");
            let _sender = Sender::attach(program.address, TARGET, frames);
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "start to the first link: {:.1} ms median, {:.1} ms slowest of {STARTS} (bar: 50)",
        times[STARTS / 2].as_secs_f64() * 1e3,
        times[STARTS - 1].as_secs_f64() * 1e3
    );
}

/// What an event costs on top of its encoded bytes. The connection's own buffers count, too.
fn per_event(name: &str, size: usize, events: u64, (frames, count): (Frames, u64)) {
    let program = Program::start("eh1:1");
    let mut sender = Sender::attach(program.address, TARGET, frames);
    let before = program.resident().unwrap_or_default();
    sender.send(events / count);
    let grown = program.resident().unwrap_or_default() - before;
    let own = encode::event(size).len() as f64;
    let more = grown / events as f64 - own;
    println!("{name}: {own} bytes + {more:.1} (bar: {ALLOWED}), {events} events stored");
    assert!(more <= ALLOWED, "an event costs too much memory");
}
