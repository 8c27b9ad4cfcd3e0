//! The example `pipeline`, run as a person runs it.
#![cfg(all(feature = "amqp", unix))]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/example.rs"]
mod example;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use directory::Directory;
use eventhubs_emulator::{Emulator, Fault};
use example::{Browser, Example};
use serde_json::Value;

/// Starts the pipeline with an emulator of its own, and its checkpoints in a directory.
fn start(directory: &Directory) -> Example {
    start_with(directory, &[("EMULATOR_PORT", "0")])
}

fn start_with(directory: &Directory, settings: &[(&str, &str)]) -> Example {
    let mut all = vec![("TMPDIR", directory.path().to_str().unwrap())];
    all.extend(settings);
    let pipeline = Example::start("pipeline", &all);
    pipeline.wait_for("Post events to", 1);
    pipeline
}

fn post(browser: &mut Browser, path: &str, body: &str) -> (u16, String) {
    let answer = browser.request("POST", path, "", body.as_bytes()).unwrap();
    (answer.status, answer.body)
}

fn counts(pipeline: &Example) -> Value {
    let counts = pipeline.get("/counts");
    serde_json::from_str(counts.strip_prefix("200 ").unwrap()).unwrap()
}

/// What it said of all that was accepted, delivered and handled.
fn balance(pipeline: &Example) -> [usize; 3] {
    let line = pipeline.wait_for(" accepted, ", 1);
    let numbers: Vec<_> = line
        .split(", ")
        .map(|part| part.split_once(' ').unwrap().0.parse().unwrap())
        .collect();
    numbers.try_into().unwrap()
}

#[test]
fn ten_thousand_events_over_several_connections_are_counted_by_key_and_balanced() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 1250;
    let directory = Directory::new();
    let mut pipeline = start(&directory);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let mut browser = pipeline.connect();
            scope.spawn(move || {
                for number in 0..EACH {
                    let path = format!("/events?key=device{}", (connection + number) % 10);
                    let accepted = (202, "Event accepted".to_owned());
                    assert_eq!(post(&mut browser, &path, "on"), accepted);
                }
            });
        }
    });
    pipeline.wait_for("0 buffered, 10000 delivered, 10000 handled", 1);

    let counts = counts(&pipeline);
    assert_eq!(counts["handled"], 10_000);
    let by_key = counts["by_key"].as_object().unwrap();
    assert_eq!(by_key.len(), 10);
    assert!(by_key.values().all(|count| count == 1000), "{by_key:?}");
    let metrics = pipeline.get("/metrics");
    assert!(metrics.starts_with("200 "));
    assert!(
        metrics.contains("\npipeline_handled_events 10000\n"),
        "{metrics}"
    );
    let delivered = |line: &&str| {
        line.starts_with("eventhubs_flow_outcomes{") && line.contains("\"delivered\"")
    };
    let delivered = metrics.lines().find(delivered).unwrap();
    assert!(delivered.ends_with(" 10000"), "{delivered}");
    assert!(!metrics.contains("device1"), "a key is no label");

    assert!(pipeline.interrupt().success());
    assert_eq!(balance(&pipeline), [10_000; 3]);
    pipeline.wait_for("Balanced: accepted = delivered = handled.", 1);
}

/// Stops it while eight connections post, and balances what was answered 202.
fn stopped_under_load_by(signal: &str) {
    const CONNECTIONS: usize = 8;
    let directory = Directory::new();
    let mut pipeline = start(&directory);
    let accepted = Arc::new(AtomicUsize::new(0));
    let (enough, is_enough) = mpsc::sync_channel(1);
    let posting: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut browser = pipeline.connect();
            let (accepted, enough) = (Arc::clone(&accepted), enough.clone());
            thread::spawn(move || {
                // Until the connection is closed.
                while let Ok(answer) = browser.request("POST", "/events", "", b"on") {
                    match answer.status {
                        202 => {
                            if accepted.fetch_add(1, Ordering::SeqCst) == 2000 {
                                enough.send(()).unwrap();
                            }
                        }
                        503 => assert!(answer.head.contains("retry-after: 1"), "{answer:?}"),
                        _ => panic!("{answer:?}"),
                    }
                }
            })
        })
        .collect();
    is_enough.recv().unwrap();
    pipeline.signal(signal);
    posting.into_iter().for_each(|it| it.join().unwrap());
    assert!(pipeline.wait_for_exit().success());

    let answered = accepted.load(Ordering::SeqCst);
    let [accepted, delivered, handled] = balance(&pipeline);
    // An answer may not have got through; one for each connection.
    assert!((answered..=answered + CONNECTIONS).contains(&accepted));
    assert_eq!([delivered, handled], [accepted; 2]);
    pipeline.wait_for("Balanced: accepted = delivered = handled.", 1);
}

