//! The harness of the memory transport, and the wrappers around any.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;

use async_trait::async_trait;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::contract::{Guard, Harness, Outcome, PARTITIONS};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{TransportConsumer, TransportProducer};
use eventhubs_flow::{Error, ErrorKind, ReceivedEvent};

#[derive(Debug)]
pub(crate) struct Memory(MemoryHub);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(MemoryHub::new(PARTITIONS))
    }
}

#[async_trait]
impl Harness for Memory {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        Box::new(self.0.producer())
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        Box::new(self.0.consumer())
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        self.0.received()
    }

    fn delivered(&self) -> Option<u64> {
        Some(self.0.delivered_count())
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        let planted = |kind| Error::new(kind, "planted");
        let error = match outcome {
            Outcome::Throttled { retry_after } => planted(ErrorKind::Throttled { retry_after }),
            Outcome::Rejected => planted(ErrorKind::Rejected {
                condition: "amqp:not-allowed".into(),
            }),
            Outcome::Released | Outcome::Modified => {
                planted(ErrorKind::NotAcknowledged).with_unknown_fate()
            }
            Outcome::LostBeforeStoring => planted(ErrorKind::Disconnected).with_unknown_fate(),
            Outcome::Stalled => {
                self.0.pause();
                return Some(Guard::new(Resume(self.0.clone())));
            }
            Outcome::ReceiversLost => {
                self.0.break_receivers(&planted(ErrorKind::Disconnected));
                return Some(Guard::new(()));
            }
            _ => return None,
        };
        self.0.fail_next(1, error);
        Some(Guard::new(()))
    }
}

struct Resume(MemoryHub);

impl Drop for Resume {
    fn drop(&mut self) {
        self.0.resume();
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wrapper {
    Arc,
    Box,
    RateLimited,
}

/// A harness whose producers and consumers are wrapped.
#[derive(Debug)]
pub(crate) struct Wrapped<H> {
    inner: H,
    wrapper: Wrapper,
}

impl<H: Harness> Wrapped<H> {
    pub(crate) fn new(inner: H, wrapper: Wrapper) -> Self {
        Self { inner, wrapper }
    }
}

#[async_trait]
impl<H: Harness> Harness for Wrapped<H> {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        let inner = self.inner.producer().await;
        match self.wrapper {
            Wrapper::Arc => Box::new(Arc::new(inner)),
            Wrapper::Box => Box::new(inner),
            Wrapper::RateLimited => {
                // Wide enough for the largest batch.
                let limit = RateLimit::throughput_units(1000);
                let limiter = RateLimiter::new(limit).expect("valid");
                Box::new(inner.rate_limited(&limiter))
            }
        }
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        let inner = self.inner.consumer().await;
        match self.wrapper {
            Wrapper::Arc => Box::new(Arc::new(inner)),
            Wrapper::Box | Wrapper::RateLimited => Box::new(inner),
        }
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        self.inner.stored().await
    }

    fn delivered(&self) -> Option<u64> {
        self.inner.delivered()
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        self.inner.provoke(outcome)
    }
}
