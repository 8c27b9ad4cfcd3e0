//! A zombie: a consumer that is frozen while another takes its partition (step 3).
//!
//! ```text
//! cargo run --example fencing
//! ```
//!
//! A process that stands still (a paused machine, a long collection, a debugger)
//! does not know that it lost its partition. Thawed, it goes on with what it has:
//! for a moment there are two owners. Owner levels cannot prevent that, since the
//! service's word is still on its way. A generation can: each owner claims a higher
//! one from the store, each event carries it, and whoever takes writes refuses those
//! of an older one. The checkpoint store does so itself.
//!
//! This program starts itself a second time as the zombie, freezes it with SIGSTOP,
//! and thaws it with SIGCONT, so it needs Unix. It needs no account: it hosts an
//! emulator of its own. With a hub of yours (`EVENTHUB_CONNECTION_STRING`,
//! `EVENTHUB_NAME`) it takes partition 0 of `$Default` from whoever reads it.

mod common;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use common::{Failure, Place};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::FileStore;
use eventhubs_flow::consumer::epoch_safe::{
    EpochSafeConsumer, EpochSafeConsumerOptions, PartitionState,
};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{EventBatch, EventData, EventHub, PartitionId};
use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PARTITION: PartitionId = PartitionId::new(0);
const EVENTS: usize = 100;
/// The events that the zombie handles before it freezes.
const BEFORE: u32 = 10;

/// Tells the second process where the store is.
const ZOMBIE: &str = "FENCING_ZOMBIE";

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match std::env::var_os(ZOMBIE) {
        Some(directory) => be_the_zombie(&PathBuf::from(directory)).await,
        None => run().await,
    };
    common::exit(ended)
}

/// What takes side effects: it remembers the highest generation that wrote to it.
#[derive(Default)]
struct Ledger {
    generation: u64,
    written: u32,
    refused: u32,
}

impl Ledger {
    fn write(&mut self, generation: u64) {
        if generation < self.generation {
            self.refused += 1;
        } else {
            self.generation = generation;
            self.written += 1;
        }
    }
}

async fn run() -> Result<(), Failure> {
    let place = Place::of_our_own().await?;
    println!("{place}");
    let directory = std::env::temp_dir().join(format!("fencing-{}", std::process::id()));
    let shown = show(&place, &directory).await;
    let _ = std::fs::remove_dir_all(&directory);
    place.leave().await;
    shown
}

async fn show(place: &Place, directory: &Path) -> Result<(), Failure> {
    let mut ledger = Ledger::default();
    let (zombie, mut said) = start_the_zombie(place, directory)?;
    expect(&mut said, "ready").await?;
    send(&place.hub).await?;
    loop {
        let line = said.next_line().await?.ok_or("the zombie has ended")?;
        if let Some(generation) = line.strip_prefix("write ") {
            ledger.write(generation.parse()?);
        }
        if line == "busy" {
            break;
        }
    }
    println!(
        "\nThe first owner has generation {} and handled {BEFORE} events; it is at the next one.",
        ledger.generation
    );
    signal(&zombie, "STOP").await?;
    println!("It is frozen. A second owner takes the partition and handles the rest:");

    let mut second = open(&place.hub, directory, "second").await?;
    let mut last = None;
    while last < Some(EVENTS - 1) {
        let event = second.next().await.ok_or("the stream has ended")??;
        last = Some(String::from_utf8_lossy(event.body()).parse()?);
        ledger.write(event.generation());
        second.ack(&event)?;
    }
    second.handle().checkpoint().await?;
    println!("  it has generation {}.", ledger.generation);

    println!("\nThe first owner is thawed. From now on it says:");
    let before = (ledger.written, ledger.refused);
    signal(&zombie, "CONT").await?;
    while let Some(line) = said.next_line().await? {
        match line.strip_prefix("write ") {
            Some(generation) => ledger.write(generation.parse()?),
            None => println!("  {line}"),
        }
    }
    println!(
        "\nIts late side effects: {} refused, {} taken.",
        ledger.refused - before.1,
        ledger.written - before.0
    );
    second.close().await?;
    Ok(())
}

async fn open(hub: &EventHub, directory: &Path, name: &str) -> Result<EpochSafeConsumer, Failure> {
    let options = EpochSafeConsumerOptions::default()
        .with_partitions([PARTITION])
        .with_name(name)
        .with_store(FileStore::open(directory).await?);
    Ok(hub.epoch_safe_consumer(options).await?)
}

async fn send(hub: &EventHub) -> Result<(), Failure> {
    let producer = hub.producer();
    let mut batch = EventBatch::new(PARTITION.into(), producer.limits(&PARTITION.into()));
    for number in 0..EVENTS {
        batch.try_add(EventData::new(number.to_string()))?;
    }
    Ok(producer.send_batch(batch).await?)
}

fn start_the_zombie(
    place: &Place,
    directory: &Path,
) -> Result<(Child, Lines<BufReader<ChildStdout>>), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(connection_string) = place.connection_string() {
        command.env("EVENTHUB_CONNECTION_STRING", connection_string);
    }
    let mut zombie = command
        .env(ZOMBIE, directory)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = zombie.stdout.take().ok_or("the zombie says nothing")?;
    Ok((zombie, BufReader::new(stdout).lines()))
}

/// Handles events one by one: has a side effect, and writes a checkpoint. One of them
/// takes long, and in the middle of it the process is frozen.
async fn be_the_zombie(directory: &Path) -> Result<(), Failure> {
    let place = Place::find().await?;
    let mut events = open(&place.hub, directory, "first").await?;
    let handle = events.handle();
    while handle.snapshot().partitions[0].state != PartitionState::Reading {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("ready");
    let mut handled = 0;
    while let Some(item) = events.next().await {
        match item {
            Ok(event) => {
                if handled == BEFORE {
                    println!("busy");
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                handled += 1;
                println!("write {}", event.generation());
                let stored = match events.ack(&event) {
                    Ok(()) => handle.checkpoint().await,
                    fenced => fenced,
                };
                match stored {
                    Ok(()) => println!("checkpoint stored"),
                    Err(error) => println!("checkpoint refused: {error}"),
                }
            }
            Err(error) => println!("lost: {error}"),
        }
    }
    println!("nothing more is yielded");
    Ok(())
}

async fn expect(said: &mut Lines<BufReader<ChildStdout>>, text: &str) -> Result<(), Failure> {
    while let Some(line) = said.next_line().await? {
        if line == text {
            return Ok(());
        }
    }
    Err(format!("the zombie has ended before it was {text}").into())
}

/// Sends a signal; the standard library has none.
async fn signal(process: &Child, name: &str) -> Result<(), Failure> {
    let pid = process.id().ok_or("the zombie has ended")?.to_string();
    let sent = Command::new("kill")
        .args(["-s", name, &pid])
        .status()
        .await?;
    if !sent.success() {
        return Err(format!("SIG{name} was not sent: this example needs Unix").into());
    }
    Ok(())
}
