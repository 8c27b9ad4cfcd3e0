//! What a store in files does with damaged files, what the dead have left, and
//! futures that are dropped.
#![cfg(unix)]

mod store_support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use eventhubs_flow::consumer::checkpoint::{CheckpointStore, FileStore, OwnershipStore};
use eventhubs_flow::{ErrorKind, PartitionId};
use futures::poll;
use store_support::{Directory, FIRST, at, folder_of, record_in, scope};

/// Asserts that everything but a reset is refused, with the file's name, and that
/// the file stays as it is.
async fn assert_refused(store: &FileStore, record: &Path, what: &str) {
    let before = fs::read(record).unwrap();
    let (scope, checkpoint) = (scope(), at(i64::MAX));
    let refused = [
        store.checkpoint(&scope, FIRST).await.map(drop),
        store.fence(&scope, FIRST, 9).await.map(drop),
        store.store(&scope, FIRST, 9, &checkpoint).await,
        store.reset(&scope, FIRST, 9, Some(&at(-1))).await,
        store.ownership(&scope, FIRST).await.map(drop),
        store.claim(&scope, FIRST, "b").await.map(drop),
        store.release(&scope, FIRST, 1).await,
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        let error = refused.expect_err(what);
        assert_eq!(
            *error.kind(),
            ErrorKind::CorruptCheckpoint,
            "{what}: {error}"
        );
        let names_it = error.message().contains(record.to_str().unwrap());
        assert!(names_it || number == 3, "{what}: {error}");
    }
    assert!(
        fs::read(record).unwrap() == before,
        "{what}: it was changed"
    );
}

#[tokio::test]
async fn what_is_damaged_is_refused_and_stays_until_it_is_reset() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    let folder = folder_of(directory.path(), &scope(), FIRST);
    store.claim(&scope(), FIRST, "a").await.unwrap();
    store.store(&scope(), FIRST, 1, &at(100)).await.unwrap();
    let record = record_in(&folder).unwrap();
    let good = fs::read(&record).unwrap();

    let other = PartitionId::new(1);
    store.claim(&scope(), other, "a").await.unwrap();
    let of_other = record_in(&folder_of(directory.path(), &scope(), other));
    let of_other = fs::read(of_other.unwrap()).unwrap();

    let mut table = vec![
        ("garbage".to_owned(), b"\xff\x00\xfe garbage".to_vec()),
        ("text".to_owned(), b"a text\n".to_vec()),
        ("of another partition".to_owned(), of_other),
        ("twice".to_owned(), good.repeat(2)),
        ("much".to_owned(), vec![b'\n'; 1 << 20]),
        ("zeros".to_owned(), vec![0; good.len()]),
    ];
    for length in 0..good.len() {
        table.push((format!("cut off at {length}"), good[..length].to_vec()));
        let mut flipped = good.clone();
        flipped[length] ^= 1 << (length % 8);
        table.push((format!("a bit of {length} flipped"), flipped));
    }
    for (what, bytes) in table {
        fs::write(&record, bytes).unwrap();
        assert_refused(&store, &record, &what).await;
    }

    fs::write(&record, &good).unwrap();
    let read = store.checkpoint(&scope(), FIRST).await.unwrap();
    assert_eq!(read, Some(at(100)), "a copy that is brought back is taken");
    for (generation, to) in [(20, Some(at(7))), (30, None)] {
        fs::write(record_in(&folder).unwrap(), "").unwrap();
        let reset = store.reset(&scope(), FIRST, generation, to.as_ref()).await;
        reset.unwrap();
        assert_eq!(store.checkpoint(&scope(), FIRST).await.unwrap(), to);
        let claimed = store.claim(&scope(), FIRST, "b").await.unwrap();
        assert_eq!(claimed, generation + 1);
    }
}

#[tokio::test]
async fn what_a_dead_process_has_left_harms_nothing_and_goes() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    let folder = folder_of(directory.path(), &scope(), FIRST);
    store.store(&scope(), FIRST, 1, &at(100)).await.unwrap();
    let (old, young) = (
        folder.join("draft-1-0-00000000"),
        folder.join("draft-2-0-00000000"),
    );
    for (draft, age) in [(&old, 3600), (&young, 1)] {
        fs::write(draft, "half of a rec").unwrap();
        let at = SystemTime::now() - Duration::from_secs(age);
        let file = File::options().write(true).open(draft).unwrap();
        file.set_modified(at).unwrap();
    }
    let mut unwritable = fs::metadata(&old).unwrap().permissions();
    unwritable.set_readonly(true);
    fs::set_permissions(&old, unwritable).unwrap();

    let read = store.checkpoint(&scope(), FIRST).await.unwrap();
    assert_eq!(read, Some(at(100)));
    store.store(&scope(), FIRST, 1, &at(101)).await.unwrap();
    assert!(!old.exists());
    assert!(young.exists(), "its process may be at it");
    let read = store.checkpoint(&scope(), FIRST).await.unwrap();
    assert_eq!(read, Some(at(101)));
}

#[tokio::test]
async fn a_few_versions_are_kept_however_many_there_were() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    for place in 0..50 {
        store.store(&scope(), FIRST, 1, &at(place)).await.unwrap();
    }
    let folder = folder_of(directory.path(), &scope(), FIRST);
    let mut left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left.len(), 10, "{left:?}");
    assert_eq!(left.last().map(String::as_str), Some("50"));
}

