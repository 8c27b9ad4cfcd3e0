//! How fast are the clients of Event Hubs, and what do they cost?
//!
//! ```text
//! cargo bench -p eventhubs-interop
//! cargo bench -p eventhubs-interop --bench peers -- --rounds 3 sending '1 KiB'
//! ```
//!
//! Each client and the emulator are processes of their own: this program runs itself
//! again as one of them. In a round every client runs once, and who begins changes from
//! round to round; what counts is the median of the ratios of each round. The first
//! round does not count: it finds how many events take each sender about a second.
//! Tables, bars and options are printed last.
//!
//! All clients use a multi-thread runtime, as `#[tokio::main]` makes it, over plain TCP,
//! but for azeventhubs, which speaks TLS only.

mod reading;
mod sending;
mod support;

use std::process::ExitCode;

use support::emulator::{Emulator, Terms};
use support::{Failure, Load, Plan, Role, Usage, client, emulator};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    match Role::of(arguments)? {
        Role::Host(plan) => host(&plan),
        Role::Emulator(terms) => emulator::serve(terms),
        Role::Client(name, load) => client::run(work(&name, load)),
    }
}

/// What a client does.
async fn work(name: &str, load: Load) -> Result<Usage, Failure> {
    if let Some(sender) = sending::Sender::named(name) {
        return sender.send(&load).await;
    }
    match reading::Reader::named(name) {
        Some(reader) => reader.read(&load).await,
        None => reading::fill(&load).await,
    }
}

/// Holds the contests.
fn host(plan: &Plan) -> Result<(), Failure> {
    // Some clients lose an outcome that comes at once: the least delay is 1 ms, for all.
    for delay in [1, 20] {
        let mut groups = sending::groups(delay);
        plan.choose(&mut groups);
        if !groups.is_empty() {
            plan.run(&mut Emulator::start(Terms::sent_to(delay))?, &mut groups)?;
        }
    }
    let mut groups = reading::groups();
    plan.choose(&mut groups);
    if !groups.is_empty() {
        let mut emulator = Emulator::start(Terms::read_from())?;
        for group in &groups {
            let load = Load {
                port: emulator.port(),
                hub: emulator::hub(group.bytes),
                bytes: group.bytes,
                events: reading::EVENTS,
                delay: group.delay,
            };
            client::start(reading::FILL, &load, &emulator)?;
        }
        plan.run(&mut emulator, &mut groups)?;
    }
    Ok(())
}
