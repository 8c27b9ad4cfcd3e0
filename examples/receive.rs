//! A web page that starts to read events (the tutorial's step 3).
//!
//! Run it, open <http://localhost:3001/receive>, and watch this terminal while
//! the example `send` sends from a second one:
//!
//! ```text
//! cargo run --example receive
//! curl http://localhost:3001/receive
//! ```
//!
//! It needs no account: it hosts an Event Hubs emulator, or joins the one that
//! `send` hosts. To read a hub of yours, set `EVENTHUB_CONNECTION_STRING` and
//! `EVENTHUB_NAME`.
//!
//! It reads in `$Default`, or in the consumer group that `EVENTHUB_CONSUMER_GROUP`
//! names: readers in two groups disturb nobody (the emulator has `cg1`, too).
//!
//! Things to try: stop `send` while it hosts. Or meet the tutorial's error: run
//! a second `receive` with `PORT=3002`. It takes the partitions over; the first
//! one says who did, and reads on when you open its page again.

mod common;

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as _;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use common::{Failure, Over, Place, Web};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{Error, EventHub};
use futures::StreamExt;
use tokio::sync::watch;

/// Whether someone asked to read: at most one reader answers.
type Wanted = watch::Sender<bool>;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let group = common::consumer_group()?;
    let web = Web::listen(common::web_port(3001)?).await?;
    let mut stop = pin!(common::stop()?);

    let mut place = Place::find().await?;
    let wanted = Arc::new(Wanted::new(false));
    let receive_url = web.url("/receive");
    let routes = Router::new().route("/receive", get(receive));
    let serving = web.serve(routes.with_state(Arc::clone(&wanted)), "GET /receive");
    println!("Open {receive_url} to start to receive; Ctrl-C stops.");

    loop {
        println!("{place}");
        let mut reader = None;
        let over = tokio::select! {
            over = place.over(stop.as_mut()) => over,
            never = read(&place.hub, &group, &wanted, &mut reader) => match never {},
        };
        if let Some(reader) = reader {
            // It lets go of its partitions; whatever is said to that, we go on.
            let _ = reader.close().await;
        }
        if let Over::Stopped = over {
            break;
        }
        place = tokio::select! {
            found = Place::find_again() => found,
            _ = stop.as_mut() => return Ok(()),
        };
    }

    serving.stop().await;
    place.leave().await;
    Ok(())
}

/// `GET /receive`
async fn receive(State(wanted): State<Arc<Wanted>>) -> &'static str {
    wanted.send_replace(true);
    "Receiving events from Event Hub"
}

/// Reads whenever someone wants it. The reader is left where the caller can close it.
async fn read(
    hub: &EventHub,
    group: &str,
    wanted: &Wanted,
    reader: &mut Option<EpochSafeConsumer>,
) -> Infallible {
    let mut asked = wanted.subscribe();
    loop {
        // It cannot fail: we hold the sender, too.
        let _ = asked.wait_for(|wanted| *wanted).await;
        match open(hub, group).await {
            Ok(opened) => print_events(reader.insert(opened)).await,
            Err(error) => explain(&error),
        }
        *reader = None;
        wanted.send_replace(false);
        println!("Nothing is read any more: open the page again to start again.");
    }
}

/// A reader of all partitions, from the earliest event on. It takes each
/// partition from whoever reads it at owner level 0 or without one; and when
/// somebody else does the same to it, it says so and lets go.
async fn open(hub: &EventHub, group: &str) -> Result<EpochSafeConsumer, Error> {
    let options = EpochSafeConsumerOptions::default()
        .with_consumer_group(group)
        .with_position(StartPosition::Earliest)
        .with_policy(EpochPolicy::TakeOver { level: 0 });
    let consumer = EpochSafeConsumer::open(Arc::new(hub.consumer()), options).await?;
    println!(
        "Reading all partitions of '{}' in '{group}' from the earliest event on.",
        hub.name()
    );
    Ok(consumer)
}

/// Prints until no partition is left.
async fn print_events(events: &mut EpochSafeConsumer) {
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => println!("Received event: {}", text(event.body())),
            Err(error) => explain(&error),
        }
    }
}

/// A body as text. One that is a JSON string is what stands in it: so the JavaScript SDK
/// sends and reads strings.
fn text(body: &[u8]) -> Cow<'_, str> {
    serde_json::from_slice(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Owned)
}

/// Prints an error, then what the service itself said.
fn explain(error: &Error) {
    eprintln!("Error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}
