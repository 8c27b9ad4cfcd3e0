//! All of it in one graph: from HTTP to counts, bounded at each step (the tutorial's
//! step 8).
//!
//! ```text
//!  POST /events ──▶ BufferedProducer ──▶ RateLimitedProducer ──▶ event hub
//!   202 accepted     4000 events,         4 throughput units        │
//!   200 delivered    else 429                                       ▼
//!   400, 413, 503                                            EpochSafeConsumer
//!                                                                   │    ▲ where to go on
//!  GET /counts ◀── counts per key ◀── handler, 16 at once ◀─────────┘    │
//!                                           │ done                       │
//!  GET /metrics ◀── all of this             └──▶ watermark ──▶ checkpoints in files
//! ```
//!
//! ```text
//! cargo run --example pipeline
//! curl 'http://localhost:3003/events?key=device1' -d 'on'
//! curl 'http://localhost:3003/events?wait=true' -H 'Content-Type: application/json' -d '{"t": 21.5}'
//! curl http://localhost:3003/counts
//! curl http://localhost:3003/metrics
//! ```
//!
//! Without `wait` an event is accepted and not delivered yet. Ctrl-C, or SIGTERM, stops it
//! from the left to the right: no more requests, the buffer is sent, all of it is read,
//! handled and acknowledged, the checkpoints are written. Then it tells the balance:
//! accepted = delivered = handled. A second Ctrl-C does not wait for that.
//!
//! Things to try: stop it under load (`seq 20000 | xargs -P 20 -I _ curl -s -d on
//! 'http://localhost:3003/events?key=_'`). Or start `send` first, which hosts the
//! emulator, and stop and start the pipeline beside it: it goes on after its checkpoints,
//! and counts what it was sent since. Kill it (`kill -9`): what was handled after the last
//! checkpoint is handled again.
//!
//! It needs no account: it hosts an Event Hubs emulator, or joins one. To use a hub of
//! yours, set `EVENTHUB_CONNECTION_STRING` and `EVENTHUB_NAME`; `PORT` moves the server.

#[path = "../common/mod.rs"]
mod common;
mod counts;
mod pages;
mod reading;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Failure, Over, Place, Web};
use counts::Counts;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions, CloseReport};
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::{Error, EventHub};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pages::Pages;
use reading::Reading;
use tokio::time::interval;

/// Events that may wait for the hub.
const BUFFERED: NonZeroUsize = NonZeroUsize::new(4000).expect("not zero");
const UNITS: u32 = 4;
/// How long each step of the stop may take.
const DRAIN: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let web = Web::listen(common::web_port(3003)?).await?;
    // Before anything that it is to be told of.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let mut stop = pin!(common::stop()?);

    let place = Place::find().await?;
    println!("{place}");
    let counts = Arc::new(Counts::new());
    let reading = Reading::start(&place, Arc::clone(&counts)).await?;
    let producer = open(&place.hub).await?;
    let events_url = web.url("/events");
    let pages = Pages {
        producer: producer.clone(),
        counts: Arc::clone(&counts),
        metrics: metrics.clone(),
    };
    let serving = web.serve(
        pages::routes(pages),
        "POST /events, GET /counts or GET /metrics",
    );
    println!("Post events to {events_url}; Ctrl-C stops.");

    let over = tokio::select! {
        over = place.over(stop.as_mut()) => over,
        never = tell(&producer, &counts, &metrics) => match never {},
    };

    let again = common::stop()?;
    println!("Stopping: no more requests; what was accepted is sent, read and handled.");
    let draining = async {
        // What is under way over HTTP gets its answer while the buffer is sent.
        let report = serving.stop_while(producer.close(DRAIN)).await;
        let drained = match over {
            Over::Stopped => reading.finish(&place.hub, DRAIN).await,
            Over::Lost => Err("its event hub is gone".into()),
        };
        (report, drained)
    };
    let (report, drained) = tokio::select! {
        ended = draining => ended,
        never = tell(&producer, &counts, &metrics) => match never {},
        () = again => return Err("stopped before all that was accepted was handled".into()),
    };
    place.leave().await;
    tell_balance(&report, &counts)?;
    drained
}

/// A buffer, which makes batches, over a rate limiter, over AMQP.
async fn open(hub: &EventHub) -> Result<BufferedProducer, Error> {
    let limiter = RateLimiter::new(RateLimit::throughput_units(UNITS))?;
    let options = BufferedProducerOptions::default().with_max_events(BUFFERED);
    hub.producer()
        .rate_limited(&limiter)
        .buffered(options)
        .await
}

/// Tells once a second how far it is, if anything has changed.
async fn tell(
    producer: &BufferedProducer,
    counts: &Counts,
    metrics: &PrometheusHandle,
) -> Infallible {
    let mut second = interval(Duration::from_secs(1));
    let mut told = (0, 0, 0);
    loop {
        second.tick().await;
        // Histograms would grow without end.
        metrics.run_upkeep();
        let sent = producer.snapshot();
        let now = (sent.events, sent.outcomes.delivered, counts.handled());
        if now != told {
            let (buffered, delivered, handled) = now;
            println!("{buffered} buffered, {delivered} delivered, {handled} handled");
            told = now;
        }
    }
}

fn tell_balance(report: &CloseReport, counts: &Counts) -> Result<(), Failure> {
    let (accepted, delivered, handled) = (report.accepted, report.delivered, counts.handled());
    println!("{accepted} accepted, {delivered} delivered, {handled} handled.");
    for undelivered in &report.undelivered {
        // A program of yours would keep these, and send them when it runs again.
        eprintln!("Not delivered: {}", undelivered.error);
    }
    if accepted == delivered && delivered == handled {
        println!("Balanced: accepted = delivered = handled.");
        return Ok(());
    }
    Err("the balance is not even: an event was lost or handled twice".into())
}
