//! A plain store with a bug, if it is to have one.

#[path = "bug.rs"]
mod bug;
#[path = "buggy_owners.rs"]
mod owners;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, ErrorKind, PartitionId};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::Instant;

pub(crate) use bug::Bug;

#[derive(Debug, Clone, Default)]
struct Record {
    fence: u64,
    checkpoint: Option<Checkpoint>,
    claimed: u64,
    owner: Option<String>,
    is_damaged: bool,
    version: u64,
    touched: Option<Instant>,
}

impl Record {
    /// The ownership changes.
    fn touch(&mut self) {
        self.version += 1;
        self.touched = Some(Instant::now());
    }
}

type Key = (String, u32);

/// What all handles see.
#[derive(Debug)]
pub(crate) struct Shared {
    records: Mutex<HashMap<Key, Record>>,
    is_cut_off: AtomicBool,
    lock: Semaphore,
    handles: AtomicU32,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            records: Mutex::default(),
            is_cut_off: AtomicBool::default(),
            lock: Semaphore::new(1),
            handles: AtomicU32::default(),
        })
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        self.records.lock().unwrap()
    }

    pub(crate) fn cut_off(&self, is_so: bool) {
        self.is_cut_off.store(is_so, Ordering::Relaxed);
    }
}

/// A handle.
#[derive(Debug, Clone)]
pub(crate) struct Buggy {
    shared: Arc<Shared>,
    bug: Bug,
    number: u32,
    fences: Arc<Mutex<HashMap<Key, u64>>>,
    reads: Arc<Mutex<HashMap<Key, Checkpoint>>>,
}

fn refused<T>(kind: ErrorKind) -> Result<T, Error> {
    Err(Error::new(kind, "refused"))
}

type Work = Box<dyn FnOnce(&mut Record) -> Result<(), Error> + Send>;

/// Does what was asked for later, if whoever asked is gone.
struct Asked(Option<Box<dyn FnOnce() -> Result<Record, Error> + Send>>);

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            tokio::spawn(async {
                yield_now().await;
                yield_now().await;
                let _ = work();
            });
        }
    }
}

impl Buggy {
    pub(crate) fn new(shared: &Arc<Shared>, bug: Bug) -> Self {
        Self {
            shared: Arc::clone(shared),
            bug,
            number: shared.handles.fetch_add(1, Ordering::Relaxed),
            fences: Arc::default(),
            reads: Arc::default(),
        }
    }

    fn key(&self, scope: &ConsumerScope, partition: PartitionId) -> Key {
        let mut name = match self.bug {
            Bug::ScopesMixed => scope.to_string(),
            _ => format!("{scope:?}"),
        };
        if self.bug == Bug::LongNamesCut {
            name = name.chars().take(250).collect();
        }
        match partition.number() {
            number @ 10.. if self.bug == Bug::PartitionsMixed => (name, number / 10),
            number => (name, number),
        }
    }

    fn reach(&self) -> Result<(), Error> {
        match self.bug {
            _ if !self.shared.is_cut_off.load(Ordering::Relaxed) => Ok(()),
            Bug::CutOffForGood => refused(ErrorKind::NotFound),
            _ => refused(ErrorKind::StoreUnavailable),
        }
    }

    /// Has the lock for a moment; whoever is dropped then keeps it.
    async fn lock(&self) {
        if self.bug == Bug::LockKept {
            self.shared.lock.acquire().await.unwrap().forget();
            yield_now().await;
            self.shared.lock.add_permits(1);
        }
    }

    async fn read(&self, scope: &ConsumerScope, partition: PartitionId) -> Result<Record, Error> {
        match self.reach() {
            Err(_) if self.bug == Bug::CutOffIsNothing => return Ok(Record::default()),
            reached => reached?,
        }
        self.lock().await;
        let records = self.shared.records();
        let record = records.get(&self.key(scope, partition));
        Ok(record.cloned().unwrap_or_default())
    }

