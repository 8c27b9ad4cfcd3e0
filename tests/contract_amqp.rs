//! The AMQP transport keeps the contract of the ports over every way in, and so
//! do all wrappers around it.
#![cfg(all(feature = "amqp", feature = "contract"))]

mod contract_support;

use async_trait::async_trait;
use contract_support::{Wrapped, Wrapper};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::transport::contract::{self, Guard, Harness, Outcome};
use eventhubs_flow::transport::{TransportConsumer, TransportProducer};
use eventhubs_flow::{
    EventData, EventHub, EventHubOptions, PartitionId, PartitionKey, ReceivedEvent,
};

const HUB: &str = "eh1";

#[derive(Debug)]
struct Amqp {
    emulator: Emulator,
    hub: EventHub,
}

/// How to get in.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Tls,
    WebSocket,
    SecureWebSocket,
}

impl Amqp {
    async fn new(way: Way) -> Self {
        let tls = matches!(way, Way::Tls | Way::SecureWebSocket);
        let builder = Emulator::builder();
        let builder = if tls { builder.tls() } else { builder };
        let emulator = builder.start().await.expect("started");
        let mut options = EventHubOptions::default().with_event_hub(HUB);
        if matches!(way, Way::WebSocket | Way::SecureWebSocket) {
            options = options.with_web_sockets();
        }
        let connection_string = match emulator.tls_connection_string() {
            Some(secure) => {
                let roots = emulator.certificate_pem().expect("made with TLS");
                options = options.with_root_certificates(roots);
                secure
            }
            None => emulator.connection_string(),
        };
        let hub = EventHub::connect_with(&connection_string, options).await;
        let hub = hub.expect("connected");
        Self { emulator, hub }
    }
}

#[async_trait]
impl Harness for Amqp {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        Box::new(self.hub.producer())
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        Box::new(self.hub.consumer())
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        let stored = self.emulator.received(HUB).into_iter().map(|event| {
            let key = event.partition_key.map(PartitionKey::new);
            let data = EventData::new(event.body);
            let data = match key {
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

    fn delivered(&self) -> Option<u64> {
        Some(self.emulator.hub_metrics(HUB).outgoing_messages)
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        let fault = match outcome {
            Outcome::Throttled { retry_after } => Fault::server_busy_for(retry_after.as_secs()),
            Outcome::Rejected => Fault::reject("amqp:not-allowed", "planted"),
            Outcome::Released => Fault::release(),
            Outcome::Modified => Fault::modify(),
            Outcome::LostBeforeStoring => Fault::drop_connection(When::OnTransfer).senders(),
            Outcome::LostAfterStoring => Fault::drop_connection(When::AfterStoring).senders(),
            Outcome::Stalled => {
                let held = self.emulator.faults().inject(Fault::hold_outcomes());
                return Some(Guard::new(held));
            }
            Outcome::ReceiversLost => Fault::drop_connection(When::Now).receivers(),
            _ => return None,
        };
        let guard = self.emulator.faults().inject(fault.hub(HUB).times(1));
        Some(Guard::new(guard))
    }
}

async fn keeps_the_contract(way: Way) {
    let report = contract::run(async || Amqp::new(way).await).await;
    assert_eq!(report.skipped(), [""; 0]);
}

#[tokio::test]
async fn amqp_over_tcp_keeps_the_contract() {
    keeps_the_contract(Way::Plain).await;
}

#[tokio::test]
async fn amqp_over_tls_keeps_the_contract() {
    keeps_the_contract(Way::Tls).await;
}

#[tokio::test]
async fn amqp_over_web_sockets_keeps_the_contract() {
    keeps_the_contract(Way::WebSocket).await;
}

#[tokio::test]
async fn amqp_over_secure_web_sockets_keeps_the_contract() {
    keeps_the_contract(Way::SecureWebSocket).await;
}

async fn wrapped_keeps_the_contract(wrapper: Wrapper) {
    let fresh = async || Wrapped::new(Amqp::new(Way::Plain).await, wrapper);
    let report = contract::run(fresh).await;
    assert_eq!(report.skipped(), [""; 0]);
}

#[tokio::test]
async fn arc_around_amqp_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::Arc).await;
}

#[tokio::test]
async fn box_around_amqp_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::Box).await;
}

#[tokio::test]
async fn rate_limited_producer_around_amqp_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::RateLimited).await;
}
