//! What is printed in the end.

use super::{Group, Measure};

pub(super) fn print(group: &Group) {
    let ours = group.ours;
    println!("\n{}; ratios: `{ours}` in times of each", group.title);
    println!(
        "{:<36} {:>10} {:>8} {:>9} {:>7} {:>7} {:>7}",
        "client", "events/s", "µs CPU", "emulator", "rate", "CPU", "rounds"
    );
    for contestant in &group.contestants {
        let beside = [contestant.name];
        println!(
            "{:<36} {:>10.0} {:>8.2} {:>9.2} {:>7.2} {:>7.2} {:>7}",
            contestant.name,
            1e6 / contestant.median(|round| round.wall),
            contestant.median(|round| round.cpu),
            contestant.median(|round| round.emulator),
            group.ratio(ours, &beside, Measure::Rate),
            group.ratio(ours, &beside, Measure::Cpu),
            contestant.rounds.iter().flatten().count(),
        );
    }
    for bar in &group.bars {
        let (ratio, met) = group.is_met(bar);
        let (what, sign) = match bar.measure {
            Measure::Rate => ("rate", ">="),
            Measure::Cpu => ("CPU per event", "<="),
        };
        println!(
            "{what} of `{}` in times of `{}`: {ratio:.2}, {sign} {:.2} {}",
            bar.of,
            bar.beside.join("` or `"),
            bar.bound,
            if met { "met" } else { "MISSED" }
        );
    }
    for contestant in &group.contestants {
        println!("`{}`: {}", contestant.name, contestant.options);
    }
}
