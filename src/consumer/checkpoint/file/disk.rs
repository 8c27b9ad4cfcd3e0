//! Files and folders that outlast a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A file that is whole and durable, but not in its place; gone when dropped.
#[derive(Debug)]
pub(super) struct Draft {
    path: Option<PathBuf>,
}

impl Draft {
    /// Writes a draft, over one that a process has left when it died.
    pub(super) fn write(path: &Path, text: &str) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = options().create_new(true).open(path)?;
        let path = Some(path.to_owned());
        let draft = Self { path };
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    /// Replaces a file in one step, and makes that durable.
    pub(super) fn put_in_place(mut self, path: &Path) -> io::Result<()> {
        let draft = self.path.as_ref().expect("not put in place");
        fs::rename(draft, path)?;
        self.path = None;
        sync_folder_of(path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The next draft goes over it, if it stays.
            let _ = fs::remove_file(path);
        }
    }
}

/// Options to write a file that not everyone on the machine may write.
pub(super) fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
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
#[cfg(unix)]
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be synced.
#[cfg(not(unix))]
pub(super) fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}
