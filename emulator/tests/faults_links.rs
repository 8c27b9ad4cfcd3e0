//! What a client sees of each fault that concerns its links, sessions and connections.

mod support;

use eventhubs_emulator::{Emulator, Fault, When};
use fe2o3_amqp::Sender;
use fe2o3_amqp::types::messaging::{Data, Outcome};
use futures_util::FutureExt;
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use support::*;

const PARTITION: &str = "eh1/Partitions/0";

async fn started() -> (Emulator, Client) {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::authorized(&emulator).await;
    (emulator, client)
}

async fn accepted(sender: &mut Sender) {
    let sending = sender.send(batch(None, [event("x")]));
    let outcome = tokio::time::timeout(PATIENCE, sending).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Accepted(_))), "{outcome:?}");
}

/// What a client was told, as `fe2o3-amqp` shows it.
async fn shown<T: Debug>(ending: impl Future<Output = T>) -> String {
    format!(
        "{:?}",
        tokio::time::timeout(PATIENCE, ending).await.unwrap()
    )
}

#[tokio::test]
async fn an_idle_sender_and_not_a_receiver_is_detached_at_once_with_the_error() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let guard = emulator
        .faults()
        .inject(Fault::detach(When::Now, "test:gone", "as asked").senders());
    let told = shown(sender.on_detach()).await;
    assert!(
        told.contains("test:gone") && told.contains("as asked"),
        "{told}"
    );
    // It struck what there was, and nothing that comes later.
    let mut again = client.sender(PARTITION).await;
    accepted(&mut again).await;
    next(&mut receiver).await;
    assert_eq!(guard.struck(), 1);
}

#[tokio::test]
async fn the_idle_detach_says_what_the_service_says() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let guard = emulator.faults().inject(Fault::detach_idle().times(1));
    let told = shown(sender.on_detach()).await;
    assert!(
        told.contains("DetachForced") || told.contains("amqp:link:detach-forced"),
        "{told}"
    );
    assert!(
        told.contains("AmqpEventHubPublisher.IdleTimerExpired: Idle timeout: 00:30:00."),
        "{told}"
    );
    assert_eq!(guard.struck(), 1);
    accepted(&mut client.sender(PARTITION).await).await;
}

#[tokio::test]
async fn the_third_transfer_detaches_the_sender_as_busy_and_is_not_stored() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let guard = emulator
        .faults()
        .inject(Fault::detach_busy(When::OnTransfer).after(2).times(1));
    accepted(&mut sender).await;
    accepted(&mut sender).await;
    let told = shown(sender.send(batch(None, [event("x")]))).await;
    assert!(told.contains("com.microsoft:server-busy"), "{told}");
    assert!(told.contains("Please wait 4 seconds"), "{told}");
    assert_eq!((guard.struck(), emulator.event_count("eh1")), (1, 2));
    accepted(&mut client.sender(PARTITION).await).await;
}

#[tokio::test]
async fn a_receiver_is_detached_before_its_second_event_and_reads_on_when_it_is_back() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let fault = Fault::detach(When::OnTransfer, "test:gone", "as asked");
    let guard = emulator
        .faults()
        .inject(fault.receivers().after(1).times(1));
    send(&mut sender, batch(None, [event("a"), event("b")])).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["a"]);
    let told = shown(receiver.recv::<Data>()).await;
    assert!(told.contains("test:gone"), "{told}");
    assert_eq!(guard.struck(), 1);
    let first = "amqp.annotation.x-opt-sequence-number > '0'";
    let mut again = client
        .receiver(0, ReceiverOptions::from_position(first))
        .await;
    assert_eq!(next_bodies(&mut again, 1).await, ["b"]);
}

#[tokio::test]
async fn a_link_is_detached_as_soon_as_it_is_attached() {
    let (emulator, mut client) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::detach(When::OnAttach, "test:gone", "as asked").times(1));
    let told = match client.try_sender(PARTITION).await {
        Ok(mut sender) => shown(sender.on_detach()).await,
        Err(error) => format!("{error:?}"),
    };
    assert!(told.contains("test:gone"), "{told}");
    assert_eq!(guard.struck(), 1);
    let mut client = Client::authorized(&emulator).await;
    accepted(&mut client.sender(PARTITION).await).await;
}

#[tokio::test]
async fn a_session_is_ended_at_once_and_the_connection_lives_on() {
    let (emulator, mut client) = started().await;
    let _first = client.sender(PARTITION).await;
    let _second = client.sender(PARTITION).await;
    let guard = emulator
        .faults()
        .inject(Fault::end_session(When::Now, "test:ended", "as asked"));
    let told = shown(client.session.on_end()).await;
    assert!(told.contains("test:ended"), "{told}");
    assert_eq!(guard.struck(), 1, "both links are in one session");
    client.begin_anew().await;
    accepted(&mut client.sender(PARTITION).await).await;
}

#[tokio::test]
async fn a_connection_is_closed_at_once_though_nothing_is_said_on_it() {
    let (emulator, mut client) = started().await;
    let fault = Fault::close_connection(When::Now, "amqp:connection:forced", "as asked");
    let guard = emulator.faults().inject(fault);
    let told = shown(client.connection.on_close()).await;
    assert!(told.contains("as asked"), "{told}");
    assert_eq!(guard.struck(), 1);
    let mut again = Client::authorized(&emulator).await;
    accepted(&mut again.sender(PARTITION).await).await;
}

