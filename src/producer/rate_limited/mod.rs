//! A token bucket in front of any producer.
//!
//! A namespace takes 1000 events and 1,000,000 bytes a second per throughput
//! unit and refuses what comes above. Each refusal costs a round trip and a wait
//! of seconds, for every writer of the namespace. This wrapper keeps below the
//! limit: each attempt waits until both of its buckets, events **and** bytes,
//! hold what the batch costs.
//!
//! ```text
//!                    first come, first served
//! send_batch ──▶ [ ··· waiting ··· ] ──▶ events ≥ n and bytes ≥ m ? ──▶ inner producer
//!                                          take both, or neither
//! ```
//!
//! # Order
//! Batches pass in the order in which `send_batch` was first polled. A large
//! batch is not overtaken by smaller ones behind it.
//!
//! # How exact it is
//! In every window of length `t` at most `rate × t + burst` passes, with no
//! slack. Below that the rate is reached: a timer that wakes late loses nothing
//! as long as the burst covers the delay (some milliseconds of the rate).
//!
//! # Changing it
//! [`RateLimiter::set_limit`] takes effect at once, for those who wait too. The
//! tokens that are there stay, as far as they fit: no change hands out a second
//! burst.
//!
//! # Other writers
//! The limit is per process, throughput units are per namespace: other writers
//! are not seen. An [adaptive](RateLimiter::adaptive) limiter finds its share:
//! its rate falls when the service throttles, and comes back. Tokens of a failed
//! attempt stay spent.
//!
//! # When not to use it
//! Where a process is far below its share, or where the service's own throttling
//! is welcome as the only brake.

mod adaptive;
mod limit;
mod meter;
mod metrics;
mod producer;
mod snapshot;
mod token_bucket;
mod waiters;

pub use adaptive::Adaptive;
pub use limit::RateLimit;
pub use producer::RateLimitedProducer;
pub use snapshot::RateLimiterSnapshot;
pub use waiters::RateLimiter;
