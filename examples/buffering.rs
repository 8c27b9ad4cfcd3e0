//! A buffer between a page and the event hub (the tutorial's step 7).
//!
//! ```text
//! cargo run --example buffering
//! curl http://localhost:3000/send
//! ```
//!
//! Each request adds an event to a buffer, which sends 100 at a time, or what
//! there is after a second. The tutorial does it with an array:
//!
//! ```text
//! buffer.push({ body: 'New event' });
//! if (buffer.length >= maxBufferSize) {
//!   const batch = await producer.createBatch();
//!   buffer.forEach(event => batch.tryAdd(event));
//!   await producer.sendBatch(batch);
//!   buffer.length = 0; // Clear the buffer
//! }
//! ```
//!
//! What that loses, and what becomes of it here:
//!
//! | | the array | here |
//! |---|---|---|
//! | an event that does not fit | `tryAdd` says so, nobody listens: lost | it closes the batch and goes in the next |
//! | an event over the size limit | lost, silently | refused at once: the page says why |
//! | requests while a batch is sent | pushed, then cleared unsent: lost | the next batch fills |
//! | a send that fails | the request fails, the array stays and grows | sent again, in order; then told in the log and counted, or handed back to those who `send` |
//! | 99 events and no more | wait for ever | wait a second |
//! | the program is stopped | lost | `close` sends them; what it cannot send it hands back |
//! | the program crashes | lost | lost: at most what the buffer's bounds allow |
//!
//! Add `?size=2000000` for an event that is too large. It needs no account: see
//! the example `send`.

mod common;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use common::{Failure, Place, Refusal, Web};
use eventhubs_flow::EventData;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use serde::Deserialize;

const BATCH: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");
const LINGER: Duration = Duration::from_secs(1);
/// How long a request waits for room in the buffer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest event that is made: more than an event hub takes.
const MOST_BYTES: usize = 2 << 20;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let web = Web::listen(common::web_port(3000)?).await?;
    let stop = common::stop()?;
    let place = Place::find().await?;
    println!("{place}");
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(BATCH)
        .with_linger(LINGER);
    let producer = place.hub.buffered_producer(options).await?;

    let send_url = web.url("/send");
    let routes = Router::new().route("/send", get(send));
    let serving = web.serve(
        routes.with_state(producer.clone()),
        "GET /send, or GET /send?size=2000000",
    );
    println!("Open {send_url} to add an event; Ctrl-C stops.");
    stop.await;

    serving.stop().await;
    let report = producer.close(Duration::from_secs(30)).await;
    println!(
        "{} of {} events delivered.",
        report.delivered, report.accepted
    );
    for undelivered in report.undelivered {
        // A program of yours would keep these, and send them when it runs again.
        eprintln!("Not delivered: {}", undelivered.error);
    }
    place.leave().await;
    Ok(())
}

/// What a request may ask for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The bytes of the event's body.
    size: Option<usize>,
}

/// `GET /send`
async fn send(
    State(producer): State<BufferedProducer>,
    Query(wanted): Query<Wanted>,
) -> Result<&'static str, Refusal> {
    let event = match wanted.size {
        None => EventData::new("New event"),
        Some(size) => EventData::new("x".repeat(size.min(MOST_BYTES))),
    };
    // Waits while the buffer is full: that slows the clients down, and nothing is lost.
    match producer.enqueue_timeout(event, PATIENCE).await {
        Ok(()) => Ok("Event added to buffer"),
        Err(refused) => Err(Refusal::from(refused).about("Event not added")),
    }
}
