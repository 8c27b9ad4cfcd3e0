//! Checkpoints and fencing: where a consumer goes on, and why a late one does no
//! harm.
//!
//! # The watermark
//! Handlers end in any order; a checkpoint is one number. It is the last event up to
//! which **all** are acknowledged:
//!
//! ```text
//!  yielded        10  11  12  13  14  15
//!  acknowledged    ✓   ✓   ·   ✓   ✓   ·
//!  checkpoint          11
//! ```
//! So after a crash 12 to 15 come again, 13 and 14 for the second time, and none is
//! skipped: **at least once**. An event that is never acknowledged holds the
//! checkpoint back; when
//! [`with_max_unacknowledged`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_max_unacknowledged)
//! events wait behind it, its partition pauses.
//!
//! # Who acknowledges, who writes
//! | | acknowledges | writes |
//! |---|---|---|
//! | [`process_concurrently`] | events whose handler returned `Ok` | |
//! | [`chunks_by`] | you, by [`ack_chunk`](crate::stream::ChunksBy::ack_chunk) | |
//! | the stream by itself | you, by [`ack`] or [`ack_through`] | |
//! | [`checkpoint_every`] | | in the background, by count and time |
//! | [`checkpoint`] | | now |
//! | `close` | | at the end |
//!
//! A handler that fails or panics does not acknowledge. Put its event aside (another
//! hub, a file), and then acknowledge it, or nothing behind it is ever done.
//!
//! # Which store?
//! | [`MemoryStore`] | [`FileStore`] | your own |
//! |---|---|---|
//! | tests; consumers that start over anyway | the processes of one machine; outlasts crashes (of several: [`sharing`](super::sharing)) | [`CheckpointStore`] and [`OwnershipStore`], tested by the feature `contract` |
//!
//! Without a checkpoint a partition starts where
//! [`with_position`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_position)
//! says, by default at what is stored from now on.
//!
//! # The zombie
//! A process stands still: a paused machine, a debugger, a swapped-out container.
//! Another one takes its partition. Then it wakes up and does not know:
//!
//! ```text
//!  A  generation 7  ══ reads 100 ══ ❄ frozen ❄ ═══════ handles 101, acknowledges ✗ Fenced
//!                                      │                        │
//!  B  generation 8              takes over ══ reads 101, 102 ══ checkpoint 102 ✓
//! ```
//! No message can prevent that, since A reads none. A **number** can. Each owner
//! claims a generation from the store, higher than all before; it fences the
//! partition's checkpoint with it, and from then on the store refuses what is older,
//! however late it comes.
//!
//! ```
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::consumer::EventStream;
//! use eventhubs_flow::consumer::checkpoint::MemoryStore;
//! use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
//! use eventhubs_flow::transport::StartPosition;
//! use eventhubs_flow::{ErrorKind, EventHub, PartitionId};
//! use futures::StreamExt;
//! # use eventhubs_flow::{BatchLimits, EventBatch, EventData};
//! # use eventhubs_flow::transport::TransportProducer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! # let mut batch = EventBatch::new(PartitionId::new(0).into(), BatchLimits::STANDARD);
//! # batch.try_add(EventData::new("an order"))?;
//! # hub.producer().send_batch(batch).await?;
//! let store = MemoryStore::new(); // shared by both
//! let options = || {
//!     EpochSafeConsumerOptions::default()
//!         .with_partitions([PartitionId::new(0)])
//!         .with_position(StartPosition::Earliest)
//!         .with_store(store.clone())
//! };
//! let mut a = hub.epoch_safe_consumer(options()).await?;
//! let by_a = a.next().await.expect("an event")?;
//!
//! let mut b = hub.epoch_safe_consumer(options()).await?;
//! let by_b = b.next().await.expect("an event")?; // not acknowledged: it comes again
//! assert_eq!(by_b.sequence_number(), by_a.sequence_number());
//! assert!(by_b.generation() > by_a.generation());
//!
//! b.ack(&by_b)?;
//! b.close().await?; // writes the checkpoint
//!
//! assert!(a.next().await.expect("its last word").is_err());
//! let late = a.ack(&by_a).unwrap_err();
//! assert_eq!(*late.kind(), ErrorKind::Fenced);
//! # Ok(())
//! # }
//! ```
//!
//! # Your own side effects
//! The store protects its checkpoints, not your database. Hand it the number, too:
//! [`generation`](crate::ReceivedEvent::generation) stands on each event. Keep the
//! highest per partition beside your data, and refuse less in the same transaction:
//!
//! ```text
//!  UPDATE .. WHERE partition = 3 AND generation <= 8      -- 0 rows: a later owner was here
//! ```
//! [`is_fencing`] says whether generations order the owners of all processes: with a
//! [`FileStore`] they do for one machine, with a [`MemoryStore`] or without a store
//! they count this process only. The example `fencing` freezes and thaws a real
//! process.
//!
//! # Going back, and starting over
//! A checkpoint never goes back by itself. [`reset`] sets it anywhere, on purpose.
//!
//! When events after the checkpoint are gone (kept for less time than the consumer
//! was away) or the hub was created anew, the partition ends with
//! [`ErrorKind::InvalidPosition`](crate::ErrorKind::InvalidPosition), unless
//! [`with_missing_position`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_missing_position)
//! says to start at the earliest or the latest event. The service itself would start
//! at the oldest one without a word, and the loss would not be noticed.
//!
//! # When the store is away
//! Reading goes on, up to
//! [`with_max_unacknowledged`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_max_unacknowledged)
//! events that are not written, with [`checkpoint_every`]; its writes are tried again.
//! A partition that is just being opened waits for the store. A record that cannot be
//! understood is never taken for none: see
//! [`ErrorKind::CorruptCheckpoint`](crate::ErrorKind::CorruptCheckpoint) in
//! [`troubleshooting`](super::troubleshooting).
//!
//! [`process_concurrently`]: crate::consumer::EventStream::process_concurrently
//! [`chunks_by`]: crate::consumer::EventStream::chunks_by
//! [`ack`]: crate::consumer::EventStream::ack
//! [`ack_through`]: crate::consumer::epoch_safe::ConsumerHandle::ack_through
//! [`checkpoint`]: crate::consumer::epoch_safe::ConsumerHandle::checkpoint
//! [`checkpoint_every`]: crate::consumer::epoch_safe::EpochSafeConsumer::checkpoint_every
//! [`is_fencing`]: crate::consumer::epoch_safe::EpochSafeConsumer::is_fencing
//! [`reset`]: crate::consumer::checkpoint::CheckpointStore::reset
//! [`MemoryStore`]: crate::consumer::checkpoint::MemoryStore
//! [`FileStore`]: crate::consumer::checkpoint::FileStore
//! [`CheckpointStore`]: crate::consumer::checkpoint::CheckpointStore
//! [`OwnershipStore`]: crate::consumer::checkpoint::OwnershipStore
