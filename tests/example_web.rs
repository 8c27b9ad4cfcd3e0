//! The examples' pages: what they do not do they say, and what they hold is bounded.
#![cfg(all(feature = "amqp", unix))]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/example.rs"]
mod example;

use std::io;

use directory::Directory;
use eventhubs_emulator::{Emulator, Fault};
use example::{Browser, Example};

/// Each example with pages, one of them, and its method.
const EXAMPLES: [(&str, &str, &str); 4] = [
    ("send", "/send", "GET"),
    ("receive", "/receive", "GET"),
    ("buffering", "/send", "GET"),
    ("pipeline", "/events", "POST"),
];

fn start(directory: &Directory, name: &str) -> Example {
    let directory = directory.path().to_str().unwrap();
    Example::start(name, &[("EMULATOR_PORT", "0"), ("TMPDIR", directory)])
}

/// The status, and the sentence.
fn asked(browser: &mut Browser, method: &str, path: &str, body: &str) -> (u16, String) {
    let answer = browser.request(method, path, "", body.as_bytes());
    let answer = answer.unwrap();
    (answer.status, answer.body)
}

#[test]
fn an_unknown_page_and_a_wrong_method_are_told_what_there_is() {
    let directory = Directory::new();
    for (name, page, method) in EXAMPLES {
        let mut example = start(&directory, name);
        let mut browser = example.connect();
        let there_is = format!("{method} {page}");
        for path in ["/", "/nowhere", &format!("{page}/more")] {
            let (status, sentence) = asked(&mut browser, "GET", path, "");
            assert_eq!(status, 404, "{name} {path}");
            assert!(sentence.starts_with("There is no such page: try "));
            assert!(sentence.contains(&there_is), "{name}: {sentence}");
        }
        let wrong = if method == "GET" { "POST" } else { "GET" };
        let answer = browser.request(wrong, page, "", b"").unwrap();
        assert_eq!(answer.status, 405, "{name}");
        let allowed = format!("allow: {}", method.to_lowercase());
        assert!(answer.head.contains(&allowed), "{name}: {answer:?}");
        let sentence = format!("This page does not take {wrong}: try {there_is}");
        assert!(answer.body.starts_with(&sentence), "{name}: {answer:?}");
        // The connection is still open, and idle.
        assert!(example.interrupt().success(), "{name}");
        example.wait_for("The emulator has stopped.", 1);
        assert_eq!(example.count("Error"), 0, "{name}");
    }
}

#[test]
fn a_query_that_makes_no_sense_is_refused() {
    let directory = Directory::new();
    let buffering = start(&directory, "buffering");
    let mut browser = buffering.connect();
    for (query, reason) in [("size=many", "invalid digit"), ("sice=1", "unknown field")] {
        let (status, sentence) = asked(&mut browser, "GET", &format!("/send?{query}"), "");
        assert_eq!(status, 400, "{sentence}");
        assert!(sentence.contains(reason), "{sentence}");
    }
    let pipeline = start(&directory, "pipeline");
    let mut browser = pipeline.connect();
    let long = format!("key={}", "k".repeat(129));
    for (query, reason) in [
        ("wait=perhaps", "`true` or `false`"),
        ("kee=1", "unknown field"),
        (&long, "a partition key of 129 characters exceeds 128"),
    ] {
        let (status, sentence) = asked(&mut browser, "POST", &format!("/events?{query}"), "on");
        assert_eq!(status, 400, "{sentence}");
        assert!(sentence.contains(reason), "{sentence}");
    }
}

#[test]
fn a_body_that_makes_no_sense_is_refused() {
    let directory = Directory::new();
    let pipeline = start(&directory, "pipeline");
    let mut browser = pipeline.connect();
    let json = "Content-Type: application/json\r\n";
    for (head, body, reason) in [
        ("", &b""[..], "the body is empty: send text or JSON"),
        ("", b"\xff\xfe", "the body is not text in UTF-8: "),
        (json, b"{\"a\": }", "the body is not JSON: expected value"),
    ] {
        let answer = browser.request("POST", "/events", head, body).unwrap();
        let expected = format!("Event not accepted: {reason}");
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.starts_with(&expected), "{answer:?}");
    }
    let answer = browser.request("POST", "/events?wait=true", json, b"{\"a\": 1}");
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn a_large_body_is_refused_before_it_is_sent_or_once_it_is_too_long() {
    let directory = Directory::new();
    let pipeline = start(&directory, "pipeline");
    let head = "POST /events HTTP/1.1\r\nHost: localhost\r\n";
    let expected = "Event not accepted: the body is larger than 1048576 bytes";

    let mut browser = pipeline.connect();
    let announced = format!("{head}Content-Length: 1048577\r\n\r\n");
    browser.write(announced.as_bytes()).unwrap();
    let answer = browser.answer().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (413, expected));

    let mut browser = pipeline.connect();
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n100001\r\n");
    browser.write(chunked.as_bytes()).unwrap();
    browser.write(&vec![b'x'; 0x10_0001]).unwrap();
    let answer = browser.answer().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (413, expected));

    // One that the web server takes, and no event hub.
    let (status, sentence) = asked(
        &mut pipeline.connect(),
        "POST",
        "/events",
        &"x".repeat(1_048_576),
    );
    assert_eq!(status, 413, "{sentence}");
    assert!(sentence.contains("exceed the limit of"), "{sentence}");
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let directory = Directory::new();
    let mut pipeline = start(&directory, "pipeline");
    let mut half_a_head = pipeline.connect();
    half_a_head.write(b"POST /events HTTP/1.1\r\nHo").unwrap();
    let silent = pipeline.connect();
    let mut half_a_body = pipeline.connect();
    let body = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf";
    half_a_body.write(body).unwrap();

    let answer = half_a_body.answer().unwrap();
    let expected = "Event not accepted: the body did not come within 5s";
    assert_eq!((answer.status, answer.body.as_str()), (408, expected));
    for mut connection in [half_a_head, silent] {
        let closed = connection.answer().unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::UnexpectedEof);
    }

    // Nor is one when it stops.
    let mut half_a_head = pipeline.connect();
    half_a_head.write(b"POST /events HTTP/1.1\r\nHo").unwrap();
    assert!(pipeline.interrupt().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_error_is_decides_the_status() {
    let emulator = Emulator::start().await.unwrap();
    let connection_string = emulator.connection_string_for("eh1");
    let settings = [("EVENTHUB_CONNECTION_STRING", connection_string.as_str())];
    let buffering = Example::start("buffering", &settings);
    let send = Example::start("send", &settings);
    let mut browser = buffering.connect();
    let (status, sentence) = asked(&mut browser, "GET", "/send?size=2000000", "");
    assert_eq!(status, 413, "{sentence}");
    assert!(sentence.starts_with("Event not added: "), "{sentence}");

    // The hub refuses us, for good.
    let refused = Fault::reject("amqp:not-allowed", "not today");
    let refused = emulator.faults().inject(refused);
    let answer = send.get("/send");
    assert!(answer.starts_with("502 Events not sent: "), "{answer}");
    drop(refused);

    emulator.stop().await;
    let answer = send.connect().request("GET", "/send", "", b"").unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
}
