//! Renewals: one partition's, until it is lost.

use tokio::time::{Instant, sleep, sleep_until};

use super::core::Core;
use super::lease::Lease;
use super::meters::Loss;
use crate::consumer::checkpoint::Ownership;
use crate::partition::PartitionId;
use crate::retry::Backoff;

/// Renews a partition at each interval, and more often while that fails; tells how it
/// was lost.
pub(super) async fn keep(
    core: &Core,
    partition: PartitionId,
    mut held: Ownership,
    lease: &Lease,
) -> Loss {
    loop {
        tokio::select! {
            biased;
            () = lapse(lease) => return Loss::Lapsed,
            renewed = renew(core, partition, &held) => match renewed {
                Some((now, asked)) if lease.renewed(asked) => {
                    note(core, partition, asked);
                    held = now;
                }
                Some(_) => return Loss::Lapsed,
                None => return Loss::Stolen,
            }
        }
    }
}

/// Waits until a lease is over, which others may make longer meanwhile.
async fn lapse(lease: &Lease) {
    while !lease.is_over() {
        sleep_until(lease.until()).await;
    }
}

/// Makes the next renewal when it is time, however often it fails; `None` if another
/// has the partition.
async fn renew(
    core: &Core,
    partition: PartitionId,
    held: &Ownership,
) -> Option<(Ownership, Instant)> {
    sleep(core.options.pause()).await;
    let backoff = Backoff::new(core.options.interval / 10, core.options.interval);
    let mut failures = 0;
    loop {
        let asked = Instant::now();
        match core.registry.renew(partition, held).await {
            Ok(renewed) => return renewed.map(|now| (now, asked)),
            Err(error) => {
                failures += 1;
                tracing::warn!(%partition, %error, failures, "ownership not renewed");
                sleep(backoff.long_delay(failures)).await;
            }
        }
    }
}

fn note(core: &Core, partition: PartitionId, asked: Instant) {
    let before = core.with_state(|state| {
        let hold = state.held.get_mut(&partition)?;
        Some(std::mem::replace(&mut hold.renewed, asked))
    });
    if before.is_some_and(|before| before.elapsed() > core.options.expiry / 3) {
        tracing::warn!(%partition, "ownership renewed late");
        core.registry.meters.renewed_late();
    }
}
