//! The primitives over azeventhubs, and the fences around it.

mod backends;

use std::time::Duration;

use ::azeventhubs::producer::EventHubProducerClient;
use ::azeventhubs::producer::EventHubProducerClientOptions;
use backends::primitives::{
    a_buffer_delivers_through_trouble, a_limiter_holds_the_rate,
    an_owner_learns_of_a_theft_and_lets_go, batch,
};
use backends::trust::{Trusted, trusted};
use backends::{HUB, azeventhubs};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::transport::{
    AzeventhubsOptions, AzeventhubsProducer, OneAttempt, ReceiverOptions, TransportConsumer,
    TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, ErrorKind, EventBatch, EventData, PartitionId, PartitionKey, Target,
};

const FIRST: PartitionId = PartitionId::new(0);

/// A connection that breaks under a send may show only by the time-out.
fn prompt() -> AzeventhubsOptions {
    AzeventhubsOptions::default().with_try_timeout(Duration::from_secs(2))
}

async fn start(trusted: &Trusted) -> (Emulator, AzeventhubsProducer) {
    let emulator = azeventhubs::emulator(trusted);
    let emulator = emulator.start().await.expect("started");
    let producer = azeventhubs::producer(&emulator, prompt());
    (emulator, producer)
}

/// Tests whose process trusts the emulator's certificate.
macro_rules! trusting {
    ($(async fn $test:ident($trusted:ident) $body:block)+) => {
        $(#[tokio::test]
        async fn $test() {
            let Some($trusted) = &trusted(stringify!($test)).await else {
                return;
            };
            $body
        })+
    };
}

