//! Epochs with pictures: who may read a partition.
//!
//! An epoch is what the service calls the **owner level** of a receiver, a number
//! from 0. It counts within one partition of one consumer group. A receiver with a
//! level has the partition for itself; those without one share it, up to five.
//!
//! # The pictures
//! **An equal level takes over.** The last one wins:
//! ```text
//!  A  level 0  ═══════════╡ lost: "New receiver 'B' with higher epoch of '0' is created .."
//!  B  level 0             ╞═════════════▶
//! ```
//! (The service says "higher" of an equal one, too.)
//!
//! **A higher level takes over,** in the same way.
//!
//! **A lower level is refused.** A is not disturbed:
//! ```text
//!  A  level 5  ═════════════════════════▶
//!  B  level 1             ✗ refused: "Receiver 'A' with a higher epoch '5' already exists .."
//! ```
//!
//! **No level is refused where there is one:** the tutorial's error.
//! ```text
//!  A  level 0  ═════════════════════════▶
//!  B  none                ✗ refused: "At least one receiver for the endpoint is created
//!                                     with epoch of '0' .."
//! ```
//!
//! **A level displaces all without one:**
//! ```text
//!  A  none  ──────────────╡ lost
//!  B  none  ──────────────╡ lost
//!  C  level 0             ╞═════════════▶
//! ```
//! Without a level at all, five read side by side, each of them everything; a sixth is
//! refused with [`ErrorKind::QuotaExceeded`](crate::ErrorKind::QuotaExceeded).
//!
//! # Who has which level
//! The processors of .NET, Java, Go and Rust have level 0; those of JavaScript and
//! Python have it only with a checkpoint store, and none otherwise. So a plain
//! JavaScript consumer and any processor in the same consumer group cannot read side
//! by side. [`EpochSafeConsumer`] has level 0 by default.
//!
//! # Three ways out
//! 1. **Give each application a consumer group of its own.** Then each reads
//!    everything, and no level is in the way. In most cases this is the answer.
//! 2. Close the other reader, if it should not be there. A dead one may be noticed
//!    by the service only after minutes.
//! 3. Choose a policy.
//!
//! # Which policy?
//! | you want | [`EpochPolicy`] |
//! |---|---|
//! | the newest deployment to win | [`TakeOver`] at a level, 0 by default |
//! | a stand-by that disturbs nobody and goes on when the owner goes | [`WaitForRelease`] |
//! | to win against someone who takes it back, up to a level | [`Escalate`] |
//! | to look on beside others | [`NonEpoch`], best in a group of its own |
//!
//! ```text
//!              is anybody there?              taken away later?
//!  TakeOver        displaces ≤ its level          gives it up
//!  Escalate        goes up to its level           takes it back, one above the thief, to max
//!  WaitForRelease  waits, looking                 gives it up
//!  NonEpoch        gives up if an owner is there  gives it up
//! ```
//! Only `Escalate` takes anything back, waits longer each time, and goes no higher
//! than its `max`: of two that escalate, one gives up. No war goes on for ever.
//!
//! # Met and solved
//! ```
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::consumer::epoch_safe::{EpochPolicy, EpochSafeConsumerOptions};
//! use eventhubs_flow::{ErrorKind, EventHub, OwnershipLostReason, PartitionId};
//! use futures::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! let options = |name: &str, policy| {
//!     EpochSafeConsumerOptions::default()
//!         .with_partitions([PartitionId::new(0)])
//!         .with_policy(policy)
//!         .with_name(name)
//! };
//!
//! let level_0 = EpochPolicy::TakeOver { level: 0 };
//! let mut processor = hub.epoch_safe_consumer(options("processor", level_0)).await?;
//! # tokio::select! { _ = processor.next() => {}, () = emulator.wait_for_receivers("eh1", 1) => {} }
//!
//! // Without a level: refused, and told why.
//! let mut tutorial = hub.epoch_safe_consumer(options("tutorial", EpochPolicy::NonEpoch)).await?;
//! let refused = tutorial.next().await.expect("one word").unwrap_err();
//! let ErrorKind::OwnershipRefused(conflict) = refused.kind() else { panic!("{refused}") };
//! assert_eq!(conflict.holder_level, Some(0));
//! assert_eq!(conflict.least_winning_level(), Some(0));
//! assert!(refused.message().contains("owner level 0 or higher would win it"));
//! assert!(tutorial.next().await.is_none()); // its only partition has ended
//!
//! // At the same level: it takes over, and the processor learns from whom.
//! let newest = hub.epoch_safe_consumer(options("newest", level_0)).await?;
//! let lost = processor.next().await.expect("one word").unwrap_err();
//! let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(thief)) = lost.kind() else {
//!     panic!("{lost}")
//! };
//! assert_eq!(thief.holder.as_deref(), Some("newest"));
//! newest.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A partition ends with one error, and the others go on: read on after it, and do
//! not use `try_next` and its kin, which stop there.
//!
//! # What levels cannot do
//! They say who may read **now**. A process that stands still does not hear that it
//! lost, and goes on for a moment when it wakes up: for that there are
//! [generations](super::checkpoints). And they share nothing out: for that there is the
//! [processor](super::sharing).
//!
//! The example `epoch_conflict` shows all of this with the service's own words.
//!
//! [`EpochSafeConsumer`]: crate::consumer::epoch_safe::EpochSafeConsumer
//! [`EpochPolicy`]: crate::consumer::epoch_safe::EpochPolicy
//! [`TakeOver`]: crate::consumer::epoch_safe::EpochPolicy::TakeOver
//! [`WaitForRelease`]: crate::consumer::epoch_safe::EpochPolicy::WaitForRelease
//! [`Escalate`]: crate::consumer::epoch_safe::EpochPolicy::Escalate
//! [`NonEpoch`]: crate::consumer::epoch_safe::EpochPolicy::NonEpoch
