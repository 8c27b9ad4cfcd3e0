//! Who may run next: the pure core, without handlers and without time.
//!
//! Items of one lane run one at a time and in order, items without a lane beside
//! all others, and never more than a limit at once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

#[cfg(test)]
mod tests;

/// An item's place in the order of arrival.
pub(super) type Ticket = u64;

/// What is held: `K` names a lane, `T` is an item.
#[derive(Debug)]
pub(super) struct Lanes<K, T> {
    limit: usize,
    next: Ticket,
    waiting: HashMap<Ticket, Held<K, T>>,
    running: HashMap<Ticket, Held<K, T>>,
    /// Those among the waiting that wait for nothing but a free place.
    ready: BTreeSet<Ticket>,
    lanes: HashMap<K, Lane>,
}

#[derive(Debug)]
struct Held<K, T> {
    lane: Option<K>,
    item: T,
}

/// A lane that holds something.
#[derive(Debug)]
struct Lane {
    /// The one whose turn it is: it runs, or is ready to.
    first: Ticket,
    behind: VecDeque<Ticket>,
}

impl<K: Clone + Eq + Hash, T: Clone> Lanes<K, T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            next: 0,
            waiting: HashMap::new(),
            running: HashMap::new(),
            ready: BTreeSet::new(),
            lanes: HashMap::new(),
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn held(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        let held = self.running.values().chain(self.waiting.values());
        held.map(|held| &held.item)
    }

    /// Lets an item wait for its turn.
    pub(super) fn add(&mut self, lane: Option<K>, item: T) {
        let ticket = self.next;
        self.next += 1;
        match lane.as_ref().and_then(|lane| self.lanes.get_mut(lane)) {
            Some(busy) => busy.behind.push_back(ticket),
            None => {
                if let Some(lane) = &lane {
                    self.lanes.insert(lane.clone(), Lane::of(ticket));
                }
                self.ready.insert(ticket);
            }
        }
        self.waiting.insert(ticket, Held { lane, item });
    }

    /// The oldest item that may run now: it does from here on.
    ///
    /// The oldest one, since a checkpoint moves no further than that.
    pub(super) fn start(&mut self) -> Option<(Ticket, T)> {
        if self.running.len() >= self.limit {
            return None;
        }
        let ticket = self.ready.pop_first()?;
        let held = self.waiting.remove(&ticket)?;
        let item = held.item.clone();
        self.running.insert(ticket, held);
        Some((ticket, item))
    }

    /// An item ran to its end: the next one of its lane has its turn.
    pub(super) fn done(&mut self, ticket: Ticket) -> Option<T> {
        let Held { lane, item } = self.running.remove(&ticket)?;
        if let Some(name) = lane
            && let Some(lane) = self.lanes.get_mut(&name)
            && !lane.advance(&mut self.ready)
        {
            self.lanes.remove(&name);
        }
        Some(item)
    }

    /// Takes out what waits and is lost. What runs stays, and its lane with it.
    pub(super) fn lose(&mut self, is_lost: impl Fn(&T) -> bool) -> Vec<T> {
        let lost = self.waiting.extract_if(|_, held| is_lost(&held.item));
        let mut lost: Vec<_> = lost.collect();
        if lost.is_empty() {
            return Vec::new();
        }
        let (waiting, running) = (&self.waiting, &self.running);
        self.ready.retain(|ticket| waiting.contains_key(ticket));
        let ready = &mut self.ready;
        self.lanes.retain(|_, lane| {
            lane.behind.retain(|ticket| waiting.contains_key(ticket));
            let has_first = waiting.contains_key(&lane.first) || running.contains_key(&lane.first);
            has_first || lane.advance(ready)
        });
        lost.sort_unstable_by_key(|(ticket, _)| *ticket);
        lost.into_iter().map(|(_, held)| held.item).collect()
    }

    /// Takes out everything, in the order of arrival.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.ready.clear();
        self.lanes.clear();
        let mut all: Vec<_> = self.running.drain().chain(self.waiting.drain()).collect();
        all.sort_unstable_by_key(|(ticket, _)| *ticket);
        all.into_iter().map(|(_, held)| held.item).collect()
    }
}

impl Lane {
    fn of(first: Ticket) -> Self {
        Self {
            first,
            behind: VecDeque::new(),
        }
    }

    /// Gives the next one its turn; `false` if there is none.
    fn advance(&mut self, ready: &mut BTreeSet<Ticket>) -> bool {
        let Some(next) = self.behind.pop_front() else {
            return false;
        };
        self.first = next;
        ready.insert(next)
    }
}
