//! The examples, run as a person runs them.
#![cfg(all(feature = "amqp", unix))]

#[path = "support/example.rs"]
mod example;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use eventhubs_emulator::Emulator;
use example::Example;

const SENT: &str = "200 Events sent to Event Hub";
const RECEIVING: &str = "200 Receiving events from Event Hub";

#[test]
fn receive_joins_what_send_hosts_and_goes_on_when_it_stops() {
    let mut send = Example::start("send", &[("EMULATOR_PORT", "0")]);
    let port = send.port_after("Hosting an Event Hubs emulator on port ");
    send.wait_for("Server running at http://localhost:", 1);
    send.wait_for("/send to send two events", 1);
    assert_eq!(send.get("/send"), SENT);

    let receive = Example::start("receive", &[("EMULATOR_PORT", &port)]);
    receive.wait_for(&format!("Joined the Event Hubs emulator on port {port}"), 1);
    receive.wait_for("/receive to start to receive", 1);
    assert_eq!(receive.get("/receive"), RECEIVING);
    receive.wait_for("from the earliest event on", 1);
    receive.wait_for("Received event: First event", 1);
    receive.wait_for("Received event: Second event", 1);

    assert!(send.interrupt().success());
    send.wait_for("2 of 2 events delivered.", 1);
    send.wait_for("The emulator has stopped.", 1);
    receive.wait_for("has stopped: the events it held are gone.", 1);
    receive.wait_for("Hosting an Event Hubs emulator on port ", 1);

    // It reads on by itself, from the new emulator's earliest event.
    let send = Example::start("send", &[("EMULATOR_PORT", &port)]);
    send.wait_for(&format!("Joined the Event Hubs emulator on port {port}"), 1);
    assert_eq!(send.get("/send"), SENT);
    receive.wait_for("Received event: First event", 2);
    receive.wait_for("Received event: Second event", 2);
}

#[test]
fn send_joins_what_receive_hosts_and_goes_on_when_it_is_killed() {
    let mut receive = Example::start("receive", &[("EMULATOR_PORT", "0")]);
    let port = receive.port_after("Hosting an Event Hubs emulator on port ");
    let send = Example::start("send", &[("EMULATOR_PORT", &port)]);
    send.wait_for(&format!("Joined the Event Hubs emulator on port {port}"), 1);
    assert_eq!(receive.get("/receive"), RECEIVING);
    assert_eq!(send.get("/send"), SENT);
    receive.wait_for("Received event: First event", 1);
    receive.wait_for("Received event: Second event", 1);

    receive.kill();
    send.wait_for("has stopped: the events it held are gone.", 1);
    send.wait_for(&format!("Hosting an Event Hubs emulator on port {port}"), 1);
    assert_eq!(send.get("/send"), SENT);
}

#[test]
fn a_second_request_starts_no_second_reader() {
    let mut send = Example::start("send", &[("EMULATOR_PORT", "0")]);
    let port = send.port_after("Hosting an Event Hubs emulator on port ");
    let mut receive = Example::start("receive", &[("EMULATOR_PORT", &port)]);
    for round in 1..=3 {
        assert_eq!(receive.get("/receive"), RECEIVING);
        assert_eq!(send.get("/send"), SENT);
        receive.wait_for("Received event: First event", round);
        receive.wait_for("Received event: Second event", round);
    }
    assert!(receive.interrupt().success());
    // All it ever printed: each event once, and no error of a reader that was displaced.
    assert_eq!(receive.count("Received event: First event"), 3);
    assert_eq!(receive.count("Received event: Second event"), 3);
    assert_eq!(receive.count("from the earliest event on"), 1);
    assert_eq!(receive.count("Error"), 0);
    assert!(send.interrupt().success());
}

#[test]
fn a_reader_that_was_displaced_says_so_and_starts_again_when_asked() {
    let send = Example::start("send", &[("EMULATOR_PORT", "0")]);
    let port = send.port_after("Hosting an Event Hubs emulator on port ");
    let first = Example::start("receive", &[("EMULATOR_PORT", &port)]);
    assert_eq!(first.get("/receive"), RECEIVING);
    assert_eq!(send.get("/send"), SENT);
    first.wait_for("Received event: Second event", 1);

    let second = Example::start("receive", &[("EMULATOR_PORT", &port)]);
    assert_eq!(second.get("/receive"), RECEIVING);
    second.wait_for("Received event: Second event", 1);
    first.wait_for("New receiver ", 4);
    first.wait_for("Nothing is read any more", 1);

    assert_eq!(first.get("/receive"), RECEIVING);
    first.wait_for("Received event: Second event", 2);
    second.wait_for("Nothing is read any more", 1);
}

