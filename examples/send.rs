//! A web page that sends events (the tutorial's step 2).
//!
//! Run it, open <http://localhost:3000/send>, and read what you sent with the
//! example `receive` in a second terminal:
//!
//! ```text
//! cargo run --example send
//! curl http://localhost:3000/send
//! ```
//!
//! It needs no account: it hosts an Event Hubs emulator, or joins the one that
//! `receive` hosts. To send to a hub of yours, set `EVENTHUB_CONNECTION_STRING`
//! and `EVENTHUB_NAME`.
//!
//! Things to try: many requests at once (`seq 5000 | xargs -P 50 -I _ curl -s
//! http://localhost:3000/send`): the buffer makes full batches of them, and the
//! limiter keeps to one throughput unit. Or stop `receive` while it hosts.

mod common;

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use common::{Failure, Over, Place, Refusal, Web};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::{Error, EventData};
use tokio::sync::watch;

/// How long a request waits for room in the buffer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The producer, while there is a place to send to.
type Producer = watch::Sender<Option<BufferedProducer>>;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let web = Web::listen(common::web_port(3000)?).await?;
    let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
    let mut stop = pin!(common::stop()?);

    let mut place = Place::find().await?;
    let current = Arc::new(Producer::new(Some(open(&place, &limiter).await?)));
    println!("{place}");
    let send_url = web.url("/send");
    let routes = Router::new().route("/send", get(send));
    let serving = web.serve(routes.with_state(Arc::clone(&current)), "GET /send");
    println!("Open {send_url} to send two events; Ctrl-C stops.");

    while let Over::Lost = place.over(stop.as_mut()).await {
        if let Some(producer) = current.send_replace(None) {
            producer.abort();
        }
        place = tokio::select! {
            found = Place::find_again() => found,
            _ = stop.as_mut() => return Ok(()),
        };
        match open(&place, &limiter).await {
            Ok(producer) => {
                current.send_replace(Some(producer));
                println!("{place}");
            }
            // It was lost again at once, which the loop finds out.
            Err(error) => eprintln!("Error: {error}"),
        }
    }

    if let Some(producer) = current.send_replace(None) {
        let report = producer.close(Duration::from_secs(5)).await;
        println!(
            "{} of {} events delivered.",
            report.delivered, report.accepted
        );
    }
    serving.stop().await;
    place.leave().await;
    Ok(())
}

/// A buffer, which makes batches, over a rate limiter, which keeps to one
/// throughput unit, over AMQP.
async fn open(place: &Place, limiter: &RateLimiter) -> Result<BufferedProducer, Error> {
    let producer = place.hub.producer().rate_limited(limiter);
    producer.buffered(BufferedProducerOptions::default()).await
}

/// `GET /send`
async fn send(State(current): State<Arc<Producer>>) -> Result<&'static str, Refusal> {
    let producer = current.borrow().clone();
    let producer =
        producer.ok_or_else(|| Refusal::for_now("there is no event hub to send to right now"));
    let sent = async {
        send_two(&producer?).await?;
        Ok("Events sent to Event Hub")
    };
    let refused = |refusal: Refusal| refusal.about("Events not sent");
    sent.await.map_err(refused)
}

/// Waits for room in the buffer, and then until the hub has acknowledged both events:
/// accepted is not delivered.
async fn send_two(producer: &BufferedProducer) -> Result<(), Refusal> {
    let first = EventData::new("First event");
    let first = producer.send_timeout(first, PATIENCE).await?;
    let second = EventData::new("Second event");
    let second = producer.send_timeout(second, PATIENCE).await?;
    first.await?;
    second.await?;
    Ok(())
}
