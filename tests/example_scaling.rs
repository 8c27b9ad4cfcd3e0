//! The example `scaling`, run as a person runs it.
#![cfg(all(feature = "amqp", unix))]

#[path = "support/example.rs"]
mod example;

use eventhubs_emulator::Emulator;
use example::Example;

/// The numbers before the word that follows them.
fn numbers_before(line: &str, words: &[&str]) -> Vec<f64> {
    let number = |word: &&str| {
        let (before, _) = line.split_once(*word).unwrap();
        let number = before.rsplit(' ').next().unwrap();
        number.parse().unwrap()
    };
    words.iter().map(number).collect()
}

/// Events per partition.
fn spread(line: &str) -> Vec<f64> {
    let (_, spread) = line.split_once("by partition: ").unwrap();
    let events = |part: &str| part.split_once(": ").unwrap().1.parse().unwrap();
    spread.split(", ").map(events).collect()
}

#[test]
fn units_make_it_faster_partitions_are_found_while_it_runs_and_nothing_is_lost() {
    let mut scaling = Example::start("scaling", &[]);
    assert!(scaling.wait_for_exit().success());
    let lines = scaling.output();
    let measured: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("stored"))
        .map(|line| numbers_before(line, &[" events/s, read", " events/s, ", " batches"]))
        .collect();
    let [first, spread_out, too_early, last] = &measured[..] else {
        panic!("{lines:#?}");
    };
    assert!((800.0..1200.0).contains(&first[0]), "{lines:#?}");
    assert!((0.7..1.4).contains(&(spread_out[0] / first[0])));
    assert!(last[0] / first[0] >= 2.2, "{lines:#?}");
    assert!(too_early[2] > 0.0, "{lines:#?}");

    let spreads: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("by partition"))
        .map(|line| spread(line))
        .collect();
    assert_eq!(spreads[0].len(), 4);
    assert_eq!(spreads[3].len(), 8);
    assert!(spreads[3].iter().all(|events| *events > 0.0));

    scaling.wait_for("found them by themselves, within", 1);
    scaling.wait_for("of 48 devices moved to another partition", 1);
    scaling.wait_for("--partition-count 8", 1);
    scaling.wait_for("--capacity 3", 1);
    scaling.wait_for("cannot be undone", 1);
    scaling.wait_for("auto-inflate", 1);
    let balance = scaling.wait_for("events accepted", 1);
    let balance = numbers_before(&balance, &[" events accepted", " delivered", " read"]);
    assert!(balance[0] > 10_000.0, "{balance:?}");
    assert!(balance.iter().all(|events| *events == balance[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_yours_is_watched_until_it_has_more_partitions() {
    let emulator = Emulator::start().await.unwrap();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    let mut scaling = Example::start("scaling", &settings);
    scaling.wait_for("It is yours to scale", 1);
    scaling.wait_for("az eventhubs eventhub update", 1);
    scaling.wait_for("4 partitions: stored", 2);
    emulator.set_partition_count("eh1", 8).unwrap();
    scaling.wait_for("found more partitions by themselves.", 1);
    assert!(scaling.wait_for_exit().success());
    scaling.wait_for("by partition", 1);
    let balance = scaling.wait_for("events accepted", 1);
    let balance = numbers_before(&balance, &[" events accepted", " delivered", " read"]);
    assert!(balance.iter().all(|events| *events == balance[0]));
    assert_eq!(emulator.event_count("eh1") as f64, balance[0]);
}

#[test]
fn ctrl_c_in_the_middle_loses_nothing() {
    let mut scaling = Example::start("scaling", &[]);
    scaling.wait_for("events/s, read", 1);
    assert!(scaling.interrupt().success());
    let balance = scaling.wait_for("events accepted", 1);
    let balance = numbers_before(&balance, &[" events accepted", " delivered", " read"]);
    assert!(balance.iter().all(|events| *events == balance[0]));
}