#[test]
fn readers_in_two_consumer_groups_read_everything_and_disturb_nobody() {
    let mut send = Example::start("send", &[("EMULATOR_PORT", "0")]);
    let port = send.port_after("Hosting an Event Hubs emulator on port ");
    let groups = ["", "cg1"];
    let readers = groups.map(|group| {
        let settings = [
            ("EMULATOR_PORT", port.as_str()),
            ("EVENTHUB_CONSUMER_GROUP", group),
        ];
        Example::start("receive", &settings)
    });
    for (reader, group) in readers.iter().zip(["$Default", "cg1"]) {
        assert_eq!(reader.get("/receive"), RECEIVING);
        reader.wait_for(&format!("in '{group}' from the earliest event on"), 1);
    }
    assert_eq!(send.get("/send"), SENT);
    for reader in &readers {
        reader.wait_for("Received event: First event", 1);
        reader.wait_for("Received event: Second event", 1);
        assert_eq!(reader.count("Error"), 0);
    }
    assert!(send.interrupt().success());
}

#[test]
fn a_foreign_server_on_the_emulators_port_is_named_and_not_joined() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // It answers before anything was asked, as good as any other way.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
    });
    for name in ["send", "receive"] {
        let mut example = Example::start(name, &[("EMULATOR_PORT", &port)]);
        assert_eq!(example.wait_for_exit().code(), Some(1), "{name}");
        let said = example.output();
        let [sentence] = &said[..] else {
            panic!("{name}: {said:?}");
        };
        assert!(sentence.contains(&port), "{name}: {sentence}");
        assert!(sentence.contains("an HTTP server"), "{name}: {sentence}");
    }
}

