//! The versions of one record: a folder with a file for each, the highest counts.
//!
//! Whoever changes a record puts the next version in its place, which only one can.
//! Nobody waits for anybody, so a process that stands still in the middle holds up
//! none.

use std::fs::{self, File};
use std::io::{self, ErrorKind::NotFound, Read as _};
use std::path::{Path, PathBuf};

use super::disk::{self, Draft};
use super::format::MAX_FILE_BYTES;

/// A folder is read again if it seems empty, or what it named is gone: others put
/// in and remove versions meanwhile.
const LOOKS: u32 = 4;

/// Versions before the last two that stay: so many changes may come right after one,
/// and it is still known to have been made.
const KEPT: u64 = 8;

#[derive(Debug)]
pub(super) struct Versions {
    folder: PathBuf,
}

/// The newest version.
#[derive(Debug)]
pub(super) struct Newest {
    /// 0 if there is none.
    pub(super) number: u64,
    /// One byte more than a record may have tells that it is too long.
    pub(super) bytes: Vec<u8>,
}

impl Versions {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    pub(super) fn newest(&self) -> io::Result<Newest> {
        let (mut empty, mut gone) = (0, 0);
        loop {
            let Some(number) = self.highest()? else {
                empty += 1;
                if empty == LOOKS {
                    return Ok(Newest {
                        number: 0,
                        bytes: Vec::new(),
                    });
                }
                continue;
            };
            match self.read(number) {
                Ok(bytes) => return Ok(Newest { number, bytes }),
                // Newer ones have come, and it was removed.
                Err(error) if error.kind() == NotFound && gone < LOOKS => gone += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts a version after another, whose folder is there; `false` if another one
    /// came first.
    pub(super) fn put_after(&self, number: u64, draft: Draft) -> io::Result<bool> {
        let next = number.checked_add(1);
        let next = next.ok_or_else(|| io::Error::other("no version is left"))?;
        if !draft.put_in(&self.path(next))? {
            return Ok(false);
        }
        disk::sync_folder(&self.folder)?;
        // Others may have been in that place long ago, and have removed what was there:
        // then they are further by more than what stays.
        let furthest = next.saturating_add(KEPT + 1);
        if self.highest()?.is_none_or(|highest| highest > furthest) {
            return Ok(false);
        }
        self.remove_before(number.saturating_sub(KEPT));
        Ok(true)
    }

    /// Looked up until two looks in a row agree: what comes and goes during one look
    /// may be missed by it.
    fn highest(&self) -> io::Result<Option<u64>> {
        let mut before = self.look()?;
        loop {
            let now = self.look()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
    }

    fn look(&self) -> io::Result<Option<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == NotFound => return Ok(None),
            entries => entries?,
        };
        let mut highest = None;
        for entry in entries {
            highest = highest.max(number_of(&entry?));
        }
        Ok(highest)
    }

    fn read(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(number))?
            .take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes older versions, and what the dead have left. Those just before the newest
    /// stay: whoever reads the folder in this moment sees one of them.
    fn remove_before(&self, number: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut old = Vec::new();
        for entry in entries.flatten() {
            match number_of(&entry) {
                Some(version) if version < number => old.push(version),
                Some(_) => {}
                None => disk::remove_old_draft(&entry),
            }
        }
        // The oldest first: what is left has no gap.
        old.sort_unstable();
        for version in old {
            let _ = fs::remove_file(self.path(version));
        }
    }
}

/// The version that a file is; what is spelled in another way is none.
fn number_of(entry: &fs::DirEntry) -> Option<u64> {
    let name = entry.file_name();
    let name = name.to_str()?;
    let number: u64 = name.parse().ok()?;
    (number > 0 && number.to_string() == name).then_some(number)
}
