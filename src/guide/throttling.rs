//! Throttling and throughput units: how much a namespace takes, and what happens
//! above that.
//!
//! # What the service says
//! One throughput unit of a Standard namespace takes in 1000 events/s **or** 1 MB/s
//! (1,000,000 bytes), whichever is reached first, and gives out twice the bytes. The
//! units are one pool for all hubs and all writers of the namespace. Beside that the
//! service recommends no more than 1 MB/s for one partition.
//!
//! | above the limit | the service | here |
//! |---|---|---|
//! | in | refuses the batch with `com.microsoft:server-busy` and "Please wait 4 seconds" | [`ErrorKind::Throttled`], with that wait |
//! | out | slows receivers down, without a word | nothing to see but [lag](crate::consumer::epoch_safe::PartitionSnapshot::lag) |
//! | questions about hubs and partitions | refuses them, code 50008 | as above |
//!
//! The wait stands only in the text; without one it is 4 s
//! ([`DEFAULT_RETRY_AFTER`](crate::DEFAULT_RETRY_AFTER)).
//!
//! # The gate: what happens after a refusal
//! A batch that is refused is not stored and has not failed. It waits and goes again,
//! in its place. Since the units are shared, what is refused for one partition will
//! soon be refused for all: the [`ThrottleGate`] of the [`EventHub`] makes all its
//! producers wait together, and one batch finds out.
//!
//! ```text
//!  partition 0  ──▶ refused ▒▒▒▒▒▒ 4 s ▒▒▒▒▒▒ probe ─▶ accepted ─▶ goes on
//!  partition 1  ──────▶ refused ▒▒▒▒▒▒▒▒▒▒▒▒▒ waits ············▶ goes on
//!  partition 2  ─────────────▶ ▒▒▒▒▒▒▒▒▒▒▒▒▒▒ waits ············▶ goes on
//!                            │
//!                            └─ the second refusal within the wait: all pause
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_emulator::{Emulator, Fault};
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::{EventData, EventHub};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//!
//! // Busy, once: "Please wait 1 seconds and try again."
//! let busy = emulator.faults().inject(Fault::server_busy_for(1).times(1));
//! producer.send(EventData::new("patient")).await?.await?; // delivered, a second later
//!
//! let snapshot = producer.snapshot();
//! assert_eq!((snapshot.throttled, snapshot.retries), (1, 0)); // it spent no retry
//! assert_eq!(hub.throttle_gate().snapshot().pauses, 1);
//! # drop(busy);
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! While it waits the buffer fills, up to its [bounds](super::bounds), and then its
//! callers wait.
//!
//! # The limiter: not to be refused at all
//! Each refusal costs a round trip and a wait of seconds for every writer. A
//! [`RateLimiter`] keeps below:
//!
//! ```
//! use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
//!
//! # fn main() -> Result<(), eventhubs_flow::Error> {
//! // 4 units, of which this process may use half.
//! let limiter = RateLimiter::new(RateLimit::throughput_units(2))?;
//! assert_eq!(limiter.limit().events_rate(), Some(2000));
//! assert_eq!(limiter.limit().bytes_rate(), Some(2_000_000));
//!
//! // The namespace was scaled up: takes effect at once, without a second burst.
//! limiter.set_limit(RateLimit::throughput_units(4))?;
//! # Ok(())
//! # }
//! ```
//!
//! - Events and bytes are taken together: 1000 small events use a unit up as 1 MB does.
//! - In any time `t` at most `rate × t + burst` passes; the burst is one second of the
//!   rate unless you say otherwise. Where the limit is exactly what the namespace has,
//!   half a second of burst leaves room for batches that arrive closer together than
//!   they left.
//! - It limits **this process**. With `n` writers, give each its share, or:
//!
//! # The adaptive limiter: when others write, too
//! Nobody tells a writer of the others but the refusals. An [`adaptive`] limiter
//! falls to half (by default) with the first one of an episode, and rises again little
//! by little:
//!
//! ```text
//!  rate                 ceiling: what you set
//!   │╲      ╱╲      ╱
//!   │ ╲   ╱   ╲   ╱      never below 1% of it
//!   │  ╲╱      ╲╱
//!   └──┴────────┴──────▶ time
//!      refused  refused
//! ```
//!
//! ```
//! use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
//!
//! # fn main() -> Result<(), eventhubs_flow::Error> {
//! let limiter = RateLimiter::adaptive(RateLimit::throughput_units(4), Adaptive::default())?;
//! assert_eq!(limiter.current_limit(), limiter.limit()); // it begins at the ceiling
//! # Ok(())
//! # }
//! ```
//!
//! # Which one?
//! | you are | take |
//! |---|---|
//! | the only writer, and know the units | a limiter of what they take |
//! | one of several equal writers | a limiter of your share, or an adaptive one with all of it as the ceiling |
//! | far below the units | none: the gate is enough |
//! | a batch job that should leave room for others | an adaptive one with a low ceiling |
//!
//! # How many units?
//! ```text
//!  units = the larger of  events/s ÷ 1000  and  encoded bytes/s ÷ 1,000,000
//! ```
//! [`encoded_size`](crate::EventData::encoded_size) tells an event's bytes. More
//! partitions do not make more units; and one key goes to one partition, so a key that
//! has most of the events is limited by that partition.
//!
//! # Scaling while it runs
//! | there are more | what follows by itself | what is left to you |
//! |---|---|---|
//! | throughput units (Standard) | the hub takes more at once | [`set_limit`], after the units are there: before that what is more is refused, and waits for seconds. An [`adaptive`] limiter with room below its ceiling rises by itself |
//! | partitions (Premium, Dedicated) | producers, consumers and processors that run find them within 10 s by default, and read them from their first event | whether keys move: [`PartitionGrowth`]. It cannot be undone |
//!
//! Keys that move have events in two partitions. With [`Rehash`] those were **stored** in
//! order: a key moves when all before it have an outcome. They are **read** in order only
//! by who reads the old partition to its end first. The example `scaling` grows a hub under
//! load, measures both steps, and prints the commands for Azure.
//!
//! # What to watch
//! [`THROTTLED`](crate::telemetry::THROTTLED) and
//! [`THROTTLE_WAIT`](crate::telemetry::THROTTLE_WAIT) say that the namespace is too
//! small, [`RATE_WAIT`](crate::telemetry::RATE_WAIT) that your own limit is; without
//! metrics, the `snapshot()` of the producer, the limiter and the gate.
//!
//! How long the service saves up unused units is not documented. The emulator takes
//! one second; nothing here has been compared with the service yet.
//!
//! [`ErrorKind::Throttled`]: crate::ErrorKind::Throttled
//! [`ThrottleGate`]: crate::producer::ThrottleGate
//! [`EventHub`]: crate::EventHub
//! [`RateLimiter`]: crate::producer::rate_limited::RateLimiter
//! [`adaptive`]: crate::producer::rate_limited::RateLimiter::adaptive
//! [`set_limit`]: crate::producer::rate_limited::RateLimiter::set_limit
//! [`PartitionGrowth`]: crate::producer::buffered::PartitionGrowth
//! [`Rehash`]: crate::producer::buffered::PartitionGrowth::Rehash
