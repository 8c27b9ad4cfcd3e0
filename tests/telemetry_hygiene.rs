//! What telemetry must never do: tell what is the user's, or do harm.

#[path = "support/metrics.rs"]
mod readings;
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionKey, telemetry};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use support::nonzero;
use tracing_subscriber::fmt::format::FmtSpan;

const FOREVER: Duration = Duration::from_secs(3600);

async fn open(hub: &MemoryHub) -> BufferedProducer {
    let options = BufferedProducerOptions::default().with_max_retries(1);
    let options = options.with_max_batch_events(nonzero(10));
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options).await;
    producer.expect("open")
}

fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "planted")
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Writes everything of this thread, spans with their fields when they end.
    fn here(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let all = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(all.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_label_and_no_trace_holds_what_is_the_users() {
    let log = Log::default();
    let _log = log.here();
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(4);
    // Some are delivered, some are given up.
    hub.fail_next(4, disconnected());
    let producer = open(&hub).await;
    for _ in 0..60 {
        let event = EventData::new("sesame-body")
            .with_property("sesame-name", "sesame-value")
            .with_target(PartitionKey::new("sesame-key").expect("short"));
        producer.enqueue(event).await.expect("room");
    }
    let report = producer.close(FOREVER).await;
    assert!(report.delivered > 0 && report.failed > 0, "{report:?}");

    let metrics = format!("{:?}", Readings::take(&recorder.snapshotter()));
    assert!(metrics.contains("error.type") && log.text().contains("send"));
    assert!(!metrics.contains("sesame"), "{metrics}");
    assert!(!log.text().contains("sesame"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_a_span_with_the_names_of_opentelemetry() {
    let log = Log::default();
    let _log = log.here();
    let hub = MemoryHub::new(1);
    hub.fail_next(1, disconnected());
    let producer = open(&hub).await;
    producer
        .enqueue(EventData::new("event"))
        .await
        .expect("room");
    let _ = producer.close(FOREVER).await;
    let text = log.text();
    let mut attempts = text.lines().filter(|line| line.contains("send{"));
    let (failed, sent) = (attempts.next().unwrap(), attempts.next().unwrap());
    for part in [
        r#"otel.kind="client""#,
        r#"messaging.system="eventhubs""#,
        r#"messaging.destination.name="memory""#,
        "messaging.destination.partition.id=0",
        r#"messaging.operation.name="send""#,
        "messaging.batch.message_count=1",
    ] {
        assert!(
            failed.contains(part) && sent.contains(part),
            "{part}: {text}"
        );
    }
    assert!(failed.contains(r#"error.type="disconnected""#), "{failed}");
    assert!(!sent.contains("error.type"), "{sent}");
}

/// A recorder whose every metric panics.
struct Panicking;

impl CounterFn for Panicking {
    fn increment(&self, _: u64) {
        panic!("a planted panic");
    }

    fn absolute(&self, _: u64) {
        panic!("a planted panic");
    }
}

impl GaugeFn for Panicking {
    fn increment(&self, _: f64) {
        panic!("a planted panic");
    }

    fn decrement(&self, _: f64) {
        panic!("a planted panic");
    }

    fn set(&self, _: f64) {
        panic!("a planted panic");
    }
}

impl HistogramFn for Panicking {
    fn record(&self, _: f64) {
        panic!("a planted panic");
    }
}

impl Recorder for Panicking {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        // Looked up by workers.
        assert_ne!(key.name(), telemetry::SENT_MESSAGES, "a planted panic");
        Counter::from_arc(Arc::new(Panicking))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Panicking))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Panicking))
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_no_event() {
    let _here = metrics::set_default_local_recorder(&Panicking);
    let hub = MemoryHub::new(1);
    let producer = open(&hub).await;
    let retry_after = Duration::from_secs(4);
    let busy = Error::new(ErrorKind::Throttled { retry_after }, "planted");
    for failure in [disconnected(), busy] {
        hub.fail_next(1, failure);
        for _ in 0..50 {
            let accepted = producer.enqueue(EventData::new("event")).await;
            accepted.expect("room");
        }
        assert_eq!(producer.flush(FOREVER).await.delivered, 50);
    }
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (100, 100));
}
