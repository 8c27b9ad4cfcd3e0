//! How far a consumer group has come, and who owns its partitions: the stores.
//!
//! Two ports, which one store may implement both:
//!
//! - [`CheckpointStore`] keeps a [`Checkpoint`] per partition, and refuses to take
//!   one of an owner that was followed by another;
//! - [`OwnershipStore`] keeps who owns a partition, and hands each owner a
//!   generation higher than any before it.
//!
//! ```text
//!  owner A ── claim ──▶ 7 ── fence(7), checkpoint 100 ✓ ─────────── checkpoint 150 ✗ Fenced
//!  owner B ─────────────────────── claim ──▶ 8 ── fence(8) ──▶ 100 ── checkpoint 120 ✓
//! ```
//!
//! From the moment that B has fenced the partition, nothing of A is written any
//! more, however late it comes: A's progress cannot overwrite B's.
//!
//! A checkpoint never goes back. [`reset`](CheckpointStore::reset) is the only way:
//! a deliberate rewind, or a hub that was created anew.
//!
//! Owners that share the partitions of a hub for a while each, as an
//! [`EventProcessor`](super::processor::EventProcessor) does, list, claim by what they saw,
//! and renew through [`OwnershipStore`], too.
//!
//! [`MemoryStore`] is for tests and for one process, [`FileStore`] for the processes
//! of one machine, and `BlobStore` under the feature `azure-blob` for those of many,
//! with other SDKs among them. A store of your own is tested by the checks of `contract`, under
//! the feature of that name.

#[cfg(feature = "azure-blob")]
pub mod blob;
#[cfg(feature = "contract")]
pub mod contract;
pub mod file;
mod forward;
mod memory;
mod ownership;
mod record;
mod scope;
mod store;
mod watermark;

#[cfg(feature = "azure-blob")]
pub use blob::{BlobStore, BlobStoreOptions};
pub use file::FileStore;
pub use memory::MemoryStore;
pub use ownership::{Ownership, OwnershipStore};
pub use scope::ConsumerScope;
pub use store::{Checkpoint, CheckpointStore};
pub(crate) use watermark::Watermark;
