//! One record on the disk: read, and changed in one step that a crash cannot halve.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::disk::{self, Draft};
use super::format::{MAX_FILE_BYTES, decode, encode};
use super::name::{partition_of, path_of, scope_path_of};
use super::versions::{Newest, Versions};
use crate::consumer::checkpoint::record::{Change, Place, Record};
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;

/// How often a change is tried while others change the same record: some seconds.
const TRIES: u32 = 500;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A partition's record in the directory of a store.
#[derive(Debug)]
pub(super) struct RecordFile {
    root: PathBuf,
    versions: Versions,
    place: Place,
}

/// The partitions that have a record, or had one being made.
pub(super) fn partitions_of(root: &Path, scope: &ConsumerScope) -> Result<Vec<PartitionId>, Error> {
    let folder = root.join(scope_path_of(scope));
    let listed = fs::read_dir(&folder).and_then(|entries| {
        entries
            .map(|entry| Ok(partition_of(&entry?.file_name())))
            .filter_map(Result::transpose)
            .collect()
    });
    match listed {
        // Without the directory nothing can be said of what is in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::metadata(root).map(|_| Vec::new())
        }
        listed => listed,
    }
    .map_err(|error| {
        let message = format!("{scope}: cannot list {}: {error}", folder.display());
        Error::new(ErrorKind::StoreUnavailable, message).with_source(error)
    })
}

enum Content {
    Absent,
    Record(Record),
    Corrupt(String),
}

impl RecordFile {
    pub(super) fn new(root: &Path, place: Place) -> Self {
        Self {
            root: root.to_owned(),
            versions: Versions::new(root.join(path_of(&place))),
            place,
        }
    }

    /// The record; an empty one if there is none.
    pub(super) fn read(&self) -> Result<Record, Error> {
        let (number, content) = self.content()?;
        match content {
            Content::Absent => Ok(Record::default()),
            Content::Record(record) => Ok(record),
            Content::Corrupt(why) => Err(self.corrupt(number, &why)),
        }
    }

    /// Changes the record, and returns what it is now. It may be given up until
    /// the last moment: then nothing has changed.
    pub(super) fn change(
        &self,
        change: &Change,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Record, Error> {
        for number in 0..TRIES {
            if let Some(changed) = self.try_change(change, is_abandoned)? {
                change.log(&self.place);
                return Ok(changed);
            }
            // Several that meet do not meet again and again.
            let pause = Duration::from_millis(number.into()).min(LONGEST_PAUSE);
            sleep(pause.mul_f64(fastrand::f64()));
        }
        let others = io::Error::new(io::ErrorKind::WouldBlock, "others change it all the time");
        Err(self.failed("change", others))
    }

    /// As [`change`](Self::change), once; `None` if another change came in between.
    fn try_change(
        &self,
        change: &Change,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Option<Record>, Error> {
        let (number, content) = self.content()?;
        let (record, is_corrupt) = match content {
            Content::Absent => (Record::default(), false),
            Content::Record(record) => (record, false),
            Content::Corrupt(_) if matches!(change, Change::Reset(..)) => (Record::default(), true),
            Content::Corrupt(why) => return Err(self.corrupt(number, &why)),
        };
        let changed = record.changed(change, &self.place)?;
        let put = if is_corrupt || changed != record {
            let text = encode(&changed, &self.place);
            self.put_after(number, &text, is_abandoned)
        } else if number > 0 {
            // Whoever wrote it may have died before this.
            disk::sync_folder(self.versions.folder()).map(|()| true)
        } else {
            Ok(true)
        };
        let put = put.map_err(|error| self.failed("change", error))?;
        Ok(put.then_some(changed))
    }

    fn put_after(
        &self,
        number: u64,
        text: &str,
        is_abandoned: &dyn Fn() -> bool,
    ) -> io::Result<bool> {
        if number == 0 {
            self.create_folders()?;
        }
        let draft = Draft::write(self.versions.folder(), text)?;
        if is_abandoned() {
            // Nobody is told: whoever asked is gone.
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.versions.put_after(number, draft)
    }

    fn content(&self) -> Result<(u64, Content), Error> {
        let newest = self.versions.newest();
        let Newest { number, bytes } = newest.map_err(|error| self.failed("read", error))?;
        let content = match number {
            // Without the directory nothing can be said of what is in it.
            0 => match fs::metadata(&self.root) {
                Ok(_) => Content::Absent,
                Err(error) => return Err(self.failed("find the directory of", error)),
            },
            _ if bytes.len() > MAX_FILE_BYTES => {
                Content::Corrupt(format!("it is longer than {MAX_FILE_BYTES} bytes"))
            }
            _ => match decode(&bytes, &self.place) {
                Ok(record) => Content::Record(record),
                Err(why) => Content::Corrupt(why),
            },
        };
        Ok((number, content))
    }

    /// Makes what is not there between the store's directory and the versions, to
    /// stay.
    fn create_folders(&self) -> io::Result<()> {
        let above = self.versions.folder().ancestors();
        let folders: Vec<_> = above.take_while(|folder| **folder != *self.root).collect();
        for folder in folders.iter().rev() {
            disk::create_folder(folder)?;
            disk::sync_folder_of(folder)?;
        }
        Ok(())
    }

    fn corrupt(&self, number: u64, why: &str) -> Error {
        let (place, path) = (&self.place, self.versions.path(number));
        Error::new(
            ErrorKind::CorruptCheckpoint,
            format!(
                "{place}: {} cannot be understood, {why}: bring it back from a copy, or set the \
                 position anew by `reset`",
                path.display()
            ),
        )
    }

    fn failed(&self, to: &str, error: io::Error) -> Error {
        let (place, path) = (&self.place, self.versions.folder().display());
        let message = format!("{place}: cannot {to} {path}: {error}");
        Error::new(ErrorKind::StoreUnavailable, message).with_source(error)
    }
}
