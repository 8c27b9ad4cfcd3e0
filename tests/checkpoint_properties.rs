//! Stores do what a plain model does, whatever is asked of them.

mod store_support;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, FileStore, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, ErrorKind, PartitionId};
use proptest::collection::vec;
use proptest::prelude::*;
use store_support::Directory;
use tokio::runtime::Runtime;

/// What is asked, of which record, through which of the handles.
#[derive(Debug, Clone)]
struct Step {
    record: usize,
    handle: usize,
    ask: Ask,
}

#[derive(Debug, Clone)]
enum Ask {
    Read,
    Owner,
    Claim(String),
    /// Whether who owns it now was seen, or nobody.
    ClaimIf(String, bool),
    Renew(String),
    /// Of the last claim, less so many.
    Release(u64),
    Fence(u64),
    Store(u64, Checkpoint),
    Reset(u64, Option<Checkpoint>),
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Done,
    Checkpoint(Option<Checkpoint>),
    Owner(Option<(Option<String>, u64)>),
    Lease(Option<u64>),
    Generation(u64),
    Refused(ErrorKind),
}

fn answer<T>(asked: Result<T, Error>, answer: impl FnOnce(T) -> Answer) -> Answer {
    asked.map_or_else(|error| Answer::Refused(error.kind().clone()), answer)
}

/// The model of a record.
#[derive(Debug, Default)]
struct Model {
    fence: u64,
    claimed: u64,
    owner: Option<String>,
    checkpoint: Option<Checkpoint>,
}

impl Model {
    fn ask(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Read => return Answer::Checkpoint(self.checkpoint.clone()),
            Ask::Owner if self.claimed == 0 => return Answer::Owner(None),
            Ask::Owner => {
                return Answer::Owner(Some((self.owner.clone(), self.claimed)));
            }
            Ask::Claim(owner) | Ask::ClaimIf(owner, _) if owner.is_empty() => {
                return Answer::Refused(ErrorKind::InvalidOptions);
            }
            Ask::Claim(owner) => {
                self.claimed = self.claimed.max(self.fence) + 1;
                self.owner = Some(owner.clone());
                return Answer::Generation(self.claimed);
            }
            Ask::ClaimIf(owner, is_seen) if *is_seen || self.claimed == 0 => {
                self.ask(&Ask::Claim(owner.clone()));
                return Answer::Lease(Some(self.claimed));
            }
            Ask::ClaimIf(..) => return Answer::Lease(None),
            Ask::Renew(owner) => {
                let is_held = self.owner.as_ref() == Some(owner);
                return Answer::Lease(is_held.then_some(self.claimed));
            }
            Ask::Release(0) => {
                self.owner = None;
                return Answer::Done;
            }
            Ask::Release(_) => return Answer::Done,
            Ask::Fence(by) | Ask::Store(by, _) | Ask::Reset(by, _) if *by < self.fence => {
                return Answer::Refused(ErrorKind::Fenced);
            }
            Ask::Store(_, to) | Ask::Reset(_, Some(to)) if !is_position(to) => {
                return Answer::Refused(ErrorKind::CorruptCheckpoint);
            }
            Ask::Store(_, to) if self.place() > to.sequence_number => {
                return Answer::Refused(ErrorKind::InvalidPosition);
            }
            Ask::Fence(by) => {
                self.fence = *by;
                return Answer::Checkpoint(self.checkpoint.clone());
            }
            Ask::Store(by, to) => (self.fence, self.checkpoint) = (*by, Some(to.clone())),
            Ask::Reset(by, to) => (self.fence, self.checkpoint) = (*by, to.clone()),
        }
        Answer::Done
    }

    fn place(&self) -> i64 {
        self.checkpoint.as_ref().map_or(-1, |at| at.sequence_number)
    }
}

fn is_position(checkpoint: &Checkpoint) -> bool {
    checkpoint.sequence_number >= 0 && checkpoint.offset.as_deref() != Some("")
}

trait Store: CheckpointStore + OwnershipStore {}
impl<T: CheckpointStore + OwnershipStore> Store for T {}

