//! The metrics, in the format that Prometheus reads.

use std::time::Duration;

use eventhubs_flow::telemetry;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::common::Failure;

/// From a millisecond in this process to the half minute that a throttled batch may
/// wait.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 4.0, 10.0, 30.0,
];
/// To what the service takes at most in one batch.
const BYTES: [f64; 8] = [
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
];
const EVENTS: [f64; 9] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// What is observed between two scrapes is kept one by one until it is put into its
/// bucket, which somebody has to ask for if nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Makes it the recorder of this program.
///
/// # Errors
///
/// If the program has one already.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let handle = PrometheusBuilder::new()
        // `_total` and `_seconds`, as Prometheus' own guide to names has it.
        .with_recommended_naming(true)
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(full(telemetry::BATCH_BYTES), &BYTES)?
        .set_buckets_for_metric(full(telemetry::BATCH_EVENTS), &EVENTS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
