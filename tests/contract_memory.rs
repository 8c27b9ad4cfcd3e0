//! The memory transport keeps the contract of the ports, and so do all wrappers
//! around it. The clock is paused.
#![cfg(feature = "contract")]

mod contract_support;

use contract_support::{Memory, Wrapped, Wrapper};
use eventhubs_flow::transport::contract;

/// What a hub without a connection cannot do.
const SKIPPED: [&str; 1] = ["outcomes::lost_after_storing"];

async fn wrapped_keeps_the_contract(wrapper: Wrapper) {
    let report = contract::run(async || Wrapped::new(Memory::new(), wrapper)).await;
    assert_eq!(report.skipped(), SKIPPED);
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    let report = contract::run(async || Memory::new()).await;
    assert_eq!(report.skipped(), SKIPPED);
}

#[tokio::test(start_paused = true)]
async fn arc_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::Arc).await;
}

#[tokio::test(start_paused = true)]
async fn box_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::Box).await;
}

#[tokio::test(start_paused = true)]
async fn rate_limited_producer_keeps_the_contract() {
    wrapped_keeps_the_contract(Wrapper::RateLimited).await;
}