async fn ask(
    store: &dyn Store,
    (scope, partition): &(ConsumerScope, PartitionId),
    claimed: u64,
    ask: Ask,
) -> Answer {
    let partition = *partition;
    match ask {
        Ask::Read => answer(store.checkpoint(scope, partition).await, Answer::Checkpoint),
        Ask::Owner => answer(store.ownership(scope, partition).await, |it| {
            Answer::Owner(it.map(|it| (it.owner, it.generation)))
        }),
        Ask::ClaimIf(owner, is_seen) => {
            let seen = store.ownership(scope, partition).await.expect("read");
            let seen = seen.filter(|_| is_seen);
            let claimed = store
                .claim_if(scope, partition, &owner, seen.as_ref())
                .await;
            answer(claimed, |it| Answer::Lease(it.map(|it| it.generation)))
        }
        Ask::Renew(owner) => {
            let held = Ownership {
                owner: Some(owner),
                generation: claimed,
                version: String::new(),
                age: Duration::ZERO,
            };
            let renewed = store.renew(scope, partition, &held).await;
            answer(renewed, |it| Answer::Lease(it.map(|it| it.generation)))
        }
        Ask::Claim(owner) => {
            let claimed = store.claim(scope, partition, &owner).await;
            answer(claimed, Answer::Generation)
        }
        Ask::Release(less) => {
            let generation = claimed.wrapping_sub(less);
            let released = store.release(scope, partition, generation).await;
            answer(released, |()| Answer::Done)
        }
        Ask::Fence(by) => answer(store.fence(scope, partition, by).await, Answer::Checkpoint),
        Ask::Store(by, to) => {
            let stored = store.store(scope, partition, by, &to).await;
            answer(stored, |()| Answer::Done)
        }
        Ask::Reset(by, to) => {
            let reset = store.reset(scope, partition, by, to.as_ref()).await;
            answer(reset, |()| Answer::Done)
        }
    }
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let offset = prop_oneof![3 => Just(None), 3 => "[0-9]{1,3}".prop_map(Some), 1 => ".{0,3}".prop_map(Some)];
    (-1..12_i64, offset).prop_map(|(sequence_number, offset)| Checkpoint {
        sequence_number,
        offset,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let by = || 0..6_u64;
    let ask = prop_oneof![
        Just(Ask::Read),
        Just(Ask::Owner),
        "[ab]?".prop_map(Ask::Claim),
        ("[ab]?", any::<bool>()).prop_map(|(owner, is_seen)| Ask::ClaimIf(owner, is_seen)),
        "[ab]".prop_map(Ask::Renew),
        (0..3_u64).prop_map(Ask::Release),
        by().prop_map(Ask::Fence),
        (by(), checkpoint()).prop_map(|(by, to)| Ask::Store(by, to)),
        (by(), checkpoint()).prop_map(|(by, to)| Ask::Store(by, to)),
        (by(), proptest::option::of(checkpoint())).prop_map(|(by, to)| Ask::Reset(by, to)),
    ];
    let step = (0..3_usize, 0..2_usize, ask);
    vec(
        step.prop_map(|(record, handle, ask)| Step {
            record,
            handle,
            ask,
        }),
        1..40,
    )
}

fn records() -> [(ConsumerScope, PartitionId); 3] {
    let scope = |group| ConsumerScope::new("ns.servicebus.windows.net", "eh1", group);
    let (default, other) = (scope("$Default"), scope("other"));
    [(default.clone(), 0), (default, 1), (other, 0)].map(|(scope, id)| (scope, id.into()))
}

/// Asks handles on one store what the model is asked.
async fn compare<S>(handles: [S; 2], steps: Vec<Step>) -> Result<(), TestCaseError>
where
    S: Store + fmt::Debug,
{
    let records = records();
    let mut models: HashMap<usize, Model> = HashMap::new();
    for Step {
        record,
        handle,
        ask: asked,
    } in steps
    {
        let model = models.entry(record).or_default();
        let claimed = model.claimed;
        let expected = model.ask(&asked);
        let told = ask(&handles[handle], &records[record], claimed, asked.clone()).await;
        prop_assert_eq!(told, expected, "{:?} of {:?}", asked, model);
    }
    for (record, model) in &mut models {
        for last in [Ask::Read, Ask::Owner] {
            let expected = model.ask(&last);
            prop_assert_eq!(ask(&handles[0], &records[*record], 0, last).await, expected);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn memory_does_what_the_model_does(steps in steps()) {
        let store = MemoryStore::new();
        let comparing = compare([store.clone(), store], steps);
        Runtime::new().unwrap().block_on(comparing)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn files_do_what_the_model_does(steps in steps()) {
        let directory = Directory::new();
        Runtime::new().unwrap().block_on(async {
            let first = FileStore::open(directory.path()).await.unwrap();
            let second = FileStore::open(directory.path()).await.unwrap();
            compare([first, second], steps).await
        })?;
    }
}
