//! One record on the disk: read, and changed in one step that a crash cannot halve.

use std::fs::{self, File};
use std::io::{self, ErrorKind::NotFound, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk;
use super::format::{MAX_FILE_BYTES, decode, encode};
use super::lock::{Lock, NoLock};
use super::name::path_of;
use crate::consumer::checkpoint::record::{Change, Place, Record};
use crate::error::{Error, ErrorKind};

/// A partition's record in the directory of a store.
#[derive(Debug)]
pub(super) struct RecordFile {
    root: PathBuf,
    path: PathBuf,
    place: Place,
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
            path: root.join(path_of(&place)),
            place,
        }
    }

    /// The record; an empty one if there is none.
    pub(super) fn read(&self) -> Result<Record, Error> {
        match self.content()? {
            Content::Absent => Ok(Record::default()),
            Content::Record(record) => Ok(record),
            Content::Corrupt(why) => Err(self.corrupt(&why)),
        }
    }

    /// Changes the record, and returns what it is now. It may be given up until
    /// the last moment: then nothing has changed.
    pub(super) fn change(
        &self,
        change: &Change,
        lock_timeout: Duration,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Record, Error> {
        self.create_folders()
            .map_err(|error| self.failed("create the folder of", error))?;
        let _lock = self.lock(lock_timeout, is_abandoned)?;
        let content = self.content()?;
        let is_new = matches!(content, Content::Absent);
        let (record, is_corrupt) = match content {
            Content::Absent => (Record::default(), false),
            Content::Record(record) => (record, false),
            Content::Corrupt(_) if matches!(change, Change::Reset(..)) => (Record::default(), true),
            Content::Corrupt(why) => return Err(self.corrupt(&why)),
        };
        let changed = record.changed(change, &self.place)?;
        if is_corrupt || changed != record {
            let text = encode(&changed, &self.place);
            self.write(&text, is_new, is_abandoned)
                .map_err(|error| self.failed("write", error))?;
        } else if !is_new {
            // Whoever wrote it may have died before this.
            disk::sync_folder_of(&self.path).map_err(|error| self.failed("make durable", error))?;
        }
        change.log(&self.place);
        Ok(changed)
    }

    fn lock(&self, longest: Duration, is_abandoned: &dyn Fn() -> bool) -> Result<Lock, Error> {
        let path = self.path.with_extension("lock");
        Lock::take(&path, longest, is_abandoned).map_err(|none| match none {
            NoLock::Io(error) => self.failed("lock", error),
            NoLock::Abandoned => self.failed("wait for", given_up()),
            NoLock::Held => Error::new(
                ErrorKind::StoreUnavailable,
                format!(
                    "{} was held for {longest:?} by another process, which may be frozen: find \
                     it by `fuser` or `lslocks` and continue or end it",
                    path.display()
                ),
            ),
        })
    }

    fn content(&self) -> Result<Content, Error> {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| {
            // One byte more tells that it is too long.
            file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)
        });
        match read {
            Ok(length) if length > MAX_FILE_BYTES => {
                let why = format!("it is longer than {MAX_FILE_BYTES} bytes");
                Ok(Content::Corrupt(why))
            }
            Ok(_) => Ok(match decode(&bytes, &self.place) {
                Ok(record) => Content::Record(record),
                Err(why) => Content::Corrupt(why),
            }),
            // Without the directory nothing can be said of what is in it.
            Err(error) if error.kind() == NotFound => match fs::metadata(&self.root) {
                Ok(_) => Ok(Content::Absent),
                Err(error) => Err(self.failed("find the directory of", error)),
            },
            Err(error) => Err(self.failed("read", error)),
        }
    }

    /// Makes what is not there between the store's directory and the record.
    fn create_folders(&self) -> io::Result<()> {
        let folders: Vec<_> = self.folders().collect();
        if folders.first().is_some_and(|folder| folder.is_dir()) {
            return Ok(());
        }
        let mut from_the_top = folders.iter().rev();
        from_the_top.try_for_each(|folder| disk::create_folder(folder))
    }

    /// The folders that the store makes, from that of the record up.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        let above = self.path.ancestors().skip(1);
        above.take_while(|folder| **folder != *self.root)
    }

    fn write(&self, text: &str, is_new: bool, is_abandoned: &dyn Fn() -> bool) -> io::Result<()> {
        if is_new {
            // Before the record: once it is there, its folders are there to stay.
            self.folders().try_for_each(disk::sync_folder_of)?;
        }
        let written = disk::Draft::write(&self.path.with_extension("tmp"), text)?;
        if is_abandoned() {
            return Err(given_up());
        }
        written.put_in_place(&self.path)
    }

    fn corrupt(&self, why: &str) -> Error {
        let (place, path) = (&self.place, self.path.display());
        Error::new(
            ErrorKind::CorruptCheckpoint,
            format!(
                "{place}: {path} cannot be understood, {why}: bring it back from a copy, or set \
                 the position anew by `reset`"
            ),
        )
    }

    fn failed(&self, to: &str, error: io::Error) -> Error {
        let (place, path) = (&self.place, self.path.display());
        let message = format!("{place}: cannot {to} {path}: {error}");
        Error::new(ErrorKind::StoreUnavailable, message).with_source(error)
    }
}

/// Nobody is told: whoever asked is gone.
fn given_up() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "nobody waits for it any more")
}
