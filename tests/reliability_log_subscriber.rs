//! The reliability bar, row 41, as far as a user's log subscriber goes.
//!
//! A binary of its own: whether a callsite is enabled is cached for the process,
//! and tests beside this one have other subscribers, or none.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData};

const SECOND: Duration = Duration::from_secs(1);

/// Flushes whenever something is logged or a span begins.
struct Nosy(OnceLock<BufferedProducer>, Mutex<usize>);

impl Nosy {
    fn meddle(&self) {
        if let Some(producer) = self.0.get() {
            *self.1.lock().unwrap() += 1;
            let flush: Pin<&mut _> = pin!(producer.flush(SECOND));
            let _ = flush.poll(&mut Context::from_waker(Waker::noop()));
            let _ = producer.try_enqueue(EventData::new(vec![0; 2 << 20]));
        }
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for &'static Nosy {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.meddle();
    }

    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.meddle();
    }
}

#[tokio::test(start_paused = true)]
async fn row_41_a_flush_from_a_log_subscriber_does_not_deadlock() {
    use tracing_subscriber::layer::SubscriberExt;
    // A subscriber lives as long as its callsites.
    let nosy: &'static Nosy = Box::leak(Box::new(Nosy(OnceLock::new(), Mutex::new(0))));
    let subscriber = tracing_subscriber::registry().with(nosy);
    let _logging = tracing::subscriber::set_default(subscriber);
    let hub = MemoryHub::new(1);
    hub.fail_next(2, Error::new(ErrorKind::Disconnected, "planted"));
    let transport = Arc::new(hub.producer());
    let opened = BufferedProducer::open(transport, BufferedProducerOptions::default());
    let producer = opened.await.expect("open");
    nosy.0.set(producer.clone()).expect("once");
    for _ in 0..10 {
        producer
            .enqueue(EventData::new("event"))
            .await
            .expect("room");
    }
    assert_eq!(producer.close(Duration::MAX).await.delivered, 10);
    assert!(*nosy.1.lock().unwrap() >= 3, "it was logged to");
}
