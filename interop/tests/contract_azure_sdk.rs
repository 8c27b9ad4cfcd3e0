//! The `azure-sdk` transport keeps the contract of the ports, but for the gaps that
//! its docs name.

mod backends;

use std::time::Duration;

use async_trait::async_trait;
use backends::azure_sdk;
use eventhubs_emulator::Emulator;
use eventhubs_flow::ReceivedEvent;
use eventhubs_flow::transport::contract::{self, Guard, Harness, Outcome};
use eventhubs_flow::transport::{AzureSdkOptions, TransportConsumer, TransportProducer};
use eventhubs_interop::emulator;

const GIVEN_BACK: &str = "the SDK reports success for a batch that was given back";
const PREFETCH: &str = "the SDK asks for events ahead, whatever the demand";

/// As the table of the transport module has them.
const GAPS: &[(&str, &str)] = &[
    ("outcomes::released", GIVEN_BACK),
    ("outcomes::modified", GIVEN_BACK),
    ("receiving::credit_without_a_call", PREFETCH),
    ("receiving::waiting_for_the_end", PREFETCH),
];

#[derive(Debug)]
struct AzureSdk(Emulator);

#[async_trait]
impl Harness for AzureSdk {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        // The SDK never notices that the connection broke under a send: the time-out
        // does.
        let options = AzureSdkOptions::default().with_try_timeout(Duration::from_secs(3));
        Box::new(azure_sdk::producer(&self.0, options).await)
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        Box::new(azure_sdk::consumer(&self.0, &AzureSdkOptions::default()))
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
async fn the_official_sdk_keeps_the_contract_but_for_its_gaps() {
    let fresh = async || AzureSdk(emulator().start().await.expect("started"));
    let report = contract::run(fresh).await;
    assert_eq!(report.skipped(), [""; 0]);
    assert_eq!(report.gaps(), GAPS);
}
