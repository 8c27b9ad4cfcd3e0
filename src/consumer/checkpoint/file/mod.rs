//! Checkpoints and owners in files, shared by the processes of one machine.
//!
//! Each partition has a folder of its own, with a file for each version of its
//! record, which a person can read. The highest counts:
//!
//! ```text
//! {directory}/ns.servicebus.windows.net/eh1/$default/0/57
//!
//! eventhubs-flow record 1
//! of ns.servicebus.windows.net/eh1/$default/0
//! fence 8
//! claimed 8
//! owner worker-2
//! renewed 4
//! at 1765432100000
//! sequence-number 120
//! offset 4294970808
//! crc32 f3c90f1d
//! ```
//!
//! A change is written to a draft, made durable, and put in the place of the next
//! version by a hard link, which fails if another change came first: then it is tried
//! again on top of that one. So no lock is held, and a process that is frozen in the
//! middle holds up nobody; thawed, it finds its place taken. Whoever reads sees the
//! whole record or the one before, whenever a process or the machine dies. A
//! few versions before it stay, older ones and forgotten drafts are removed.
//!
//! The age of an ownership goes by the machine's time of day (`at`, in milliseconds
//! since 1970): where that is set, ages jump until the next renewal.
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
//! For processes of several machines. On a network file system hard links and what
//! a folder holds cannot be relied on.

mod disk;
mod format;
mod name;
mod record_file;
mod store;
mod versions;

pub use store::FileStore;
