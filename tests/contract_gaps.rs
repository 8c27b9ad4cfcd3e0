//! A gap that a transport states is no fault, and one that is none is told.
#![cfg(feature = "contract")]

mod contract_support;

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use contract_support::Memory;
use eventhubs_flow::ReceivedEvent;
use eventhubs_flow::transport::contract::{self, Guard, Harness, Outcome, Report};
use eventhubs_flow::transport::{TransportConsumer, TransportProducer};
use futures::FutureExt as _;

const CREDIT: &str = "receiving::credit_without_a_call";
const END: &str = "receiving::waiting_for_the_end";

/// A hub that has delivered what nobody asked for, as it says.
#[derive(Debug)]
struct Eager {
    inner: Memory,
    gaps: &'static [&'static str],
}

#[async_trait]
impl Harness for Eager {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        self.inner.producer().await
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        self.inner.consumer().await
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        self.inner.stored().await
    }

    fn delivered(&self) -> Option<u64> {
        Some(1_000_000)
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        self.inner.provoke(outcome)
    }

    fn known_gap(&self, check: &str) -> Option<&'static str> {
        self.gaps.contains(&check).then_some("planted")
    }
}

async fn run(gaps: &'static [&'static str]) -> Result<Report, String> {
    let fresh = async || Eager {
        inner: Memory::new(),
        gaps,
    };
    let running = AssertUnwindSafe(contract::run(fresh)).catch_unwind();
    running
        .await
        .map_err(|panic| *panic.downcast::<String>().expect("a text"))
}

#[tokio::test(start_paused = true)]
async fn a_named_gap_is_reported_with_its_reason_and_breaks_nothing() {
    let report = run(&[CREDIT, END]).await.expect("the rest holds");
    assert_eq!(report.gaps(), [(CREDIT, "planted"), (END, "planted")]);
    assert!(!report.held().contains(&CREDIT));
    let told = report.to_string();
    assert!(told.contains("is a known gap: planted"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_not_named_breaks_the_contract() {
    let said = run(&[CREDIT]).await.expect_err("one gap is not named");
    assert!(said.contains(&format!("{END}: ")), "{said}");
    assert!(!said.contains(CREDIT), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_holds_is_no_gap() {
    let said = run(&[CREDIT, END, "sending::order"]).await;
    let said = said.expect_err("one is no gap");
    assert!(
        said.contains("sending::order: it holds, but is named as a gap: planted"),
        "{said}"
    );
}
