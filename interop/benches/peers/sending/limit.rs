//! What the emulator takes in at most.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::task::spawn_blocking;

use super::frames::{Sender, full_batch};
use crate::support::{Failure, Load, Meter, Usage};

pub(super) fn options() -> String {
    "full batches, 8 MiB in flight for each partition, a connection and a thread for each".into()
}

/// It counts in whole batches.
pub(super) async fn frames(load: &Load) -> Result<Usage, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, load.port));
    let (frames, count) = full_batch(load.bytes);
    let times = load.share().div_ceil(count);
    let warm_up = times.div_ceil(4);
    let mut senders: Vec<_> = (0..Load::PARTITIONS)
        .map(|partition| {
            let target = format!("{}/Partitions/{partition}", load.hub);
            Sender::attach(address, &target, frames.clone())
        })
        .collect();
    senders = each(senders, warm_up).await?;
    let meter = Meter::start();
    each(senders, times).await?;
    let events = |times| times * count * u64::from(Load::PARTITIONS);
    Ok(meter.stop(events(times), events(warm_up)))
}

/// Lets each send so many times, and gives them back.
async fn each(senders: Vec<Sender>, times: u64) -> Result<Vec<Sender>, Failure> {
    let lanes = senders.into_iter().map(|mut sender| {
        spawn_blocking(move || {
            sender.send(times);
            sender
        })
    });
    let mut back = Vec::new();
    for lane in lanes.collect::<Vec<_>>() {
        back.push(lane.await?);
    }
    Ok(back)
}
