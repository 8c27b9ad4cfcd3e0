//! Checkpoints and owners in files, shared by the processes of one machine.
//!
//! Each partition has a file of its own, which a person can read:
//!
//! ```text
//! {directory}/ns.servicebus.windows.net/eh1/$default/0
//!
//! eventhubs-flow record 1
//! of ns.servicebus.windows.net/eh1/$default/0
//! fence 8
//! claimed 8
//! owner worker-2
//! sequence-number 120
//! offset 4294970808
//! crc32 f3c90f1d
//! ```
//!
//! Beside it, `0.lock` is what processes exclude each other with; it is empty, and
//! stays. A change is written to `0.tmp`, made durable, and renamed to `0`: whoever
//! reads sees the whole record or the one before, whenever a process or the
//! machine dies. What a dead process left in `0.tmp` goes with the next change.
//!
//! # A record that cannot be understood
//! Every byte is checked. A file that was cut off, emptied, damaged or moved is
//! refused with [`ErrorKind::CorruptCheckpoint`](crate::ErrorKind::CorruptCheckpoint)
//! and stays as it is: bring it back from a copy, or set the position anew with
//! [`reset`](super::CheckpointStore::reset). The generations it held are not known
//! then: reset with one above all that were handed out, such as the milliseconds
//! since 1970.
//!
//! # When not to use it
//! For processes of several machines. On a network file system neither locks nor
//! renames can be relied on.

mod disk;
mod format;
mod lock;
mod name;
mod options;
mod record_file;
mod store;

pub use options::FileStoreOptions;
pub use store::FileStore;
