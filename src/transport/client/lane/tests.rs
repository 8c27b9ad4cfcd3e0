//! The fences around a client, with a client that does everything wrong.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::future::join_all;

use super::*;
use crate::event::EventData;
use crate::partition::Target;

/// What a client does when it is asked to send.
#[derive(Debug, Clone)]
enum Act {
    Accept,
    Panic,
    Hang,
    Fail(ErrorKind),
    FailToConnect(ErrorKind),
    HangConnecting,
}

/// Makes clients that act as they are told, and counts them.
#[derive(Debug, Default)]
struct Stage {
    acts: Mutex<VecDeque<Act>>,
    made: AtomicU64,
    sent: Mutex<Vec<u64>>,
    under_way: AtomicU64,
}

#[derive(Debug)]
struct Actor {
    number: u64,
    stage: Arc<Stage>,
}

#[derive(Debug, Clone, Default)]
struct Agency(Arc<Stage>);

impl Agency {
    fn with(acts: impl IntoIterator<Item = Act>) -> Self {
        let stage = Stage {
            acts: Mutex::new(acts.into_iter().collect()),
            ..Stage::default()
        };
        Self(Arc::new(stage))
    }

    fn made(&self) -> u64 {
        self.0.made.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Connect for Agency {
    type Client = Actor;

    async fn connect(&self, _: Option<Actor>) -> Result<Actor, Error> {
        let connecting = {
            let mut acts = self.0.acts.lock().unwrap();
            match acts.front() {
                Some(Act::FailToConnect(_) | Act::HangConnecting) => acts.pop_front(),
                _ => None,
            }
        };
        match connecting {
            Some(Act::FailToConnect(kind)) => return Err(Error::new(kind, "planted")),
            Some(_) => std::future::pending().await,
            None => {}
        }
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        Ok(Actor {
            number,
            stage: Arc::clone(&self.0),
        })
    }

    fn place(&self, _: &Request) -> Place {
        unreachable!("there is one lane")
    }

    fn limits(&self, _: u64) -> BatchLimits {
        BatchLimits::STANDARD
    }
}

#[async_trait]
impl Client for Actor {
    async fn send(&mut self, _: &EventBatch) -> Result<(), Error> {
        let before = self.stage.under_way.fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "two calls at a time");
        tokio::task::yield_now().await;
        let act = self.stage.acts.lock().unwrap().pop_front();
        self.stage.under_way.fetch_sub(1, Ordering::Relaxed);
        match act.unwrap_or(Act::Accept) {
            Act::Panic => panic!("planted"),
            Act::Fail(kind) => return Err(Error::new(kind, "planted")),
            Act::Hang => std::future::pending().await,
            _ => self.stage.sent.lock().unwrap().push(self.number),
        }
        Ok(())
    }

    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        panic!("planted")
    }

    async fn partition_properties(&mut self, _: PartitionId) -> Result<PartitionProperties, Error> {
        std::future::pending().await
    }

    async fn close(self) {}
}

const LIMIT: Duration = Duration::from_secs(60);

struct Scene {
    agency: Agency,
    lane: Lane,
    closed: watch::Sender<bool>,
}

impl Scene {
    fn with(acts: impl IntoIterator<Item = Act>) -> Self {
        let agency = Agency::with(acts);
        let (closed, closing) = watch::channel(false);
        let shared = Shared {
            try_timeout: LIMIT,
            max_message_size: Arc::default(),
            closed: closing,
        };
        let lane = Lane::start(Arc::new(agency.clone()), shared);
        Self {
            agency,
            lane,
            closed,
        }
    }

    async fn send(&self) -> Result<(), Error> {
        let mut batch = EventBatch::new(Target::Any, BatchLimits::STANDARD);
        batch.try_add(EventData::new("x")).unwrap();
        let sent = self.lane.caller().call(Request::Send(batch), LIMIT).await;
        sent.map(|_| ())
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_the_fate_unknown_and_the_next_call_has_another_client() {
    let scene = Scene::with([Act::Accept, Act::Panic]);
    scene.send().await.unwrap();
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Panicked);
    assert!(error.is_fate_unknown());
    scene.send().await.unwrap();
    assert_eq!(*scene.agency.0.sent.lock().unwrap(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_read_of_properties_has_no_fate() {
    let scene = Scene::with([]);
    let read = scene.lane.caller().call(Request::Hub, LIMIT).await;
    let error = read.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Panicked);
    assert!(!error.is_fate_unknown());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_returns_is_given_up_and_the_next_has_another_client() {
    let scene = Scene::with([Act::Hang]);
    let start = Instant::now();
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(error.is_fate_unknown());
    assert_eq!(start.elapsed(), LIMIT);
    scene.send().await.unwrap();
    assert_eq!(*scene.agency.0.sent.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_there_is_a_client_was_not_sent() {
    let scene = Scene::with([
        Act::FailToConnect(ErrorKind::Unauthorized),
        Act::HangConnecting,
    ]);
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthorized);
    assert!(!error.is_fate_unknown());
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(!error.is_fate_unknown());
    scene.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_the_client_and_a_break_does_not() {
    let retry_after = Duration::from_secs(4);
    let kept = [
        ErrorKind::Throttled { retry_after },
        ErrorKind::TooLarge { size: 2, limit: 1 },
        ErrorKind::InvalidPartition,
        ErrorKind::Unauthorized,
    ];
    let scene = Scene::with(kept.map(Act::Fail));
    for _ in 0..4 {
        scene.send().await.unwrap_err();
    }
    scene.send().await.unwrap();
    assert_eq!(scene.agency.made(), 1);

    let broken = [
        ErrorKind::Disconnected,
        ErrorKind::Protocol,
        ErrorKind::Timeout,
    ];
    let scene = Scene::with(broken.map(Act::Fail));
    for _ in 0..3 {
        scene.send().await.unwrap_err();
    }
    scene.send().await.unwrap();
    assert_eq!(scene.agency.made(), 4);
}

#[tokio::test(start_paused = true)]
async fn calls_are_made_one_at_a_time() {
    let scene = Scene::with([]);
    let sent = join_all((0..100).map(|_| scene.send())).await;
    assert!(sent.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn calls_behind_one_that_hangs_were_not_sent_when_their_time_is_up() {
    let scene = Scene::with([Act::Hang]);
    let (first, second) = tokio::join!(scene.send(), scene.send());
    assert!(first.unwrap_err().is_fate_unknown());
    let second = second.unwrap_err();
    assert_eq!(second.kind(), &ErrorKind::Timeout);
    assert!(!second.is_fate_unknown());
}

#[tokio::test(start_paused = true)]
async fn closing_refuses_what_waits_and_gives_what_is_under_way_half_a_second() {
    let scene = Scene::with([Act::Hang]);
    let start = Instant::now();
    let (first, second, ()) = tokio::join!(scene.send(), scene.send(), async {
        tokio::task::yield_now().await;
        scene.closed.send_replace(true);
    });
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert_eq!(
        (first.kind(), second.kind()),
        (&ErrorKind::Closed, &ErrorKind::Closed)
    );
    assert!(first.is_fate_unknown() && !second.is_fate_unknown());
    assert_eq!(start.elapsed(), GRACE);
    assert_eq!(scene.send().await.unwrap_err().kind(), &ErrorKind::Closed);
    scene.lane.ended().await;
}
