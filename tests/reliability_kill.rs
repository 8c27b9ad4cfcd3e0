//! The reliability bar, as far as a crash goes: row 37.
#![cfg(all(feature = "amqp", unix))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
mod support;

use std::collections::HashSet;
use std::time::Duration;

use amqp_support::{HUB, bounded, stored};
use child::{Child, say};
use eventhubs_emulator::{Emulator, Fault};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::{ErrorKind, EventData, EventHub};
use support::nonzero;

/// What the buffer may hold, in events: the most that a crash may cost.
const BOUND: usize = 200;

/// The batches whose outcome is told before the service falls silent.
const TOLD: u64 = 20;

/// Sends and flushes without end, and says what was accepted and acknowledged.
async fn send(connection_string: &str) {
    let hub = EventHub::connect(connection_string).await.unwrap();
    let options = BufferedProducerOptions::default()
        .with_max_events(nonzero(BOUND))
        .with_max_batch_events(nonzero(10));
    let producer = hub.buffered_producer(options).await.unwrap();
    let flushed = producer.clone();
    tokio::spawn(async move {
        loop {
            say("flushing");
            drop(flushed.flush(Duration::MAX).await);
            say("flushed");
            tokio::task::yield_now().await;
        }
    });
    for number in 0.. {
        let accepted = producer.try_send(EventData::new(format!("{number}")));
        let delivery = match accepted {
            Ok(delivery) => delivery,
            Err(full) => {
                assert_eq!(*full.error.kind(), ErrorKind::BufferFull);
                say("full");
                producer.send(*full.event).await.unwrap()
            }
        };
        say(format_args!("accepted {number}"));
        tokio::spawn(async move {
            delivery.await.unwrap();
            say(format_args!("acknowledged {number}"));
        });
        tokio::task::yield_now().await;
    }
}

#[derive(Debug, Default)]
struct Said {
    accepted: HashSet<String>,
    acknowledged: HashSet<String>,
    flushing: bool,
}

impl Said {
    /// Takes a line in; tells whether the buffer is full.
    fn note(&mut self, line: &str) -> bool {
        match line.split_once(' ') {
            Some(("accepted", number)) => drop(self.accepted.insert(number.into())),
            Some(("acknowledged", number)) => drop(self.acknowledged.insert(number.into())),
            Some(_) => panic!("{line}"),
            None => match line {
                "flushing" => self.flushing = true,
                "flushed" => self.flushing = false,
                full => return full == "full",
            },
        }
        false
    }
}

#[tokio::test]
async fn row_37_a_kill_in_mid_flush_loses_nothing_acknowledged_and_at_most_the_bound() {
    if let Some(connection_string) = child::told() {
        return send(&connection_string).await;
    }
    let emulator = Emulator::start().await.unwrap();
    let silent = emulator.faults().inject(Fault::hold_outcomes().after(TOLD));
    let mut child = Child::start(
        "row_37_a_kill_in_mid_flush_loses_nothing_acknowledged_and_at_most_the_bound",
        &emulator.connection_string_for(HUB),
    );
    // A batch of each partition is under way, and the buffer fills behind them.
    bounded(silent.wait_for(4)).await;
    let mut said = Said::default();
    loop {
        let line = child.next().await.expect("it sends without end");
        let full = said.note(&line);
        if full && said.accepted.len() >= said.acknowledged.len() + BOUND {
            break;
        }
    }
    child.kill().await;
    while let Some(line) = child.next().await {
        said.note(&line);
    }

    assert!(said.flushing, "in mid flush");
    let stored: HashSet<_> = stored(&emulator).into_iter().collect();
    assert!(
        said.acknowledged.len() >= 100,
        "{}",
        said.acknowledged.len()
    );
    let lost = said.acknowledged.difference(&stored).count();
    assert_eq!(lost, 0, "what was acknowledged is stored");
    let lost = said.accepted.difference(&stored).count();
    assert!((1..=BOUND).contains(&lost), "{lost} events were lost");
}
