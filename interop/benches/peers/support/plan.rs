//! Which contests are held, and how often.

use super::contest::Round;
use super::{Emulator, Failure, Group, Load, client, emulator, table};

#[derive(Debug)]
pub(crate) struct Plan {
    rounds: usize,
    /// Words of which a contest's title must have each.
    words: Vec<String>,
}

impl Plan {
    /// `[--rounds N] [WORD..]`, and the `--bench` that cargo adds.
    ///
    /// # Errors
    /// For anything else.
    pub(crate) fn of(arguments: &[String]) -> Result<Self, Failure> {
        let mut plan = Self {
            rounds: 9,
            words: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--rounds" => {
                    let number = arguments.next().ok_or("--rounds takes a number")?;
                    plan.rounds = number.parse()?;
                }
                option if option.starts_with('-') => {
                    let usage = "[--rounds N] [WORD..], each word in a contest's title";
                    return Err(format!("unknown option {option}: it takes {usage}").into());
                }
                word => plan.words.push(word.to_owned()),
            }
        }
        Ok(plan)
    }

    /// Leaves the contests that are asked for.
    pub(crate) fn choose(&self, groups: &mut Vec<Group>) {
        groups.retain(|group| self.words.iter().all(|word| group.title.contains(word)));
    }

    /// Holds the contests, and prints what came of them.
    ///
    /// # Errors
    /// If the emulator fails; a client that fails is left out of the round.
    pub(crate) fn run(&self, emulator: &mut Emulator, groups: &mut [Group]) -> Result<(), Failure> {
        for number in 0..=self.rounds {
            for group in &mut *groups {
                eprintln!("{}: round {number} of {}", group.title, self.rounds);
                round(emulator, group, number)?;
                if number == 0 {
                    for contestant in &mut group.contestants {
                        if group.sends {
                            contestant.fit();
                        }
                        contestant.rounds.clear();
                    }
                }
            }
        }
        for group in groups {
            table::print(group);
        }
        Ok(())
    }
}

/// Lets each client run once.
fn round(emulator: &mut Emulator, group: &mut Group, number: usize) -> Result<(), Failure> {
    let clients = group.contestants.len();
    for turn in 0..clients {
        let contestant = &mut group.contestants[(turn + number) % clients];
        let load = Load {
            port: emulator.port(),
            hub: emulator::hub(group.bytes),
            bytes: group.bytes,
            events: contestant.events,
            delay: group.delay,
        };
        let before = emulator.done()?;
        let result = client::start(contestant.name, &load, emulator);
        let after = emulator.done()?;
        let stored = after.stored - before.stored;
        contestant.rounds.push(match result {
            Ok(usage) if group.sends && stored != usage.events + usage.warm_up => {
                eprintln!("'{}': {stored} events are stored", contestant.name);
                None
            }
            Ok(usage) => Some(Round::new(usage, after.cpu - before.cpu)),
            Err(error) => {
                eprintln!("{error}");
                None
            }
        });
    }
    Ok(())
}
