use std::collections::HashMap;

use proptest::prelude::*;

use super::{Lanes, Ticket};

type Lane = Option<u8>;

fn started(lanes: &mut Lanes<u8, u32>) -> Vec<(Ticket, u32)> {
    std::iter::from_fn(|| lanes.start()).collect()
}

fn items(started: &[(Ticket, u32)]) -> Vec<u32> {
    started.iter().map(|(_, item)| *item).collect()
}

#[test]
fn items_of_one_lane_run_one_at_a_time_and_in_order() {
    let mut lanes = Lanes::new(4);
    for item in 0..3 {
        lanes.add(Some(1), item);
    }
    for item in 0..3 {
        let running = started(&mut lanes);
        assert_eq!(items(&running), [item]);
        assert_eq!(lanes.done(running[0].0), Some(item));
    }
    assert_eq!(lanes.held(), 0);
    assert!(lanes.lanes.is_empty(), "no lane is left behind");
}

#[test]
fn items_without_a_lane_run_beside_each_other_up_to_the_limit() {
    let mut lanes = Lanes::new(2);
    for item in 0..3 {
        lanes.add(None, item);
    }
    let running = started(&mut lanes);
    assert_eq!(items(&running), [0, 1]);
    lanes.done(running[1].0);
    assert_eq!(items(&started(&mut lanes)), [2]);
}

#[test]
fn the_oldest_that_may_run_goes_first() {
    let mut lanes = Lanes::new(1);
    lanes.add(Some(1), 0);
    lanes.add(Some(1), 1);
    lanes.add(None, 2);
    let first = started(&mut lanes);
    lanes.done(first[0].0);
    assert_eq!(items(&started(&mut lanes)), [1]);
}

#[test]
fn a_lane_whose_first_item_is_lost_goes_on_with_the_next() {
    let mut lanes = Lanes::new(1);
    lanes.add(None, 0);
    let first = started(&mut lanes);
    for item in 1..4 {
        lanes.add(Some(1), item);
    }
    assert_eq!(lanes.lose(|item| *item < 3), [1, 2]);
    lanes.done(first[0].0);
    assert_eq!(items(&started(&mut lanes)), [3]);
}

#[test]
fn what_runs_is_not_lost_and_keeps_its_lane() {
    let mut lanes = Lanes::new(2);
    lanes.add(Some(1), 0);
    lanes.add(Some(1), 1);
    let first = started(&mut lanes);
    assert_eq!(lanes.lose(|_| true), [1]);
    lanes.add(Some(1), 2);
    assert_eq!(started(&mut lanes), []);
    assert_eq!(lanes.done(first[0].0), Some(0));
    assert_eq!(items(&started(&mut lanes)), [2]);
}

#[test]
fn nothing_is_done_twice() {
    let mut lanes = Lanes::new(1);
    lanes.add(None, 0);
    let first = started(&mut lanes);
    assert_eq!(lanes.done(first[0].0), Some(0));
    assert_eq!(lanes.done(first[0].0), None);
}

#[derive(Debug, Clone)]
enum Step {
    Add(Lane),
    Start,
    /// Ends one of those that run.
    End(prop::sample::Index),
    /// Loses those that wait, by the remainder of their number.
    Lose(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::of(0u8..3).prop_map(Step::Add),
        4 => Just(Step::Start),
        3 => any::<prop::sample::Index>().prop_map(Step::End),
        1 => (0u32..3).prop_map(Step::Lose),
    ]
}

/// What must hold, kept in the plainest way.
#[derive(Default)]
struct Model {
    waiting: Vec<(u32, Lane)>,
    running: Vec<(Ticket, u32, Lane)>,
}

impl Model {
    fn next(&self, limit: usize) -> Option<(u32, Lane)> {
        let is_busy = |lane: Lane| {
            let mut running = self.running.iter();
            lane.is_some() && running.any(|(_, _, other)| *other == lane)
        };
        let mut waiting = self.waiting.iter();
        let next = waiting.find(|(_, lane)| !is_busy(*lane));
        next.copied().filter(|_| self.running.len() < limit)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_may_run_does_and_nobody_else(
        limit in 1usize..4,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut lanes = Lanes::new(limit);
        let mut model = Model::default();
        let mut ended: HashMap<u32, usize> = HashMap::new();
        let mut added = 0;
        for step in steps {
            match step {
                Step::Add(lane) => {
                    lanes.add(lane, added);
                    model.waiting.push((added, lane));
                    added += 1;
                }
                Step::Start => {
                    let (next, started) = (model.next(limit), lanes.start());
                    prop_assert_eq!(started.map(|(_, item)| item), next.map(|(item, _)| item));
                    if let (Some((ticket, _)), Some((item, lane))) = (started, next) {
                        model.waiting.retain(|(other, _)| *other != item);
                        model.running.push((ticket, item, lane));
                    }
                }
                Step::End(which) if !model.running.is_empty() => {
                    let which = which.index(model.running.len());
                    let (ticket, item, _) = model.running.swap_remove(which);
                    prop_assert_eq!(lanes.done(ticket), Some(item));
                    *ended.entry(item).or_default() += 1;
                }
                Step::End(_) => {}
                Step::Lose(rest) => {
                    let is_lost = |item: &u32| item % 3 == rest;
                    let lost: Vec<_> = model.waiting.extract_if(.., |(item, _)| is_lost(item)).collect();
                    let lost: Vec<_> = lost.into_iter().map(|(item, _)| item).collect();
                    prop_assert_eq!(lanes.lose(is_lost), lost);
                }
            }
            prop_assert_eq!(lanes.running(), model.running.len());
            prop_assert_eq!(lanes.waiting(), model.waiting.len());
        }
        prop_assert!(ended.values().all(|times| *times == 1));
    }
}