#[test]
fn a_taken_web_port_is_said_in_one_sentence_with_exit_code_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for name in ["send", "receive"] {
        let settings = [("PORT", port.as_str()), ("EMULATOR_PORT", "0")];
        let mut example = Example::start(name, &settings);
        assert_eq!(example.wait_for_exit().code(), Some(1), "{name}");
        let expected = format!(
            "Error: port {port} is taken by another program: stop it, or set PORT to another port"
        );
        assert_eq!(example.output(), [expected], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_string_names_the_hub_and_what_fails_is_answered_with_a_sentence() {
    let emulator = Emulator::start().await.unwrap();
    let settings = [
        ("EVENTHUB_CONNECTION_STRING", emulator.connection_string()),
        ("EVENTHUB_NAME", "eh1".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let send = Example::start("send", &settings);
    send.wait_for("Connected to the event hub 'eh1'.", 1);
    assert_eq!(send.get("/send"), SENT);
    assert_eq!(emulator.event_count("eh1"), 2);

    emulator.stop().await;
    let answer = send.get("/send");
    assert!(answer.starts_with("503 Events not sent: "), "{answer}");
}

#[test]
fn throttling_shows_that_a_delay_after_each_send_limits_nothing_and_a_token_bucket_does() {
    let mut throttling = Example::start("throttling", &[]);
    assert!(throttling.wait_for_exit().success());
    throttling.wait_for("40 requests at once send 100 events each.", 1);
    // The unit's burst, and what comes in while the others arrive.
    let stored = throttling.port_after("  ");
    assert!((1000..2000).contains(&stored.parse().unwrap()), "{stored}");
    throttling.wait_for("The service says: ", 1);
    throttling.wait_for("Please wait 4 seconds", 1);
    // 500 at once, 3500 at 1000 a second.
    throttling.wait_for("  4000 events stored in 3", 1);
    throttling.wait_for(", 0 refused.", 1);
}

#[test]
fn adaptive_shows_a_rate_that_gives_way_and_comes_back() {
    let mut adaptive = Example::start("adaptive", &[]);
    assert!(adaptive.wait_for_exit().success());
    adaptive.wait_for("Another writer takes 600 events/s, 400 are left.", 1);
    adaptive.wait_for("batches throttled", 1);
    adaptive.wait_for("Another writer takes 200 events/s, 800 are left.", 1);
    let lines = adaptive.output();
    let rates: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("rate "))
        .map(|line| line.split_once("/s").unwrap().0.trim().parse().unwrap())
        .collect();
    let [first, second] = [&rates[..15], &rates[15..]];
    let lowest = *first.iter().min().unwrap();
    assert!((100..=500).contains(&lowest), "{rates:?}");
    assert!(*second.iter().max().unwrap() > lowest, "{rates:?}");
}

#[test]
fn partition_keys_shows_that_each_device_has_one_partition() {
    let mut example = Example::start("partition_keys", &[("EMULATOR_PORT", "0")]);
    example.wait_for(
        "Every device has one partition, and its events are in the order sent.",
        1,
    );
    example.wait_for("nobody promises an order", 1);
    assert!(example.wait_for_exit().success());
    let spread = example.output();
    let keyed = spread.iter().filter(|line| line.contains("device3: 25"));
    assert_eq!(keyed.count(), 1, "{spread:#?}");
}

#[test]
fn buffering_sends_what_the_page_added_and_says_why_it_does_not_add_an_event() {
    let mut example = Example::start("buffering", &[("EMULATOR_PORT", "0")]);
    example.wait_for("/send to add an event", 1);
    for _ in 0..250 {
        assert_eq!(example.get("/send"), "200 Event added to buffer");
    }
    let refused = example.get("/send?size=2000000");
    assert!(refused.starts_with("413 Event not added: "), "{refused}");
    assert!(example.interrupt().success());
    example.wait_for("250 of 250 events delivered.", 1);
}

#[test]
fn epoch_conflict_meets_the_error_word_for_word_explains_it_and_solves_it_three_times() {
    let mut conflict = Example::start("epoch_conflict", &[("EMULATOR_PORT", "0")]);
    assert!(conflict.wait_for_exit().success());
    conflict.wait_for("At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.", 1);
    conflict.wait_for("tutorial: partition 0 is held by a receiver with an owner level, at level 0; owner level 0 or higher would win it", 1);
    conflict.wait_for("newest reads \"First event\"", 1);
    conflict.wait_for("processor: partition 0 was taken by receiver 'newest'", 1);
    conflict.wait_for("patient is Waiting", 1);
    conflict.wait_for("patient reads \"First event\"", 1);
    conflict.wait_for("risen went from level 0 to level 4.", 1);
}

#[test]
fn fencing_shows_a_zombie_whose_late_writes_are_refused() {
    let mut fencing = Example::start("fencing", &[]);
    assert!(fencing.wait_for_exit().success());
    fencing.wait_for("The first owner has generation 1 and handled 10 events", 1);
    fencing.wait_for("  it has generation 2.", 1);
    fencing.wait_for("checkpoint refused: ", 1);
    fencing.wait_for("lost: partition 0 was taken by receiver 'second'", 1);
    fencing.wait_for("nothing more is yielded", 1);
    fencing.wait_for("Its late side effects: 1 refused, 0 taken.", 1);
}

#[test]
fn processor_moves_partitions_between_terminals() {
    let mut first = Example::start("processor", &[("EMULATOR_PORT", "0")]);
    let port = first.port_after("Hosting an Event Hubs emulator on port ");
    first.wait_for("0: ME | 1: ME | 2: ME | 3: ME", 1);
    let mut second = Example::start("processor", &[("EMULATOR_PORT", &port)]);
    second.wait_for("Joined the Event Hubs emulator", 1);
    // Two each, whichever they are.
    first.wait_for("2 lost)", 1);
    second.wait_for("0 claimed, 2 taken from others, 0 lost)", 1);
    assert!(second.interrupt().success());
    second.wait_for("Handed over. Handled ", 1);
    first.wait_for("0: ME | 1: ME | 2: ME | 3: ME", 2);

    // One that is killed is waited for until it has expired.
    let mut third = Example::start("processor", &[("EMULATOR_PORT", &port)]);
    third.wait_for("2 taken from others", 1);
    third.kill();
    first.wait_for("0: ME | 1: ME | 2: ME | 3: ME", 3);
    assert!(first.interrupt().success());
    first.wait_for("Handed over. Handled ", 1);
}
