//! What is done without a gap: pure.

use std::collections::VecDeque;

use super::store::Checkpoint;

/// Takes events in the order they were yielded, hears in any order that they are
/// done, and tells the last one up to which all are.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    /// From the first event that is not done, in order.
    outstanding: VecDeque<Outstanding>,
    reached: Option<Checkpoint>,
}

#[derive(Debug)]
struct Outstanding {
    sequence_number: i64,
    done: bool,
    offset: Option<Box<str>>,
}

impl Watermark {
    /// An event was yielded, later in the partition than any before.
    pub(crate) fn yielded(&mut self, sequence_number: i64) {
        self.outstanding.push_back(Outstanding {
            sequence_number,
            done: false,
            offset: None,
        });
    }

    /// An event is done; tells by how many events the watermark rose. One that was
    /// not yielded, or was done before, changes nothing.
    pub(crate) fn ack(&mut self, sequence_number: i64, offset: &str) -> u64 {
        let found = self
            .outstanding
            .binary_search_by_key(&sequence_number, |event| event.sequence_number);
        let Ok(index) = found else { return 0 };
        let event = &mut self.outstanding[index];
        if !event.done {
            event.done = true;
            event.offset = Some(offset.into());
        }
        self.rise()
    }

    /// An event and all before it are done.
    pub(crate) fn ack_through(&mut self, sequence_number: i64, offset: &str) -> u64 {
        let before = |event: &&mut Outstanding| event.sequence_number < sequence_number;
        for event in self.outstanding.iter_mut().take_while(before) {
            event.done = true;
        }
        match self.ack(sequence_number, offset) {
            // An event that came before all that are outstanding, or was not yielded.
            0 => self.rise(),
            risen => risen,
        }
    }

    /// The last event up to which all are done.
    pub(crate) fn reached(&self) -> Option<&Checkpoint> {
        self.reached.as_ref()
    }

    /// The events from the first that is not done to the last that was yielded.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding.len() as u64
    }

    fn rise(&mut self) -> u64 {
        let mut risen = 0;
        while self.outstanding.front().is_some_and(|event| event.done)
            && let Some(event) = self.outstanding.pop_front()
        {
            self.reached = Some(Checkpoint {
                sequence_number: event.sequence_number,
                offset: event.offset.map(Into::into),
            });
            risen += 1;
        }
        risen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Watermark {
        let mut watermark = Watermark::default();
        for number in numbers {
            watermark.yielded(number);
        }
        watermark
    }

    fn reached(watermark: &Watermark) -> Option<(i64, Option<&str>)> {
        let reached = watermark.reached()?;
        Some((reached.sequence_number, reached.offset.as_deref()))
    }

    #[test]
    fn it_rises_only_over_what_is_done_without_a_gap() {
        let mut watermark = of([5, 6, 8, 9]);
        assert_eq!(watermark.ack(6, "b"), 0);
        assert_eq!(reached(&watermark), None);
        assert_eq!(watermark.ack(5, "a"), 2);
        assert_eq!(reached(&watermark), Some((6, Some("b"))));
        assert_eq!(watermark.ack(9, "d"), 0);
        assert_eq!(watermark.outstanding(), 2);
        assert_eq!(watermark.ack(8, "c"), 2);
        assert_eq!(reached(&watermark), Some((9, Some("d"))));
        assert_eq!(watermark.outstanding(), 0);
    }

    #[test]
    fn what_was_not_yielded_or_is_done_changes_nothing() {
        let mut watermark = of([1, 2]);
        assert_eq!(watermark.ack(1, "a"), 1);
        assert_eq!(watermark.ack(1, "x"), 0);
        assert_eq!(watermark.ack(7, "x"), 0);
        assert_eq!(watermark.ack_through(1, "x"), 0);
        assert_eq!(reached(&watermark), Some((1, Some("a"))));
        assert_eq!(watermark.outstanding(), 1);
    }

    #[test]
    fn an_event_done_twice_keeps_its_first_offset() {
        let mut watermark = of([1, 2]);
        watermark.ack(2, "b");
        watermark.ack(2, "x");
        watermark.ack(1, "a");
        assert_eq!(reached(&watermark), Some((2, Some("b"))));
    }

    #[test]
    fn acknowledging_through_an_event_covers_all_before_it() {
        let mut watermark = of([1, 2, 3, 4]);
        watermark.ack(4, "d");
        assert_eq!(watermark.ack_through(2, "b"), 2);
        assert_eq!(reached(&watermark), Some((2, Some("b"))));
        assert_eq!(watermark.ack_through(3, "c"), 2);
        assert_eq!(reached(&watermark), Some((4, Some("d"))));
    }

    #[test]
    fn acknowledging_through_what_was_not_yielded_covers_what_is_before_it() {
        let mut watermark = of([1, 3]);
        assert_eq!(watermark.ack_through(2, "x"), 1);
        assert_eq!(reached(&watermark).map(|(number, _)| number), Some(1));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_what_is_done(
            steps in prop::collection::vec((1_i64..4, 0_usize..40, any::<bool>()), 1..120),
        ) {
            let mut watermark = Watermark::default();
            let (mut yielded, mut last) = (Vec::new(), 0);
            let mut done = std::collections::BTreeSet::new();
            let mut passed = 0;
            for (gap, choice, through) in steps {
                last += gap;
                watermark.yielded(last);
                yielded.push(last);
                let chosen = yielded[choice % yielded.len()];
                let offset = chosen.to_string();
                passed += if through {
                    done.extend(yielded.iter().filter(|number| **number <= chosen));
                    watermark.ack_through(chosen, &offset)
                } else {
                    done.insert(chosen);
                    watermark.ack(chosen, &offset)
                };
                let expected: Vec<_> = yielded
                    .iter()
                    .take_while(|number| done.contains(number))
                    .collect();
                let found = watermark.reached().map(|reached| reached.sequence_number);
                prop_assert_eq!(found, expected.last().map(|number| **number));
                prop_assert_eq!(passed, expected.len() as u64);
                let outstanding = (yielded.len() - expected.len()) as u64;
                prop_assert_eq!(watermark.outstanding(), outstanding);
            }
        }
    }
}
