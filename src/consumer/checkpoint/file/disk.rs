//! Files and folders that outlast a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a draft's name begins.
const DRAFT: &str = "draft-";

/// A draft that is older was left by a process that died, or stands still: such a
/// one finds it gone, and writes it anew.
const OLD: Duration = Duration::from_secs(60);

/// A file that is whole and durable, but not in its place; gone when dropped.
#[derive(Debug)]
pub(super) struct Draft(PathBuf);

impl Draft {
    /// Writes a draft of its own in a folder.
    pub(super) fn write(folder: &Path, text: &str) -> io::Result<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let (process, random) = (std::process::id(), fastrand::u32(..));
        let path = folder.join(format!("{DRAFT}{process}-{number}-{random:08x}"));
        let mut file = options().create_new(true).open(&path)?;
        let draft = Self(path);
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    /// Puts it in a place where nothing is, in one step; `false` if something is.
    pub(super) fn put_in(self, place: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.0, place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // It was taken for one of the dead.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It goes as an old one, if it stays.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes a draft that its process has left, by the clock that files are dated with.
pub(super) fn remove_old_draft(entry: &fs::DirEntry) {
    let is_draft = entry.file_name().to_string_lossy().starts_with(DRAFT);
    let written = entry.metadata().and_then(|file| file.modified());
    let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD));
    if is_draft && is_old {
        let _ = fs::remove_file(entry.path());
    }
}

/// Options to write a file that not everyone on the machine may write.
fn options() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options
}

/// Makes a folder, unless it is there; not the one that it is in.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o775);
    match builder.create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Makes a folder and those that it is in, unless they are there, to stay.
pub(super) fn create_folders(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        create_folders(above)?;
    }
    create_folder(path)?;
    // What is there and no folder.
    fs::read_dir(path)?;
    sync_folder_of(path)
}

/// Makes durable that a file or a folder is where it is.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(path.parent().unwrap_or(path))
}

/// Makes durable which files and folders a folder has.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be synced.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
