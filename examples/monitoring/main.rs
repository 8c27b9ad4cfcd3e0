//! What a program does, shown: metrics for Prometheus, and a live page (the
//! tutorial's step 6).
//!
//! ```text
//! cargo run --example monitoring      # then open http://localhost:3002/
//! ```
//!
//! 300 events a second go through a buffer and a rate limit to the hub, and come back
//! to a consumer with checkpoints:
//!
//! ```text
//!  load ─▶ BufferedProducer ─▶ RateLimitedProducer ─▶ hub ─▶ EpochSafeConsumer ─▶ handlers
//!                 └─────────────────┴──────────┬──────────────────┴──────────────────┘
//!                                              ├─ metrics ──▶ /metrics, for Prometheus
//!                                              └ snapshots ─▶ /snapshot, for the page at /
//! ```
//!
//! The page's buttons, and these links, make something happen that the charts and the
//! alerts then show:
//!
//! | link | what happens |
//! |---|---|
//! | `/load?events_per_second=1500` | more than a throughput unit: throttling, a full buffer |
//! | `/handlers?milliseconds=500` | slow handlers: the lag grows |
//! | `/rival` | another reader takes partition 0, and ours takes it back |
//!
//! Beside this file are a configuration of Prometheus with alerts and a dashboard for
//! Grafana; `README.md` there says how to use them. It needs no account: it hosts an
//! emulator with one throughput unit. A hub of yours (`EVENTHUB_CONNECTION_STRING`,
//! `EVENTHUB_NAME`) is sent these events, and its partitions are taken in `$Default`
//! from whoever reads them.

#[path = "../common/mod.rs"]
mod common;
mod consuming;
mod exporter;
mod load;
mod pages;
mod rival;
mod snapshot;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Failure, Place, Web};
use consuming::Consuming;
use eventhubs_flow::prelude::*;
use load::Load;
use pages::App;
use rival::Rival;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let web = Web::listen(common::web_port(3002)?).await?;
    let stop = common::stop()?;
    // Before anything that looks up its metrics.
    let exporter = exporter::install()?;
    let place = Place::with_one_unit().await?;
    println!("{place}");

    let consuming = Consuming::start(&place.hub).await?;
    let limiter = load::limiter()?;
    let producer = place.hub.producer().rate_limited(&limiter);
    let producer = producer.buffered(load::options()).await?;
    let load = Arc::new(Load::new(producer.clone()));
    let offering = tokio::spawn(load::offer(Arc::clone(&load)));

    let page = web.url("/");
    let routes = pages::routes(App {
        exporter,
        hub: place.hub.name().to_owned(),
        load,
        limiter,
        gate: place.hub.throttle_gate().clone(),
        rival: Rival::new(place.hub.consumer(), consuming.handle.clone()),
        consuming: consuming.seen(),
    });
    let serving = web.serve(routes, pages::THERE_IS);
    println!("Open {page} to see it live; {page}metrics is for Prometheus. Ctrl-C stops.");
    stop.await;

    serving.stop().await;
    offering.abort();
    let report = producer.close(Duration::from_secs(5)).await;
    println!(
        "{} of {} events delivered.",
        report.delivered, report.accepted
    );
    let handled = consuming.stop().await?;
    println!("{handled} events handled, checkpoints written.");
    place.leave().await;
    Ok(())
}