#[tokio::test]
async fn only_connections_with_a_link_in_the_scope_are_closed() {
    let (emulator, mut bystander) = started().await;
    let mut sender = bystander.sender("eh1/Partitions/1").await;
    let mut client = Client::authorized(&emulator).await;
    let _link = client.sender(PARTITION).await;
    let fault = Fault::close_connection(When::Now, "amqp:connection:forced", "as asked");
    let guard = emulator.faults().inject(fault.partition(0));
    let told = shown(client.connection.on_close()).await;
    assert!(told.contains("as asked"), "{told}");
    accepted(&mut sender).await;
    assert_eq!(guard.struck(), 1);
}

#[tokio::test]
async fn a_stalled_receiver_gets_everything_once_the_fault_is_healed() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let guard = emulator
        .faults()
        .inject(Fault::stall_delivery().partition(0));
    send(&mut sender, batch(None, [event("a")])).await;
    guard.wait_for(1).await;
    send(&mut sender, batch(None, [event("b")])).await;
    // The other partition goes on, on the same connection.
    let mut other = client.receiver(1, ReceiverOptions::default()).await;
    let mut one = client.sender("eh1/Partitions/1").await;
    send(&mut one, batch(None, [event("c")])).await;
    assert_eq!(next_bodies(&mut other, 1).await, ["c"]);
    assert!(receiver.recv::<Data>().now_or_never().is_none());
    assert_eq!(guard.struck(), 1);
    guard.heal();
    assert_eq!(next_bodies(&mut receiver, 2).await, ["a", "b"]);
}

#[tokio::test]
async fn a_stall_for_a_time_ends_by_itself() {
    let (emulator, mut client) = started().await;
    let mut sender = client.sender(PARTITION).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let guard = emulator
        .faults()
        .inject(Fault::stall_delivery().lasting(Duration::from_millis(200)));
    send(&mut sender, batch(None, [event("a")])).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["a"]);
    assert_eq!(guard.struck(), 1);
}

#[tokio::test]
async fn a_sender_without_credit_waits_until_the_fault_is_healed() {
    let (emulator, mut client) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::withhold_credit().partition(0));
    let mut sender = client.sender(PARTITION).await;
    let mut sending = pin!(sender.send(batch(None, [event("x")])));
    assert!((&mut sending).now_or_never().is_none());
    accepted(&mut client.sender("eh1/Partitions/1").await).await;
    assert!((&mut sending).now_or_never().is_none());
    assert_eq!((guard.struck(), emulator.event_count("eh1")), (1, 1));
    guard.heal();
    let outcome = tokio::time::timeout(PATIENCE, sending).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Accepted(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_lowered_message_size_is_told_at_the_attach() {
    let (emulator, mut client) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::max_message_size(100).times(1));
    let mut sender = client.sender(PARTITION).await;
    assert_eq!(sender.max_message_size(), Some(100));
    // A client that knows the limit does not even try.
    let outcome = sender.send(batch(None, [event([0; 200])])).await;
    assert!(outcome.is_err(), "{outcome:?}");
    let mut sender = client.sender("eh1/Partitions/1").await;
    accepted(&mut sender).await;
    assert_eq!(guard.struck(), 1);
    let mut again = client.sender(PARTITION).await;
    send(&mut again, batch(None, [event([0; 200])])).await;
}

#[tokio::test]
async fn an_attach_is_refused_with_the_error_that_was_asked_for() {
    let (emulator, mut client) = started().await;
    let guard = emulator
        .faults()
        .inject(Fault::refuse_attach("test:refused", "as asked").receivers());
    let (condition, text) = client
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    assert_eq!((&*condition, &*text), ("test:refused", "as asked"));
    accepted(&mut client.sender(PARTITION).await).await;
    assert_eq!(guard.struck(), 1);
    guard.heal();
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    next(&mut receiver).await;
}

#[tokio::test]
async fn a_delayed_attach_is_answered_late_and_then_works() {
    let (emulator, mut client) = started().await;
    let delay = Duration::from_millis(200);
    let guard = emulator
        .faults()
        .inject(Fault::delay_attach(delay).times(1));
    let began = tokio::time::Instant::now();
    let mut sender = client.sender(PARTITION).await;
    assert!(began.elapsed() >= delay);
    assert_eq!(guard.struck(), 1);
    accepted(&mut sender).await;
}

#[tokio::test]
async fn an_ignored_attach_is_never_answered_and_others_are() {
    let (emulator, mut client) = started().await;
    let guard = emulator.faults().inject(Fault::ignore_attach().times(1));
    {
        let mut attaching = pin!(client.try_sender(PARTITION));
        tokio::select! {
            _ = &mut attaching => panic!("it was answered"),
            () = guard.wait_for(1) => {}
        }
        guard.heal();
        let mut other = Client::authorized(&emulator).await;
        accepted(&mut other.sender(PARTITION).await).await;
        assert!((&mut attaching).now_or_never().is_none());
    }
}
