//! The reliability bar, as far as ends go: a runtime that shuts down under load.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::Duration;

use amqp_support::{batch, connect, events, partition};
use eventhubs_emulator::{Emulator, Fault};
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions, Delivery};
use eventhubs_flow::transport::{
    AmqpProducer, ReceiverOptions, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Far below the try time-out: what takes longer hangs.
const PROMPT: Duration = Duration::from_secs(10);

/// The partition whose service acknowledges nothing.
const SILENT: u32 = 3;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts the panics of all threads, tasks included.
fn count_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(panic);
        }));
    });
}

/// Does something that may hang, outside of any runtime.
fn within(limit: Duration, what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, doing) = mpsc::sync_channel(1);
    thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    let ended = doing.recv_timeout(limit);
    assert!(ended.is_ok(), "{what} hangs, or panicked");
}

/// What its owner still holds when the runtime is gone.
struct Held {
    hub: EventHub,
    producer: Arc<AmqpProducer>,
    receiver: Box<dyn TransportReceiver>,
    consumer: EpochSafeConsumer,
    buffered: BufferedProducer,
    deliveries: Vec<Delivery>,
}

/// Sends and receives without end, on the current runtime.
async fn work(emulator: &Emulator) -> Held {
    let hub = connect(emulator).await;
    let producer = Arc::new(hub.producer());
    for number in 0..SILENT {
        let producer = Arc::clone(&producer);
        tokio::spawn(async move {
            let sent = || batch(partition(number), events(["load"; 10]));
            while producer.send_batch(sent()).await.is_ok() {}
        });
        let mut receiver = open(&hub, number).await;
        tokio::spawn(async move { while receiver.receive(NonZeroU32::MIN).await.is_ok() {} });
    }
    let asking = hub.clone();
    tokio::spawn(async move { while asking.properties().await.is_ok() {} });

    let options = EpochSafeConsumerOptions::default();
    let mut reading = hub.epoch_safe_consumer(options.clone()).await.unwrap();
    tokio::spawn(async move { while reading.next().await.is_some() {} });

    let buffered = hub.producer().buffered(BufferedProducerOptions::default());
    let buffered = buffered.await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..1000 {
        let event = EventData::new("silent").with_target(partition(SILENT));
        deliveries.push(buffered.send(event).await.unwrap());
    }
    Held {
        receiver: open(&hub, 0).await,
        consumer: hub.epoch_safe_consumer(options).await.unwrap(),
        hub,
        producer,
        buffered,
        deliveries,
    }
}

async fn open(hub: &EventHub, number: u32) -> Box<dyn TransportReceiver> {
    let options = ReceiverOptions {
        consumer_group: "cg1".into(),
        ..ReceiverOptions::new(PartitionId::new(number))
    };
    hub.consumer().open_receiver(options).await.unwrap()
}

/// Shuts a runtime down under load, then drops what is left outside of it.
fn shut_down(client: Runtime) {
    count_panics();
    // The service lives on: its end is another matter.
    let service = Runtime::new().unwrap();
    let emulator = Arc::new(service.block_on(Emulator::start()).unwrap());
    let silent = Fault::hold_outcomes().partition(SILENT);
    let silent = emulator.faults().inject(silent);

    let watched = Arc::clone(&emulator);
    let held = client.block_on(async move {
        let held = work(&watched).await;
        let so_far = watched.metrics().outgoing_messages;
        let busy = watched.wait_until(|it| it.metrics().outgoing_messages > so_far + 100);
        timeout(PROMPT, busy).await.expect("events flow");
        timeout(PROMPT, silent.wait_for(1)).await.expect("struck");
        held
    });
    within(PROMPT, "the end of the runtime", move || drop(client));

    let Held {
        hub,
        producer,
        receiver,
        consumer,
        buffered,
        deliveries,
    } = held;
    let resolved = async {
        for delivery in deliveries {
            delivery.await.expect_err("nobody acknowledged it");
        }
    };
    let resolved = service.block_on(async { timeout(PROMPT, resolved).await });
    resolved.expect("every accepted event has an outcome");
    within(PROMPT, "a drop outside of any runtime", move || {
        drop((buffered, consumer, receiver, producer, hub));
    });
    within(PROMPT, "the end of the service", move || {
        service.block_on(async { drop(emulator) });
        drop(service);
    });
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

#[test]
fn row_38_a_runtime_of_many_threads_shuts_down_under_load_without_panic_or_hang() {
    let mut builder = Builder::new_multi_thread();
    shut_down(builder.worker_threads(4).enable_all().build().unwrap());
}

#[test]
fn row_38_a_runtime_of_one_thread_shuts_down_under_load_without_panic_or_hang() {
    shut_down(Builder::new_current_thread().enable_all().build().unwrap());
}
