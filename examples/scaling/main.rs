//! A hub that is scaled while it is in use (the tutorial's step 5).
//!
//! ```text
//! cargo run --example scaling
//! ```
//!
//! Forty-eight devices send all that they may, a consumer reads along, and neither is
//! stopped while the hub grows beneath them:
//!
//! ```text
//!  partitions        4 ─────▶ 8                        8
//!  throughput units  1        1       1 (our limit: 3) 3
//!  events/s       1000     1000       throttled     3000
//! ```
//!
//! - More partitions are more readers at once, and not more events per second: those
//!   are units, shared by all partitions. (A partition has a limit of its own, too.)
//! - The running producer and consumer find new partitions by themselves: within a
//!   second here, within ten by default.
//! - **Keys move.** A key's partition is its hash modulo their number, so about half of
//!   the devices are in another one afterwards. Their old events stay where they are, and
//!   who reads the new partition sooner than the old one to its end reads them out of
//!   order. Where that matters let readers catch up first, or keep the keys in their
//!   places (`PartitionGrowth::KeepKeys`, the default, until the producer is opened anew).
//! - A limit of ours has to be raised too; after the units, not before them.
//!
//! Beside each step stands what does it in Azure. A hub gets more partitions in the
//! Premium and Dedicated tiers only, and never less of them again: so begin with enough.
//! Throughput units are of the Standard tier, where auto-inflate raises them by itself.
//!
//! It needs no account: it hosts an Event Hubs emulator that has one throughput unit.
//! With a hub of yours (`EVENTHUB_CONNECTION_STRING`, `EVENTHUB_NAME`) it sends up to
//! 3000 events/s, prints the commands, and shows the throughput until it sees more
//! partitions, or Ctrl-C.

#[path = "../common/mod.rs"]
mod common;
mod load;
mod seen;

use std::num::NonZeroU32;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use common::{Failure, Place};
use eventhubs_emulator::Emulator;
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use load::{DEVICES, Load, Look};
use tokio::time::{Instant, interval};

const MORE_PARTITIONS: u32 = 8;
const MORE_UNITS: u32 = 3;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut stop = pin!(common::stop()?);
    let place = Place::with_one_unit().await?;
    println!("{place}");
    let limiter = match place.own_emulator() {
        Some(_) => RateLimiter::new(units(1))?,
        // It finds out what your namespace has left.
        None => RateLimiter::adaptive(units(MORE_UNITS), Adaptive::default())?,
    };
    let load = Load::start(&place.hub, limiter).await?;
    let shown = async {
        match place.own_emulator() {
            Some(emulator) => scale(emulator, &load).await,
            None => watch(&load).await,
        }
    };
    let shown = tokio::select! {
        shown = shown => shown,
        () = stop.as_mut() => Ok(()),
    };
    let stopped = load.stop().await;
    place.leave().await;
    shown.and(stopped)
}

/// What a number of throughput units takes in, with half a second of burst: the service
/// saves up a second, and batches arrive closer together than they left.
fn units(units: u32) -> RateLimit {
    RateLimit::throughput_units(units).with_events_burst(500 * u64::from(units))
}

/// Scales our own emulator.
async fn scale(emulator: &Emulator, load: &Load) -> Result<(), Failure> {
    println!("\n1. 4 partitions, 1 throughput unit.");
    // The first second's burst is behind.
    load.wait_for("the first burst", |now| now.stored >= 1000)
        .await?;
    let before = load.measure().await;

    println!("\n2. More partitions: 4 to {MORE_PARTITIONS}. In Azure:");
    let all = MORE_PARTITIONS as usize;
    print_partition_command(load.hub.name(), all);
    let grown = Instant::now();
    emulator.set_partition_count(load.hub.name(), MORE_PARTITIONS)?;
    let found = |now: &Look| now.producing == all && now.consuming == all;
    load.wait_for("partitions to be found", found).await?;
    println!(
        "  The running producer and the running consumer found them by themselves, within {:.1?}.",
        grown.elapsed()
    );
    load.wait_for("partitions to be used", |now| now.spread.len() == all)
        .await?;
    let spread = load.measure().await;
    print_moved(load);
    println!("  Partitions make no units: {}", times(spread, before));

    println!("\n3. Our own limit alone: {MORE_UNITS} units, of which the namespace has 1.");
    load.limiter.set_limit(units(MORE_UNITS))?;
    load.measure().await;
    println!("  That is too early: what is refused waits, for seconds.");

    println!("\n4. More throughput units: 1 to {MORE_UNITS}. In Azure:");
    print_unit_commands();
    emulator.set_throughput_units(NonZeroU32::new(MORE_UNITS));
    // What was refused waits until the time is up that the service asked for.
    load.wait_for("the time that the service asked for", |now| now.paused == 0)
        .await?;
    let start = load.look().stored;
    let burst = u64::from(1000 * MORE_UNITS);
    load.wait_for("the first burst", |now| now.stored >= start + burst)
        .await?;
    let after = load.measure().await;
    println!("  Units do: {}", times(after, before));
    Ok(())
}

fn times(after: f64, before: f64) -> String {
    format!(
        "{:.1} times as many events per second as in the beginning.",
        after / before
    )
}

fn print_moved(load: &Load) {
    let moved = load.look().moved;
    println!(
        "  {moved} of {DEVICES} devices moved to another partition; their order is not kept across that."
    );
}

fn print_partition_command(hub: &str, partitions: usize) {
    println!(
        "  az eventhubs eventhub update --resource-group <ResourceGroupName> \
         --namespace-name <NamespaceName> --name {hub} --partition-count {partitions}"
    );
    println!("  (Premium and Dedicated tiers; it cannot be undone, and keys move.)");
}

fn print_unit_commands() {
    println!(
        "  az eventhubs namespace update --resource-group <ResourceGroupName> \
         --name <NamespaceName> --sku Standard --capacity {MORE_UNITS}"
    );
    println!("  or, by itself when it is needed (auto-inflate; down it goes by hand only):");
    println!(
        "  az eventhubs namespace update --resource-group <ResourceGroupName> \
         --name <NamespaceName> --enable-auto-inflate true --maximum-throughput-units {MORE_UNITS}"
    );
}

/// Shows what becomes of a hub that somebody else scales, until it has more partitions.
async fn watch(load: &Load) -> Result<(), Failure> {
    let partitions = load.look().producing;
    println!("\nIt is yours to scale, with more partitions:");
    print_partition_command(load.hub.name(), 2 * partitions);
    println!("or with more throughput units:");
    print_unit_commands();
    println!("Ctrl-C ends this.\n");

    let mut second = interval(Duration::from_secs(1));
    let (mut last, mut last_at) = (load.look(), second.tick().await);
    while last.producing == partitions {
        let at = second.tick().await;
        let now = load.look();
        let since = now.since(&last, at - last_at);
        println!("{} partitions: {since}", now.producing);
        (last, last_at) = (now, at);
    }

    let found = |now: &Look| now.consuming > partitions;
    load.wait_for("partitions to be found", found).await?;
    println!(
        "\nThe running producer and the running consumer found more partitions by themselves."
    );
    let used = |now: &Look| now.spread.len() > partitions;
    load.wait_for("partitions to be used", used).await?;
    load.measure().await;
    print_moved(load);
    Ok(())
}
