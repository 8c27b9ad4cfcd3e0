//! Room without waiting: there is some, older events give way, or there is none.

use std::sync::Arc;

use super::buffer::Buffer;
use super::cost::Cost;
use super::partitions::{Place, Route};
use super::permit::Room;
use super::policy::OverflowPolicy;
use super::queue::Todo;
use crate::error::{Error, ErrorKind};
use crate::partition::Target;
use crate::sync::lock;

/// Takes room for one event, from older ones if the policy is to drop those.
pub(super) fn take_room(
    buffer: &Arc<Buffer>,
    target: &Target,
    encoded_size: usize,
) -> Result<Room, Error> {
    let places: Vec<Place> = match buffer.partitions.route(target)? {
        Route::One(place) => vec![place],
        // Those who wait are not overtaken.
        Route::Any if buffer.any.is_waiting() => Vec::new(),
        Route::Any => buffer.turn().map(Place::unkeyed).collect(),
        Route::Held => Vec::new(),
    };
    lock(&buffer.partition(0).queue).check(encoded_size)?;
    let cost = Cost::of_event(encoded_size);
    if let Some(room) = places.iter().find_map(|place| free(buffer, *place, cost)) {
        return Ok(room);
    }
    let displaced = match buffer.overflow {
        OverflowPolicy::DropOldest => places
            .into_iter()
            .find_map(|place| displace(buffer, place, cost)),
        OverflowPolicy::Wait | OverflowPolicy::Reject => None,
    };
    displaced.ok_or_else(|| {
        let full = "no room now: wait with `enqueue`, shed load, or raise the bounds";
        Error::new(ErrorKind::BufferFull, full)
    })
}

fn free(buffer: &Arc<Buffer>, place: Place, cost: Cost) -> Option<Room> {
    let mut todo = Todo::default();
    let admitted =
        lock(&buffer.partition(place.partition).queue).reserve(cost, buffer.total(), &mut todo);
    buffer.finish(place.partition, todo);
    let room = || Room::new(Arc::clone(buffer), place, cost);
    admitted.is_ok().then(room)
}

/// Takes room from the oldest events that wait in a partition.
fn displace(buffer: &Arc<Buffer>, place: Place, cost: Cost) -> Option<Room> {
    let displaced = lock(&buffer.partition(place.partition).queue).displace(cost);
    for batch in displaced.ok()? {
        buffer.drop_oldest(place.partition, batch);
    }
    Some(Room::new(Arc::clone(buffer), place, cost))
}
