//! Testing your own code with the emulator, in Rust or any other language.
//!
//! The crate `eventhubs-emulator` is an Event Hubs that runs on your machine, in the
//! process of a Rust test or as a program. It speaks AMQP 1.0, so that the code under
//! test is the code of production: only the connection string differs.
//!
//! # In a Rust test
//! ```toml
//! [dev-dependencies]
//! eventhubs-emulator = { path = "../eventhubs-flow/emulator", default-features = false }
//! ```
//! ```
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::{EventData, EventHub};
//!
//! /// The code under test: all it knows is a connection string.
//! async fn greet(connection_string: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let hub = EventHub::connect(connection_string).await?;
//!     let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//!     producer.send(EventData::new("hello")).await?.await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?; // on a free port: tests run side by side
//! greet(&emulator.connection_string_for("eh1")).await?;
//! assert_eq!(emulator.received("eh1")[0].body, "hello");
//! # Ok(())
//! # }
//! ```
//! It stops when it is dropped. `Emulator::builder()` chooses hubs, keys, TLS, quotas
//! and throughput units.
//!
//! # Wait, do not sleep
//! | for | wait with |
//! |---|---|
//! | events that arrive | `emulator.wait_for_events("eh1", 100)` |
//! | receivers that attach | `emulator.wait_for_receivers("eh1", 4)` |
//! | anything that is counted or listed | `emulator.wait_until(..)` |
//! | a fault that strikes | `guard.wait_for(1)` |
//!
//! # When things go wrong
//! A fault is injected with a scope, and lasts as long as its guard:
//!
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_emulator::{Emulator, Fault, When};
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::{EventData, EventHub};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! let soon = Duration::from_millis(10);
//! let options = BufferedProducerOptions::default().with_retry_backoff(soon, soon);
//! let producer = hub.buffered_producer(options).await?;
//!
//! // The connection breaks before the message is stored.
//! let broken = Fault::drop_connection(When::OnTransfer).senders().times(1);
//! let broken = emulator.faults().inject(broken);
//! producer.send(EventData::new("hello")).await?.await?; // delivered all the same
//! assert_eq!(broken.struck(), 1); // the fault was really met
//! assert_eq!(hub.recoveries(), 1);
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! | to see what your code makes of | inject |
//! |---|---|
//! | throttling | `Fault::server_busy()` |
//! | an outcome that never comes | `Fault::lose_outcomes()` |
//! | a refusal for good | `Fault::reject("amqp:not-allowed", "..")` |
//! | a broken line | `Fault::drop_connection(..)`, `Fault::cut(..)`, `Fault::half_open()` |
//! | a slow one | `Fault::latency(..)`, `Fault::bandwidth(..)` |
//! | a service that stops to deliver | `Fault::stall_delivery()` |
//! | the service gone | `emulator.suspend()`, `emulator.resume()` |
//!
//! Let the time-outs be short in such tests: a
//! [try time-out](crate::EventHubOptions::with_try_timeout) of a second instead of 60,
//! a [backoff](crate::producer::buffered::BufferedProducerOptions::with_retry_backoff)
//! of milliseconds. tokio's paused clock and real sockets do not mix.
//!
//! # Without a socket
//! Where the wire does not matter, a [`MemoryHub`](crate::transport::memory::MemoryHub)
//! keeps the same contract, and runs on tokio's paused clock. Its
//! [`fail_next`](crate::transport::memory::MemoryHub::fail_next) makes sends fail:
//!
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::transport::memory::MemoryHub;
//! use eventhubs_flow::{Error, ErrorKind, EventData};
//! use tokio::time::Instant;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a test: #[tokio::test(start_paused = true)]
//! let hub = MemoryHub::new(4);
//! let retry_after = Duration::from_secs(60);
//! hub.fail_next(1, Error::new(ErrorKind::Throttled { retry_after }, "busy"));
//! let producer = hub.producer().buffered(BufferedProducerOptions::default()).await?;
//!
//! let start = Instant::now();
//! producer.send(EventData::new("patient")).await?.await?;
//! assert!(start.elapsed() >= retry_after); // a minute that took no time
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # In any other language
//! ```sh
//! cargo install --path emulator     # from a checkout; one binary, no Docker
//! eventhubs-emulator
//! ```
//! It prints a line when it is ready, with the connection string that Microsoft's SDKs
//! take unchanged:
//!
//! ```text
//! Event Hubs emulator ready on 127.0.0.1:5672: Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;
//! ```
//!
//! JavaScript:
//! ```js
//! const producer = new EventHubProducerClient(connectionString, 'eh1');
//! ```
//! Python:
//! ```python
//! producer = EventHubProducerClient.from_connection_string(connection_string, eventhub_name="eh1")
//! ```
//!
//! One for each test run: with `--port 0` it takes a free port and tells it in that
//! line; read the line, and cut it behind `": "`. Or use the usual ports and wait until
//! it answers:
//!
//! ```sh
//! eventhubs-emulator --hub orders:8:billing,audit &
//! until curl --silent --fail http://127.0.0.1:5300/health; do sleep 0.1; done
//! npm test
//! curl --silent http://127.0.0.1:5300/metrics | grep incoming_messages_total
//! kill %1
//! ```
//!
//! Faults are injected from Rust only. What options and other programs can bring
//! about from any language:
//!
//! | to see what your code makes of | start it with, or do |
//! |---|---|
//! | throttling, and the text with "Please wait 4 seconds" | `--throughput-units 1`, and send more |
//! | the tutorial's "At least one receiver ..." | read a partition with an owner level and one without |
//! | a right that is missing | `--key 'Reader@eh1:Listen=cmVhZA=='`, and send with it |
//! | a wrong key | a connection string with another key |
//! | the quotas of a tier | `--tier basic` |
//! | events that are gone | `--retention 1000000` |
//! | TLS and WebSockets | `--tls` |
//! | the service gone | stop it, start it again: the events are gone, too |
//!
//! How each SDK connects stands in the emulator's README; what four of them make of
//! every refusal, in `interop/README.md`.
//!
//! # A transport or a store of your own
//! The feature `contract` holds the checks that every transport and every store of
//! this crate passes: `transport::contract` and `consumer::checkpoint::contract`.