    async fn change(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        work: Work,
    ) -> Result<Record, Error> {
        self.reach()?;
        self.lock().await;
        let key = self.key(scope, partition);
        let shared = Arc::clone(&self.shared);
        let read =
            |shared: &Shared, key: &Key| shared.records().get(key).cloned().unwrap_or_default();
        match self.bug {
            Bug::ReadThenWrite => {
                let mut record = read(&shared, &key);
                work(&mut record)?;
                yield_now().await;
                shared.records().insert(key, record.clone());
                Ok(record)
            }
            Bug::DoneLater => {
                let mut asked = Asked(Some(Box::new(move || {
                    let mut record = read(&shared, &key);
                    work(&mut record)?;
                    shared.records().insert(key, record.clone());
                    Ok(record)
                })));
                yield_now().await;
                asked.0.take().unwrap()()
            }
            _ => {
                let mut record = read(&shared, &key);
                let worked = work(&mut record);
                if worked.is_ok() || self.bug == Bug::RefusedRaisesFence {
                    shared.records().insert(key, record.clone());
                }
                worked.map(|()| record)
            }
        }
    }

    /// A change of an owner that comes too late for some.
    async fn lease(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        is_halved: bool,
        work: Work,
    ) -> Result<Option<Ownership>, Error> {
        let this = match is_halved {
            true => Self {
                bug: Bug::ReadThenWrite,
                ..self.clone()
            },
            false => self.clone(),
        };
        match this.change(scope, partition, work).await {
            Ok(record) => Ok(self.told(record)),
            Err(error) if *error.kind() == ErrorKind::Fenced => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As it is told of a record.
    fn told(&self, record: Record) -> Option<Ownership> {
        let is_there = match self.bug {
            Bug::NobodyIsSomebody => true,
            Bug::ReleaseForgets => record.owner.is_some(),
            _ => record.claimed > 0,
        };
        let age = record.touched.filter(|_| self.bug != Bug::AgesStandStill);
        is_there.then_some(Ownership {
            owner: record.owner,
            generation: record.claimed,
            version: record.version.to_string(),
            age: age.map_or(Duration::ZERO, |at| at.elapsed()),
        })
    }

    /// Lets a writer pass, or not.
    fn admit(&self, record: &mut Record, key: &Key, generation: u64) -> Result<(), Error> {
        let mut fences = self.fences.lock().unwrap();
        let fence = match self.bug {
            Bug::FencesOfEachHandle => fences.entry(key.clone()).or_default(),
            _ => &mut record.fence,
        };
        let is_older = match self.bug {
            Bug::SameGenerationFenced => *fence > 0 && generation <= *fence,
            Bug::LastGenerationNotFenced => generation.saturating_add(1) < *fence,
            Bug::GenerationsRounded => (generation as f64) < *fence as f64,
            _ => generation < *fence,
        };
        if is_older {
            return refused(ErrorKind::Fenced);
        }
        *fence = generation;
        Ok(())
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let is_negative = checkpoint.sequence_number < 0 && self.bug != Bug::NegativeTaken;
        let offset = checkpoint.offset.as_ref().map_or(1, String::len);
        let longest = match self.bug {
            Bug::LongOffsetsTaken => 2000,
            _ => 1024,
        };
        match is_negative || !(1..=longest).contains(&offset) {
            true => refused(ErrorKind::CorruptCheckpoint),
            false => Ok(()),
        }
    }

    fn intact(&self, record: &mut Record) -> Result<(), Error> {
        match self.bug {
            _ if !record.is_damaged => Ok(()),
            Bug::DamageIsNothing => {
                record.checkpoint = None;
                Ok(())
            }
            Bug::DamageOverwritten => {
                *record = Record::default();
                Ok(())
            }
            _ => refused(ErrorKind::CorruptCheckpoint),
        }
    }

    pub(crate) fn damage(&self, scope: &ConsumerScope, partition: PartitionId) {
        let mut records = self.shared.records();
        if self.bug == Bug::DamageSpreads {
            for record in records.values_mut() {
                record.is_damaged = true;
            }
        }
        let record = records.entry(self.key(scope, partition)).or_default();
        record.is_damaged = true;
        if self.bug == Bug::DamageForgetsGenerations {
            record.claimed = 0;
        }
    }
}

#[async_trait]
impl CheckpointStore for Buggy {
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        let mut record = self.read(scope, partition).await?;
        self.intact(&mut record)?;
        let read = record.checkpoint;
        if self.bug == Bug::ReadsAreOld
            && let Some(read) = &read
        {
            let key = self.key(scope, partition);
            let mut reads = self.reads.lock().unwrap();
            return Ok(Some(reads.entry(key).or_insert(read.clone()).clone()));
        }
        Ok(read)
    }

    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        let (this, key) = (self.clone(), self.key(scope, partition));
        let fenced = move |record: &mut Record| {
            this.intact(record)?;
            if this.bug == Bug::NoFenceWithoutCheckpoint && record.checkpoint.is_none() {
                return Ok(());
            }
            this.admit(record, &key, generation)
        };
        let record = self.change(scope, partition, Box::new(fenced)).await?;
        Ok(record
            .checkpoint
            .filter(|_| self.bug != Bug::FenceReadsNothing))
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let mut stored = checkpoint.clone();
        match self.bug {
            Bug::OffsetsDropped => stored.offset = None,
            Bug::StoredByHalf => {
                let offset = stored.offset.take();
                self.store_at_once(scope, partition, generation, stored.clone())
                    .await?;
                yield_now().await;
                stored.offset = offset;
            }
            _ => {}
        }
        self.store_at_once(scope, partition, generation, stored)
            .await
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        let (this, key, checkpoint) = (
            self.clone(),
            self.key(scope, partition),
            checkpoint.cloned(),
        );
        let shared = Arc::clone(&self.shared);
        let reset = move |record: &mut Record| {
            if this.bug == Bug::DamageStays {
                this.intact(record)?;
            }
            let before = record.fence;
            match this.bug {
                Bug::ResetsNotFenced => record.fence = record.fence.max(generation),
                _ => this.admit(record, &key, generation)?,
            }
            checkpoint
                .as_ref()
                .map_or(Ok(()), |checkpoint| this.check(checkpoint))?;
            if this.bug == Bug::ResetRaisesNoFence {
                record.fence = before;
            }
            let number =
                |checkpoint: &Option<Checkpoint>| checkpoint.as_ref().map(|at| at.sequence_number);
            let is_back = number(&checkpoint) < number(&record.checkpoint);
            match this.bug {
                Bug::ResetsGoForward if is_back => return refused(ErrorKind::InvalidPosition),
                Bug::ResetsTakeNothingAway if checkpoint.is_none() => {}
                _ => record.checkpoint = checkpoint,
            }
            record.is_damaged = false;
            Ok(())
        };
        self.change(scope, partition, Box::new(reset)).await?;
        if self.bug == Bug::ResetsOfAll {
            let mut records = shared.records();
            let record = records[&self.key(scope, partition)].clone();
            records
                .values_mut()
                .for_each(|other| *other = record.clone());
        }
        Ok(())
    }
}

impl Buggy {
    async fn store_at_once(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Checkpoint,
    ) -> Result<(), Error> {
        let (this, key) = (self.clone(), self.key(scope, partition));
        let stored = move |record: &mut Record| {
            this.intact(record)?;
            let before = record.fence;
            this.admit(record, &key, generation)?;
            this.check(&checkpoint)?;
            let number = checkpoint.sequence_number;
            if let Some(stored) = &record.checkpoint {
                let is_back = match this.bug {
                    Bug::GoesBack => false,
                    Bug::NotAgain => number <= stored.sequence_number,
                    _ => number < stored.sequence_number,
                };
                if is_back {
                    return refused(ErrorKind::InvalidPosition);
                }
            }
            if this.bug == Bug::StoreRaisesNoFence {
                record.fence = before;
            }
            record.checkpoint = Some(checkpoint);
            match this.bug {
                Bug::CheckpointsChangeVersion => record.version += 1,
                Bug::CheckpointsChangeAge => record.touched = Some(Instant::now()),
                _ => {}
            }
            Ok(())
        };
        self.change(scope, partition, Box::new(stored)).await?;
        Ok(())
    }
}
