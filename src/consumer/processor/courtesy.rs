//! Waiting for the owner before, which a claim has followed but not displaced.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::core::Core;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::retry::Backoff;
use crate::shield::Shielded;
use crate::transport::{ReceiverOptions, StartPosition};

/// The waits between two looks.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);

/// Waits until nobody reads a partition at an owner level, but not beyond the time that
/// a hand-over may take.
///
/// The owner before sees that it was followed when it renews, lets its handlers come to
/// an end, writes its checkpoint, and lets go of the partition at the service: that is
/// the sign. It needs no message, and any SDK's processor gives it.
pub(super) async fn until_free(core: &Core, partition: PartitionId) {
    let deadline = Instant::now() + core.options.courtesy();
    let backoff = Backoff::new(FIRST, LONGEST);
    let mut looks = 0;
    while let Ok(false) = timeout_at(deadline, is_free(core, partition)).await {
        looks += 1;
        sleep_until(deadline.min(Instant::now() + backoff.long_delay(looks))).await;
        if Instant::now() >= deadline {
            break;
        }
    }
}

/// Whether nobody reads at an owner level. A receiver without one displaces nobody.
async fn is_free(core: &Core, partition: PartitionId) -> bool {
    let options = ReceiverOptions {
        consumer_group: core.options.consumer.consumer_group.clone(),
        partition,
        position: StartPosition::Earliest,
        owner_level: None,
        name: Some(core.registry.owner().to_owned()),
    };
    match Shielded::call(|| core.transport.open_receiver(options)).await {
        Some(Ok(probe)) => {
            // What it says of its close is of no interest: it has shown enough.
            let _ = Shielded::call(|| probe.close()).await;
            true
        }
        Some(Err(error)) => is_of_no_owner(&error),
        None => false,
    }
}

/// Five others without a level, and so no owner.
fn is_of_no_owner(error: &Error) -> bool {
    *error.kind() == ErrorKind::QuotaExceeded
}