#[test]
fn ctrl_c_under_load_loses_nothing_that_was_accepted() {
    stopped_under_load_by("INT");
}

#[test]
fn sigterm_under_load_loses_nothing_that_was_accepted() {
    stopped_under_load_by("TERM");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_after_the_checkpoints() {
    let emulator = Emulator::start().await.unwrap();
    let directory = Directory::new();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    for events in [100, 10] {
        let mut pipeline = start_with(&directory, &settings);
        let mut browser = pipeline.connect();
        for _ in 0..events {
            assert_eq!(post(&mut browser, "/events?key=a", "on").0, 202);
        }
        pipeline.wait_for(&format!(" delivered, {events} handled"), 1);
        let counts = counts(&pipeline);
        assert_eq!(counts["of_others"], 0);
        assert_eq!(counts["by_key"]["a"], events);
        assert!(pipeline.interrupt().success());
        assert_eq!(balance(&pipeline), [events; 3]);
    }
    assert_eq!(emulator.event_count("eh1"), 110);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_handled_before_a_kill_is_handled_at_the_next_start() {
    let emulator = Emulator::start().await.unwrap();
    let directory = Directory::new();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    let mut pipeline = start_with(&directory, &settings);
    let mut browser = pipeline.connect();
    for _ in 0..100 {
        assert_eq!(post(&mut browser, "/events?wait=true&key=a", "on").0, 200);
    }
    pipeline.kill();

    // What was not in a checkpoint comes again, beside what is new.
    let mut pipeline = start_with(&directory, &settings);
    let mut browser = pipeline.connect();
    assert_eq!(post(&mut browser, "/events?wait=true&key=a", "on").0, 200);
    pipeline.wait_for(" delivered, 1 handled", 1);
    assert!(pipeline.interrupt().success());
    assert_eq!(balance(&pipeline), [1; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_is_answered_429_and_what_waits_is_delivered_while_it_stops() {
    let emulator = Emulator::start().await.unwrap();
    let directory = Directory::new();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    let mut pipeline = start_with(&directory, &settings);
    let busy = emulator.faults().inject(Fault::server_busy_for(1));

    // One that waits for its delivery, and then as many as there is room for.
    let mut waiting = pipeline.connect();
    let waiting = thread::spawn(move || post(&mut waiting, "/events?wait=true", "on"));
    pipeline.wait_for("1 buffered, 0 delivered, 0 handled", 1);
    let mut browser = pipeline.connect();
    let refused = loop {
        let answer = browser.request("POST", "/events", "", b"on").unwrap();
        if answer.status != 202 {
            break answer;
        }
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    let sentence = "Event not accepted: the buffer is full, ";
    assert!(refused.body.starts_with(sentence), "{refused:?}");

    pipeline.signal("TERM");
    pipeline.wait_for("Stopping: ", 1);
    drop(busy);
    assert_eq!(waiting.join().unwrap(), (200, "Event delivered".to_owned()));
    assert!(pipeline.wait_for_exit().success());
    assert_eq!(balance(&pipeline), [4000; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_waits_for_nothing() {
    let emulator = Emulator::start().await.unwrap();
    let directory = Directory::new();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    let mut pipeline = start_with(&directory, &settings);
    let _busy = emulator.faults().inject(Fault::server_busy());
    assert_eq!(post(&mut pipeline.connect(), "/events", "on").0, 202);
    pipeline.signal("INT");
    pipeline.wait_for("Stopping: ", 1);
    pipeline.signal("INT");
    assert_eq!(pipeline.wait_for_exit().code(), Some(1));
    pipeline.wait_for("Error: stopped before all that was accepted was handled", 1);
}

#[test]
fn an_emulator_that_was_joined_and_stops_ends_it_with_a_sentence() {
    let directory = Directory::new();
    let mut host = Example::start("send", &[("EMULATOR_PORT", "0")]);
    let port = host.port_after("Hosting an Event Hubs emulator on port ");
    let mut pipeline = start_with(&directory, &[("EMULATOR_PORT", &port)]);
    assert_eq!(host.get("/send"), "200 Events sent to Event Hub");
    assert_eq!(
        post(&mut pipeline.connect(), "/events?wait=true", "on").0,
        200
    );
    pipeline.wait_for("1 delivered, 1 handled", 1);
    host.kill();
    pipeline.wait_for("has stopped: the events it held are gone.", 1);
    assert_eq!(pipeline.wait_for_exit().code(), Some(1));
    assert_eq!(balance(&pipeline), [1; 3]);
    pipeline.wait_for("Error: its event hub is gone", 1);
}
