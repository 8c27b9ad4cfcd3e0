//! Closing: once is enough, twice does no harm, and nobody is left waiting.

use futures::future::join_all;

use super::harness::{Harness, Outcome};
use super::kit::*;
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::transport::{ReceiverOptions, StartPosition, TransportConsumer, TransportProducer};

/// A closed producer hands batches back, and may be closed again.
pub async fn producers(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    send(&producer, FIRST, &["a"]).await;
    for _ in 0..2 {
        producer.close().await.expect("closed");
        for target in [FIRST, SECOND] {
            assert_closed(&refused(&producer, batch(target, ["late"])).await);
        }
    }
    // One that was never used, too.
    let unused = hub.producer().await;
    unused.close().await.expect("closed");
    assert_closed(&refused(&unused, batch(FIRST, ["late"])).await);
    assert_eq!(bodies(&hub.stored().await), ["a"]);
    Verdict::Held
}

/// A closed consumer opens no receiver, ends those that it has, and may be closed
/// again.
pub async fn consumers(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a"]).await;
    let mut receiver = open(&consumer, owner(Some(3), "closing")).await;
    for _ in 0..2 {
        consumer.close().await.expect("closed");
        let late = ReceiverOptions::new(SECOND);
        assert_closed(&not_opened(&consumer, late).await);
        assert_closed(&ended(&mut *receiver).await);
    }
    // The service has let go of what the consumer had.
    drop(receiver);
    let other = hub.consumer().await;
    open(&other, owner(None, "other")).await;
    Verdict::Held
}

/// The service has let go of a receiver once its close is done, and soon after it
/// was dropped.
pub async fn receivers(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    let receiver = open(&consumer, owner(Some(3), "closing")).await;
    receiver.close().await.expect("closed");
    let receiver = open(&consumer, owner(Some(0), "lower")).await;
    drop(receiver);
    open_once_free(&consumer, &owner(None, "none")).await;
    Verdict::Held
}

/// What is closed is closed alone.
pub async fn apart(hub: &dyn Harness) -> Verdict {
    let (closing, staying) = (hub.producer().await, hub.producer().await);
    send(&closing, FIRST, &["a"]).await;
    send(&staying, FIRST, &["b"]).await;
    closing.close().await.expect("closed");
    send(&staying, FIRST, &["c"]).await;

    let (closing, other) = (hub.consumer().await, hub.consumer().await);
    let ending = open(&closing, options(StartPosition::Earliest)).await;
    let mut receiver = open(&other, options(StartPosition::Earliest)).await;
    closing.close().await.expect("closed");
    drop(ending);
    let received = receive(&mut *receiver, 3).await;
    assert_eq!(bodies(&received), ["a", "b", "c"]);
    Verdict::Held
}

/// Sends that a close meets are stored and told so, or refused and not stored.
pub async fn senders_under_way(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    let names: Vec<_> = (0..50).map(|number: u32| number.to_string()).collect();
    let sends = names
        .iter()
        .map(|name| producer.send_batch(batch(FIRST, [name.clone()])));
    let (sent, closed) = tokio::join!(join_all(sends), producer.close());
    closed.expect("closed");
    let mut accepted = Vec::new();
    for (sent, name) in sent.into_iter().zip(&names) {
        match sent {
            Ok(()) => accepted.push(name),
            Err(refused) => assert_closed(&refused.error),
        }
    }
    assert_eq!(bodies(&hub.stored().await), accepted);
    Verdict::Held
}

/// Senders that wait for a service that does not answer are released by a close.
pub async fn stalled_senders(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    send(&producer, FIRST, &["before"]).await;
    let Some(_guard) = hub.provoke(Outcome::Stalled) else {
        return Verdict::Skipped;
    };
    let sends = (0..3).map(|_| producer.send_batch(batch(FIRST, ["stalled"])));
    let mut sends = Box::pin(join_all(sends));
    let early = polled(1, &mut sends).await;
    assert!(early.is_none(), "the hub is not stalled");
    let (sent, _closed) = tokio::join!(sends, producer.close());
    for sent in sent {
        let refused = sent.expect_err("Ok for a batch that was not answered");
        let error = refused.error;
        assert!(
            error.is_fate_unknown() || *error.kind() == ErrorKind::Closed,
            "neither unknown nor closed: {error:?}"
        );
    }
    Verdict::Held
}

/// Receivers that wait for events are released by a close.
pub async fn waiting_receivers(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    let mut waiting = open(&consumer, options(StartPosition::Earliest)).await;
    let mut without_room = open(&consumer, options(StartPosition::Earliest)).await;
    let mut idle = open(&consumer, options(StartPosition::Latest)).await;
    let (released, ended_too, closed) =
        tokio::join!(waiting.receive(ONE), without_room.ended(), consumer.close());
    closed.expect("closed");
    assert_closed(&released.expect_err("no event was sent"));
    assert_closed(&ended_too);
    assert_closed(&ended(&mut *waiting).await);
    assert_closed(&ended(&mut *idle).await);
    Verdict::Held
}
