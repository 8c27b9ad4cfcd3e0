//! The `azeventhubs` transport keeps the contract of the ports over TLS, but for the
//! gaps that its docs name.

mod backends;

use std::time::Duration;

use async_trait::async_trait;
use backends::trust::trusted;
use backends::{azeventhubs, trust};
use eventhubs_emulator::Emulator;
use eventhubs_flow::ReceivedEvent;
use eventhubs_flow::transport::contract::{self, Guard, Harness, Outcome};
use eventhubs_flow::transport::{AzeventhubsOptions, TransportConsumer, TransportProducer};

const PROPERTIES: &str = "azeventhubs sends no application properties";
const PREFETCH: &str = "azeventhubs asks for events ahead, whatever the demand";

/// As the table of the transport module has them.
const GAPS: &[(&str, &str)] = &[
    ("receiving::contents", PROPERTIES),
    ("receiving::credit_without_a_call", PREFETCH),
    ("receiving::waiting_for_the_end", PREFETCH),
];

#[derive(Debug)]
struct Azeventhubs(Emulator);

impl Azeventhubs {
    async fn new(trusted: &trust::Trusted) -> Self {
        let emulator = azeventhubs::emulator(trusted);
        Self(emulator.start().await.expect("started"))
    }
}

#[async_trait]
impl Harness for Azeventhubs {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        let options = AzeventhubsOptions::default().with_try_timeout(Duration::from_secs(3));
        Box::new(azeventhubs::producer(&self.0, options))
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        Box::new(azeventhubs::consumer(
            &self.0,
            AzeventhubsOptions::default(),
        ))
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        backends::stored(&self.0)
    }

    fn delivered(&self) -> Option<u64> {
        Some(backends::delivered(&self.0))
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        backends::provoke(&self.0, outcome)
    }

    fn known_gap(&self, check: &str) -> Option<&'static str> {
        let gap = GAPS.iter().find(|(name, _)| *name == check);
        gap.map(|(_, reason)| *reason)
    }
}

#[tokio::test]
async fn azeventhubs_keeps_the_contract_but_for_its_gaps() {
    let test = "azeventhubs_keeps_the_contract_but_for_its_gaps";
    let Some(trusted) = trusted(test).await else {
        return;
    };
    let report = contract::run(async || Azeventhubs::new(&trusted).await).await;
    assert_eq!(report.skipped(), [""; 0]);
    assert_eq!(report.gaps(), GAPS);
}
