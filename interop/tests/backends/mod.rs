//! The hub that backends are tested against, and what can go wrong there.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub(crate) mod azeventhubs;
pub(crate) mod azure_sdk;
pub(crate) mod primitives;
pub(crate) mod trust;

use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::transport::contract::{Guard, Outcome};
use eventhubs_flow::{EventData, PartitionId, PartitionKey, ReceivedEvent};

pub(crate) const HUB: &str = "eh1";

pub(crate) fn stored(emulator: &Emulator) -> Vec<ReceivedEvent> {
    let stored = emulator.received(HUB).into_iter().map(|event| {
        let data = EventData::new(event.body);
        let data = match event.partition_key.map(PartitionKey::new) {
            Some(key) => data.with_target(key.expect("short")),
            None => data,
        };
        ReceivedEvent::new(
            data,
            PartitionId::new(event.partition),
            event.sequence_number,
            event.offset,
            event.enqueued_time,
        )
    });
    stored.collect()
}

pub(crate) fn delivered(emulator: &Emulator) -> u64 {
    emulator.hub_metrics(HUB).outgoing_messages
}

pub(crate) fn provoke(emulator: &Emulator, outcome: Outcome) -> Option<Guard> {
    let fault = match outcome {
        Outcome::Throttled { retry_after } => Fault::server_busy_for(retry_after.as_secs()),
        Outcome::Rejected => Fault::reject("amqp:not-allowed", "planted"),
        Outcome::Released => Fault::release(),
        Outcome::Modified => Fault::modify(),
        Outcome::LostBeforeStoring => Fault::drop_connection(When::OnTransfer).senders(),
        Outcome::LostAfterStoring => Fault::drop_connection(When::AfterStoring).senders(),
        Outcome::Stalled => {
            let held = emulator.faults().inject(Fault::hold_outcomes());
            return Some(Guard::new(held));
        }
        Outcome::ReceiversLost => {
            // Of each receiver: they do not share one.
            let fault = Fault::drop_connection(When::Now).receivers().hub(HUB);
            return Some(Guard::new(emulator.faults().inject(fault)));
        }
        _ => return None,
    };
    let guard = emulator.faults().inject(fault.hub(HUB).times(1));
    Some(Guard::new(guard))
}
