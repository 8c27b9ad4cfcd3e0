//! The faults that are injected, in their order.

use super::fault::Fault;
use super::kind::{Break, Kind, When};
use super::line::LineFault;
use super::scope::{Place, Scope};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;

/// A fault that was injected. Later ones have higher ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FaultId(u64);

/// The faults of one emulator. Where none is injected a question costs one relaxed load.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// How many are injected.
    count: AtomicUsize,
    /// Changes whenever a fault is injected or over.
    version: AtomicU64,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    last: FaultId,
    injected: Vec<Injected>,
}

#[derive(Debug)]
struct Injected {
    id: FaultId,
    fault: Fault,
    ends: Option<Instant>,
    struck: Arc<watch::Sender<u64>>,
}

/// A fault that concerns what there is, rather than what comes.
#[derive(Debug)]
pub(crate) struct Immediate {
    pub(crate) id: FaultId,
    pub(crate) scope: Scope,
    pub(crate) what: Break,
}

impl Injected {
    fn holds(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends)
    }

    /// Takes a chance to strike; `false` if it is let pass or none is left.
    fn strike(&mut self) -> bool {
        let taken = self.take();
        if taken {
            self.struck.send_modify(|struck| *struck += 1);
        }
        taken
    }

    /// The same, not counted yet.
    fn take(&mut self) -> bool {
        if !self.holds() {
            return false;
        }
        if let Some(left) = self.fault.skip.checked_sub(1) {
            self.fault.skip = left;
            return false;
        }
        if let Some(times) = &mut self.fault.times {
            let Some(left) = times.checked_sub(1) else {
                return false;
            };
            *times = left;
        }
        true
    }
}

impl Registry {
    /// Adds a fault behind those there are; the counter tells how often it struck.
    pub(super) fn inject(
        &self,
        fault: Fault,
        ends: Option<Instant>,
    ) -> (FaultId, Arc<watch::Sender<u64>>) {
        let struck = Arc::new(watch::Sender::new(0));
        let mut state = self.state();
        state.last.0 += 1;
        let id = state.last;
        state.injected.push(Injected {
            id,
            fault,
            ends,
            struck: Arc::clone(&struck),
        });
        self.changed(&state);
        drop(state);
        self.changes.send_replace(());
        (id, struck)
    }

    /// Takes a fault away, if it is still there.
    pub(super) fn end(&self, id: FaultId) {
        let mut state = self.state();
        let before = state.injected.len();
        state.injected.retain(|injected| injected.id != id);
        let ended = state.injected.len() < before;
        self.changed(&state);
        drop(state);
        if ended {
            self.changes.send_replace(());
        }
    }

    /// Lets the first fault strike that concerns `place`, that `select` takes and that has a strike left.
    pub(crate) fn strike<T>(
        &self,
        place: &Place,
        select: impl Fn(&Kind) -> Option<T>,
    ) -> Option<(FaultId, T)> {
        if self.is_empty() {
            return None;
        }
        self.state().injected.iter_mut().find_map(|injected| {
            if !injected.fault.scope.covers(place) {
                return None;
            }
            let selected = select(&injected.fault.kind)?;
            injected.strike().then_some((injected.id, selected))
        })
    }

    /// Lets a fault strike; `false` if it is over or has no strike left.
    pub(crate) fn strike_by(&self, id: FaultId) -> bool {
        let mut state = self.state();
        let found = state.injected.iter_mut().find(|found| found.id == id);
        found.is_some_and(Injected::strike)
    }

    /// Whether what a fault struck is to stay so: it is neither healed nor past its time.
    pub(crate) fn holds(&self, id: FaultId) -> bool {
        let state = self.state();
        let mut injected = state.injected.iter();
        !self.is_empty() && injected.any(|injected| injected.id == id && injected.holds())
    }

    /// Like [`Registry::strike`], for a fault that lasts: `held` remembers what struck and is cleared when that is over.
    pub(crate) fn hold(
        &self,
        held: &mut Option<FaultId>,
        place: &Place,
        select: impl Fn(&Kind) -> bool,
    ) -> bool {
        if let Some(id) = *held {
            if self.holds(id) {
                return true;
            }
            *held = None;
        }
        let struck = self.strike(place, |kind| select(kind).then_some(()));
        *held = struck.map(|(id, ())| id);
        held.is_some()
    }

    /// The faults injected since `seen` that strike at once, in their order; `seen` moves on.
    pub(crate) fn immediate(&self, seen: &mut FaultId) -> Vec<Immediate> {
        let state = self.state();
        let since = std::mem::replace(seen, state.last);
        let recent = state.injected.iter().filter(|found| found.id > since);
        recent
            .filter_map(|injected| match &injected.fault.kind {
                Kind::Break(When::Now, what) => Some(Immediate {
                    id: injected.id,
                    scope: injected.fault.scope.clone(),
                    what: what.clone(),
                }),
                _ => None,
            })
            .collect()
    }

    /// The faults of the line that hold for a connection, and whether each is new to it; it has `taken` some before.
    /// New ones are not counted yet: see [`Registry::count_strike`].
    pub(super) fn line_faults(&self, taken: &[FaultId]) -> Vec<(FaultId, LineFault, bool)> {
        let mut state = self.state();
        let concerned = state.injected.iter_mut().filter_map(|injected| {
            let Kind::Line(fault) = injected.fault.kind else {
                return None;
            };
            let is_new = !taken.contains(&injected.id);
            let holds = match is_new {
                true => injected.fault.scope.is_everywhere() && injected.take(),
                false => injected.holds(),
            };
            holds.then_some((injected.id, fault, is_new))
        });
        concerned.collect()
    }

    /// Counts a strike that was taken before; one of a fault that is over does not count any more.
    pub(super) fn count_strike(&self, id: FaultId) {
        let state = self.state();
        if let Some(injected) = state.injected.iter().find(|injected| injected.id == id) {
            injected.struck.send_modify(|struck| *struck += 1);
        }
    }

    /// Another number than before whenever a fault was injected or is over; 0 until the first.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn changed(&self, state: &State) {
        self.count.store(state.injected.len(), Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The fault injected last, over or not.
    pub(crate) fn last(&self) -> FaultId {
        self.state().last
    }

    /// Tells of every fault that is injected and of every one that is over.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
