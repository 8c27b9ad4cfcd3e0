//! Taking an event that there was no room for at first.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::buffer::{Buffer, Refusal};
use super::overflow::take_room;
use super::queued::Arrival;
use super::wait;
use crate::error::{Error, ErrorKind};

/// Takes an event that was refused, once there is room, within a time at most.
pub(super) async fn later(
    buffer: &Arc<Buffer>,
    arrival: &mut Arrival,
    mut refusal: Refusal,
    within: Duration,
) -> Result<(), Error> {
    let until = Instant::now().checked_add(within);
    loop {
        refusal.of_now()?;
        let room = wait::room(buffer, arrival.target(), arrival.size);
        let room = match until {
            Some(until) => timeout_at(until, room).await.unwrap_or_else(|_| {
                let message = format!("there was no room for the event within {within:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }),
            None => room.await,
        };
        match room?.fill(arrival) {
            Ok(()) => return Ok(()),
            Err(again) => refusal = again,
        }
    }
}

/// Takes an event that was refused if the policy makes room.
pub(super) fn by_policy(
    buffer: &Arc<Buffer>,
    arrival: &mut Arrival,
    mut refusal: Refusal,
) -> Result<(), Error> {
    loop {
        refusal.of_now()?;
        match take_room(buffer, arrival.target(), arrival.size)?.fill(arrival) {
            Ok(()) => return Ok(()),
            Err(again) => refusal = again,
        }
    }
}
