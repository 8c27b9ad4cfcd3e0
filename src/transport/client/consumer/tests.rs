//! The fences around a client that reads.

use std::time::SystemTime;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::*;
use crate::batch::BatchLimits;
use crate::event::EventData;
use crate::transport::client::{Client, Place};

/// What a client does when it is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    PanicOpening,
    PanicReading,
    HangOpening,
    Read,
    Break,
}

#[derive(Debug)]
struct Reader(Act);

/// No client: nobody asks for properties here.
struct Nobody;

#[async_trait]
impl Client for Nobody {
    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        unreachable!()
    }

    async fn partition_properties(&mut self, _: PartitionId) -> Result<PartitionProperties, Error> {
        unreachable!()
    }

    async fn close(self) {}
}

#[async_trait]
impl Connect for Reader {
    type Client = Nobody;

    async fn connect(&self, _: Option<Nobody>) -> Result<Nobody, Error> {
        Ok(Nobody)
    }

    fn place(&self, _: &Request) -> Place {
        unreachable!()
    }

    fn limits(&self, _: u64) -> BatchLimits {
        BatchLimits::STANDARD
    }
}

fn event(number: i64) -> ReceivedEvent {
    let now = SystemTime::UNIX_EPOCH;
    ReceivedEvent::new(EventData::new("x"), PartitionId::new(0), number, "0", now)
}

const PREFETCH: NonZeroU32 = NonZeroU32::new(4).expect("not zero");

#[async_trait]
impl Read for Reader {
    fn prefetch(&self) -> NonZeroU32 {
        PREFETCH
    }

    async fn read(&self, _: &ReceiverOptions, outlet: &mut Outlet) {
        let events = stream::iter(0_i64..10).map(|number| Ok(event(number)));
        match self.0 {
            Act::PanicOpening => panic!("planted"),
            Act::HangOpening => return std::future::pending().await,
            _ => outlet.opened(),
        }
        match self.0 {
            Act::PanicReading => {
                let panics = |_: ()| -> Result<ReceivedEvent, Error> { panic!("planted") };
                outlet
                    .pump(events.chain(stream::iter([()]).map(panics)))
                    .await;
            }
            Act::Break => {
                let broken = Err(Error::new(ErrorKind::Disconnected, "planted"));
                outlet.pump(events.chain(stream::iter([broken]))).await;
            }
            _ => outlet.pump(events.chain(stream::pending())).await,
        }
    }
}

const LIMIT: Duration = Duration::from_secs(60);
const ALL: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

async fn open(consumer: &ClientConsumer<Reader>) -> Result<Box<dyn TransportReceiver>, Error> {
    consumer
        .open_receiver(ReceiverOptions::new(PartitionId::new(0)))
        .await
}

fn consumer(act: Act) -> ClientConsumer<Reader> {
    ClientConsumer::new(Arc::new(Reader(act)), LIMIT)
}

/// Receives all events, then the end.
async fn read_out(receiver: &mut dyn TransportReceiver) -> Error {
    let mut numbers = Vec::new();
    loop {
        match receiver.receive(ALL).await {
            Ok(events) => numbers.extend(events.iter().map(ReceivedEvent::sequence_number)),
            Err(error) => {
                assert_eq!(numbers, (0..10).collect::<Vec<_>>());
                return error;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_ends_its_receiver_alone() {
    let error = open(&consumer(Act::PanicOpening)).await.err().unwrap();
    assert_eq!(error.kind(), &ErrorKind::Panicked);

    let consumer = consumer(Act::PanicReading);
    let mut receiver = open(&consumer).await.unwrap();
    let error = read_out(&mut *receiver).await;
    assert_eq!(error.kind(), &ErrorKind::Panicked);
    assert_eq!(receiver.ended().await.kind(), &ErrorKind::Panicked);
    consumer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_opens_is_given_up_and_let_go_of() {
    let consumer = consumer(Act::HangOpening);
    let start = Instant::now();
    let error = open(&consumer).await.err().unwrap();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert_eq!(start.elapsed(), LIMIT);
    consumer.tasks.closed().await;
    assert_eq!(start.elapsed(), LIMIT + CLOSE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_end_is_received_before_it() {
    let consumer = consumer(Act::Break);
    let mut receiver = open(&consumer).await.unwrap();
    let error = read_out(&mut *receiver).await;
    assert_eq!(error.kind(), &ErrorKind::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_outlives_its_consumer_unless_that_is_closed() {
    let consumer = consumer(Act::Break);
    let mut receiver = open(&consumer).await.unwrap();
    drop(consumer);
    let error = read_out(&mut *receiver).await;
    assert_eq!(error.kind(), &ErrorKind::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_lets_go_of_its_client() {
    let consumer = consumer(Act::Read);
    let mut receiver = open(&consumer).await.unwrap();
    assert!(receiver.receive(ALL).await.unwrap().len() <= 4);
    drop(receiver);
    let start = Instant::now();
    consumer.tasks.closed().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}