#[tokio::test]
async fn a_version_that_comes_after_later_ones_counts_for_nothing() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    let folder = folder_of(directory.path(), &scope(), FIRST);
    store.store(&scope(), FIRST, 1, &at(0)).await.unwrap();
    let first = fs::read(record_in(&folder).unwrap()).unwrap();
    for place in 1..20 {
        store.store(&scope(), FIRST, 1, &at(place)).await.unwrap();
    }
    assert!(!folder.join("2").exists());
    // As of a process that stood still since the second one.
    fs::write(folder.join("2"), first).unwrap();
    let read = store.checkpoint(&scope(), FIRST).await.unwrap();
    assert_eq!(read, Some(at(19)));
    store.store(&scope(), FIRST, 1, &at(20)).await.unwrap();
    assert!(!folder.join("2").exists());
}

#[tokio::test]
async fn a_refused_write_writes_nothing() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    let folder = folder_of(directory.path(), &scope(), FIRST);
    store.release(&scope(), FIRST, 0).await.unwrap();
    store.claim(&scope(), FIRST, "").await.unwrap_err();
    assert!(!folder.exists());

    store.store(&scope(), FIRST, 5, &at(100)).await.unwrap();
    let record = record_in(&folder).unwrap();
    let before = fs::read(&record).unwrap();
    store.store(&scope(), FIRST, 4, &at(101)).await.unwrap_err();
    store.store(&scope(), FIRST, 6, &at(99)).await.unwrap_err();
    store.release(&scope(), FIRST, 7).await.unwrap();
    assert_eq!(record_in(&folder), Some(record.clone()));
    assert_eq!(fs::read(&record).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_while_others_write_sees_whole_records_that_go_forward() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    store.store(&scope(), FIRST, 1, &at(0)).await.unwrap();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for place in 1..=500 {
                store.store(&scope(), FIRST, 1, &at(place)).await.unwrap();
            }
        })
    };
    let mut last = 0;
    while last < 500 {
        let read = store.checkpoint(&scope(), FIRST).await.unwrap().unwrap();
        let place = read.sequence_number;
        assert_eq!(read, at(place));
        assert!(place >= last, "{place} after {last}");
        last = place;
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_change_that_was_dropped_at_any_time_does_not_come_after_a_later_one() {
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    store.reset(&scope(), FIRST, 1, Some(&at(0))).await.unwrap();
    let mut made = 0;
    for round in 1..100 {
        let (scope, later) = (scope(), at(round));
        let mut storing = store.store(&scope, FIRST, 1, &later);
        // Until it is at work, and a little longer each time.
        let mut left = round;
        while poll!(&mut storing).is_pending() && left > 0 {
            left -= 1;
            for _ in 0..round {
                std::thread::yield_now();
            }
        }
        drop(storing);
        let left = store.fence(&scope, FIRST, 1).await.unwrap().unwrap();
        assert!(left == at(0) || left == at(round), "{left:?}");
        made += i64::from(left == at(round));
        store.reset(&scope, FIRST, 1, Some(&at(0))).await.unwrap();
        let left = store.fence(&scope, FIRST, 1).await.unwrap();
        assert_eq!(left, Some(at(0)));
    }
    assert!(made > 0, "some were made before they were dropped");
}

#[tokio::test]
async fn what_cannot_be_a_directory_is_told_when_it_is_opened() {
    let directory = Directory::new();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for no_directory in [file.clone(), file.join("below")] {
        let error = FileStore::open(&no_directory).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::StoreUnavailable);
        assert!(
            error.message().contains(no_directory.to_str().unwrap()),
            "{error}"
        );
        assert!(std::error::Error::source(&error).is_some());
    }
    let deep = directory.path().join("a/b/c");
    FileStore::open(&deep).await.unwrap();
    FileStore::open(&deep).await.unwrap();
    assert!(deep.is_dir());
}

#[tokio::test]
async fn a_directory_that_went_is_not_an_empty_store() {
    let directory = Directory::new();
    let root = directory.path().join("store");
    let store = FileStore::open(&root).await.unwrap();
    store.store(&scope(), FIRST, 1, &at(100)).await.unwrap();
    fs::rename(&root, directory.path().join("away")).unwrap();
    let told = [
        store.checkpoint(&scope(), FIRST).await.map(drop),
        store.store(&scope(), FIRST, 1, &at(1)).await,
    ];
    for told in told {
        let error = told.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::StoreUnavailable, "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert!(!root.exists(), "it is not made again");
}

const MASKED: &str = "not_everyone_may_write_the_files";
const NO_MASK: &str = "WITHOUT_A_MASK_IN";

#[tokio::test]
async fn not_everyone_may_write_the_files() {
    if let Some(directory) = std::env::var_os(NO_MASK) {
        let store = FileStore::open(directory).await.unwrap();
        store.store(&scope(), FIRST, 1, &at(100)).await.unwrap();
        return;
    }
    let directory = Directory::new();
    let root = directory.path().join("store");
    let run = format!("umask 0; exec \"$0\" --exact {MASKED}");
    let ended = std::process::Command::new("sh")
        .args(["-c", &run])
        .arg(std::env::current_exe().unwrap())
        .env(NO_MASK, &root)
        .output()
        .unwrap();
    assert!(ended.status.success());
    let folder = folder_of(&root, &scope(), FIRST);
    let record = record_in(&folder).unwrap();
    let folders = record.ancestors().skip(1).take(5);
    assert_eq!(folders.clone().last(), Some(&*root));
    for path in std::iter::once(&*record).chain(folders) {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o002, 0, "{path:?} has {mode:o}");
    }
}