trusting! {
    async fn a_buffer_over_azeventhubs_delivers_through_trouble(trusted) {
        let (emulator, producer) = start(trusted).await;
        a_buffer_delivers_through_trouble(&emulator, producer).await;
    }

    async fn a_limiter_over_azeventhubs_holds_the_rate(trusted) {
        let (emulator, producer) = start(trusted).await;
        a_limiter_holds_the_rate(&emulator, producer).await;
    }

    async fn an_owner_over_azeventhubs_learns_of_a_theft_and_lets_go(trusted) {
        let (emulator, producer) = start(trusted).await;
        let consumer = azeventhubs::consumer(&emulator, AzeventhubsOptions::default());
        an_owner_learns_of_a_theft_and_lets_go(&emulator, producer, consumer).await;
    }

    async fn a_refused_batch_is_an_error_and_not_stored(trusted) {
        let (emulator, producer) = start(trusted).await;
        for (fault, kind) in [
            (
                Fault::server_busy_for(5),
                ErrorKind::Throttled { retry_after: Duration::from_secs(5) },
            ),
            (
                Fault::reject(
                    "amqp:link:message-size-exceeded",
                    "The received message (delivery-id:0, size:9 bytes) exceeds the limit (8 bytes) currently allowed on the link.",
                ),
                ErrorKind::TooLarge { size: 9, limit: 8 },
            ),
        ] {
            let _refusing = emulator.faults().inject(fault.hub(HUB).times(1));
            let refused = producer.send_batch(batch(FIRST, &["x"])).await;
            let error = refused.expect_err("Ok for a batch that was refused").error;
            assert_eq!(error.kind(), &kind);
            assert!(!error.is_fate_unknown());
        }
        assert_eq!(emulator.event_count(HUB), 0);
    }

    async fn a_client_of_ones_own_makes_one_attempt_whatever_its_options(trusted) {
        let (emulator, _) = start(trusted).await;
        let mut options = EventHubProducerClientOptions::default();
        let endpoint = format!("amqps://localhost:{}", emulator.address().port());
        options.connection_options.custom_endpoint_address = endpoint.parse().ok();
        assert!(options.retry_options.max_retries.value() > 0);
        let connection_string = emulator.connection_string_for(HUB);
        let client = EventHubProducerClient::with_policy::<OneAttempt>();
        let client = client.new_from_connection_string(connection_string, None, options).await;
        let client = client.expect("connected");
        let producer = AzeventhubsProducer::from_client(client, &prompt());

        let busy = emulator.faults().inject(Fault::server_busy().hub(HUB).times(1));
        let refused = producer.send_batch(batch(FIRST, &["x"])).await.unwrap_err();
        assert!(matches!(refused.error.kind(), ErrorKind::Throttled { .. }));
        drop(busy);
        producer.send_batch(batch(FIRST, &["y"])).await.expect("accepted");
        assert_eq!(emulator.event_count(HUB), 1);

        // Once it broke there is no other: the error is final, and says so.
        let drop_it = Fault::drop_connection(When::OnTransfer).senders().hub(HUB).times(1);
        let _broken = emulator.faults().inject(drop_it);
        let error = producer.send_batch(batch(FIRST, &["z"])).await.unwrap_err().error;
        assert!(error.is_fate_unknown(), "{error:?}");
        let error = producer.send_batch(batch(FIRST, &["z"])).await.unwrap_err().error;
        assert_eq!(error.kind(), &ErrorKind::Closed);
        assert!(error.message().contains("make a new one"), "{error}");
    }

    async fn a_link_that_closes_under_a_send_costs_that_send(trusted) {
        let (emulator, producer) = start(trusted).await;
        let internal = |when| Fault::detach(when, "amqp:internal-error", "planted");
        let ended = |when| Fault::end_session(when, "amqp:internal-error", "planted");
        let forced = |when| Fault::close_connection(when, "amqp:connection:forced", "planted");
        for fault in [
            internal(When::OnTransfer),
            internal(When::AfterStoring),
            ended(When::OnTransfer),
            ended(When::AfterStoring),
            forced(When::OnTransfer),
            forced(When::AfterStoring),
        ] {
            let shown = format!("{fault:?}");
            let _closing = emulator.faults().inject(fault.senders().hub(HUB).times(1));
            let refused = producer.send_batch(batch(FIRST, &["struck"])).await;
            let error = refused.expect_err(&shown).error;
            assert!(error.is_fate_unknown(), "{shown}: {error:?}");
            // No more than one send of a client that was not told.
            if producer.send_batch(batch(FIRST, &["next"])).await.is_err() {
                let sent = producer.send_batch(batch(FIRST, &["next"])).await;
                sent.unwrap_or_else(|error| panic!("{shown}: {error:?}"));
            }
        }
    }

    async fn a_thief_keeps_what_it_took(trusted) {
        let (emulator, _) = start(trusted).await;
        let consumer = azeventhubs::consumer(&emulator, AzeventhubsOptions::default());
        let owner = |name: &str, level| ReceiverOptions {
            owner_level: Some(level),
            name: Some(name.into()),
            ..ReceiverOptions::new(FIRST)
        };
        for level in [0, 1] {
            let before = emulator.hub_metrics(HUB).incoming_requests;
            let mut old = consumer.open_receiver(owner("old", 0)).await.expect("opened");
            let new = consumer.open_receiver(owner("new", level)).await.expect("opened");
            let lost = old.ended().await;
            assert!(matches!(lost.kind(), ErrorKind::OwnershipLost(_)), "{lost:?}");
            // It has no task left that could ask again: its connection is closed.
            let _ = old.close().await;
            let metrics = emulator.hub_metrics(HUB);
            // Two have signed in and attached, once each.
            assert_eq!(metrics.incoming_requests, before + 4);
            let readers = emulator.receivers(HUB);
            assert_eq!(readers.len(), 1, "{readers:?}");
            new.close().await.expect("closed, and not displaced");
        }
    }

    async fn what_azeventhubs_would_lose_is_refused(trusted) {
        let (emulator, producer) = start(trusted).await;
        let one = |target: Target, event: EventData| {
            let mut batch = EventBatch::new(target, BatchLimits::STANDARD);
            batch.try_add(event).expect("small");
            batch
        };
        let key = PartitionKey::new("a key").expect("short");
        for batch in [
            one(Target::Any, EventData::new("x").with_property("unit", "celsius")),
            one(Target::Any, EventData::new("x").with_message_id(7)),
            one(FIRST.into(), EventData::new("x").with_target(key.clone())),
        ] {
            let refused = producer.send_batch(batch).await.unwrap_err();
            assert_eq!(refused.error.kind(), &ErrorKind::InvalidOptions);
        }
        let whole = EventData::new(vec![0, 255])
            .with_target(key.clone())
            .with_message_id("id")
            .with_correlation_id("other")
            .with_content_type("text/plain");
        producer.send_batch(one(key.into(), whole.clone())).await.expect("accepted");
        assert_eq!(emulator.event_count(HUB), 1);
        let partition = backends::stored(&emulator)[0].partition();
        let consumer = azeventhubs::consumer(&emulator, AzeventhubsOptions::default());
        let mut receiver = consumer
            .open_receiver(ReceiverOptions::new(partition))
            .await
            .expect("opened");
        let received = receiver.receive(1.try_into().expect("not zero")).await;
        assert_eq!(received.expect("an event").remove(0).into_event(), whole);
    }

    async fn a_hub_that_is_not_there_and_a_wrong_key_are_told(trusted) {
        let (emulator, _) = start(trusted).await;
        let good = azeventhubs::connection_string(&emulator);
        for (connection_string, kind) in [
            (good.replace(HUB, "nope"), ErrorKind::NotFound),
            (good.replace("SAS_KEY_VALUE", "wrong"), ErrorKind::Unauthorized),
        ] {
            let options = AzeventhubsOptions::default().with_try_timeout(Duration::from_secs(5));
            let producer = AzeventhubsProducer::connect(&connection_string, options);
            let producer = producer.expect("options");
            let told = producer.hub_properties().await.unwrap_err();
            assert_eq!(told.kind(), &kind, "{told:?}");
            let refused = producer.send_batch(batch(Target::Any, &["x"])).await;
            let error = refused.unwrap_err().error;
            assert_eq!(error.kind(), &kind, "{error:?}");
            assert!(!error.is_fate_unknown());
        }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let emulator = Emulator::builder().tls().start().await.expect("started");
    let producer = azeventhubs::producer(&emulator, AzeventhubsOptions::default());
    let told = producer.hub_properties().await.unwrap_err();
    assert_eq!(told.kind(), &ErrorKind::Untrusted, "{told:?}");
}
