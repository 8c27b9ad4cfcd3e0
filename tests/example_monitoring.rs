//! The example `monitoring`, run as a person runs it: its page, its metrics, and what is
//! shipped beside it for Prometheus and Grafana.
#![cfg(all(feature = "amqp", unix))]

#[path = "support/example.rs"]
mod example;

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use eventhubs_flow::telemetry;
use example::{Answer, Example};
use serde_json::Value;
use tokio::time::Instant;

const ALERTS: &str = include_str!("../examples/monitoring/alerts.yml");
const ALERTS_TEST: &str = include_str!("../examples/monitoring/alerts_test.yml");
const GRAFANA: &str = include_str!("../examples/monitoring/grafana.json");
const TELEMETRY: &str = include_str!("../src/telemetry.rs");

/// Longer than anything here takes, so that what hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn start() -> Example {
    let example = Example::start("monitoring", &[]);
    example.wait_for("to see it live", 1);
    example
}

/// Asks until there is an answer.
fn until<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(100));
    }
}

fn body(example: &Example, path: &str) -> String {
    let answer = example.get(path);
    answer.strip_prefix("200 ").expect(&answer).to_owned()
}

fn ask(example: &Example, path: &str) -> Answer {
    example.connect().request("GET", path, "", b"").unwrap()
}

fn snapshot(example: &Example) -> Value {
    serde_json::from_str(&body(example, "/snapshot")).unwrap()
}

/// The sum of a metric's series that have this text among their labels; `None` if there
/// is none.
fn metric(exposed: &str, name: &str, label: &str) -> Option<f64> {
    let series = exposed.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let labels = series.strip_prefix(name)?;
        let of_name = labels.is_empty() || labels.starts_with('{');
        (of_name && labels.contains(label)).then(|| value.parse::<f64>().unwrap())
    });
    let series: Vec<_> = series.collect();
    (!series.is_empty()).then(|| series.iter().sum())
}

/// A name of ours as Prometheus has it, without what is appended.
fn sanitized(name: &str) -> String {
    name.replace('.', "_")
}

#[test]
fn the_page_and_its_files_take_nothing_from_other_hosts() {
    let example = start();
    let Answer { status, head, body } = ask(&example, "/");
    assert_eq!(status, 200, "{head}");
    let page = body;
    assert!(page.contains("<title>Event Hubs flow</title>"), "{page}");
    let policy = "content-security-policy: default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    assert!(head.lines().any(|line| line == policy), "{head}");
    let links = page.split(['"', '\'']).filter(|text| text.starts_with('/'));
    for link in links.filter(|link| !link.contains('?') && *link != "/rival") {
        assert!(example.get(link).starts_with("200 "), "{link}");
    }
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/snapshot", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let Answer { head, body, .. } = ask(&example, path);
        let kind = format!("content-type: {kind}");
        assert!(head.lines().any(|line| line == kind), "{path}: {head}");
        let foreign = body.matches("://").count();
        let names_of_svg = body.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(foreign, names_of_svg, "{path}");
    }
}

#[test]
fn metrics_are_in_the_format_of_prometheus_and_move() {
    let example = start();
    let delivered = |exposed: &str| {
        metric(exposed, "eventhubs_flow_outcomes_total", r#"="delivered""#).unwrap()
    };
    let first = body(&example, "/metrics");
    let second = until("events are delivered", || {
        let exposed = body(&example, "/metrics");
        let handled = metric(&exposed, "messaging_process_duration_seconds_count", "");
        let moved = delivered(&exposed) > delivered(&first) && handled > Some(0.0);
        moved.then_some(exposed)
    });
    for line in second.lines().filter(|line| !line.is_empty()) {
        if let Some(said) = line.strip_prefix("# ") {
            assert!(
                said.starts_with("TYPE ") || said.starts_with("HELP "),
                "{line}"
            );
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        let name = series.split('{').next().unwrap();
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.chars().all(of_name), "{line}");
        assert!(!series.contains('{') || series.ends_with('}'), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    // In buckets, which can be added up over programs; summaries cannot.
    assert!(!second.contains(" summary"), "{second}");
    for bucket in [
        r#"messaging_client_operation_duration_seconds_bucket{"#,
        r#"eventhubs_flow_batch_bytes_bucket{"#,
        r#",le="1048576"}"#,
        r#",le="30"}"#,
    ] {
        assert!(second.contains(bucket), "{bucket}: {second}");
    }
    assert_eq!(
        metric(&second, "eventhubs_flow_buffer_max_events", ""),
        Some(4000.0)
    );
}

#[test]
fn a_load_over_one_unit_is_throttled_and_fills_the_buffer() {
    let example = start();
    assert_eq!(
        example.get("/load?events_per_second=3000"),
        "200 3000 events per second are offered now."
    );
    until("attempts are throttled", || {
        let exposed = body(&example, "/metrics");
        let throttled = metric(&exposed, "eventhubs_flow_throttled_total", "");
        (throttled > Some(0.0)).then_some(())
    });
    let full = until("the buffer fills", || {
        let now = snapshot(&example);
        let buffer = &now["buffer"];
        (buffer["events"].as_u64()? > buffer["max_events"].as_u64()? * 8 / 10).then_some(now)
    });
    assert_eq!(full["load"]["events_per_second"], 3000);
    assert!(full["buffer"]["throttled"].as_u64() > Some(0), "{full}");
    assert!(full["load"]["latency_p99"].as_f64() > Some(0.0), "{full}");
    assert_eq!(full["buffer"]["lost"], 0, "{full}");
}

#[test]
fn slow_handlers_fall_behind_and_a_rival_takes_a_partition_for_a_while() {
    let example = start();
    let partitions = |now: &Value| now["consumer"]["partitions"].as_array().unwrap().clone();
    let reading = |partition: &Value| partition["state"] == "Reading";
    until("all partitions are read", || {
        let all = partitions(&snapshot(&example));
        (all.len() == 4 && all.iter().all(reading)).then_some(())
    });
    let taken = example.get("/rival");
    let sentence =
        "200 A rival took partition 0 at owner level 0; ours takes it back at a higher one.";
    assert_eq!(taken, sentence);
    let back = until("partition 0 is taken back", || {
        let first = partitions(&snapshot(&example)).swap_remove(0);
        (first["thefts"] == 1 && reading(&first)).then_some(first)
    });
    assert_eq!(
        (&back["owner_level"], &back["owner"]),
        (&1.into(), &"monitoring".into())
    );
    let exposed = body(&example, "/metrics");
    let of_partition_0 = r#"partition_id="0""#;
    let thefts = metric(
        &exposed,
        "eventhubs_flow_consumer_thefts_total",
        of_partition_0,
    );
    assert_eq!(thefts, Some(1.0));

    assert_eq!(
        example.get("/handlers?milliseconds=2000"),
        "200 A handler takes 2000 ms now."
    );
    until("the consumer falls behind", || {
        let exposed = body(&example, "/metrics");
        let lag = metric(&exposed, "eventhubs_flow_consumer_lag_events", "");
        (lag > Some(500.0)).then_some(())
    });
}

#[test]
fn what_cannot_be_is_answered_with_a_sentence() {
    let example = start();
    let load = "400 events_per_second must be a whole number from 0 to 5000.";
    let handlers = "400 milliseconds must be a whole number from 0 to 2000.";
    for (path, answer) in [
        ("/load", load),
        ("/load?events_per_second=", load),
        ("/load?events_per_second=many", load),
        ("/load?events_per_second=-1", load),
        ("/load?events_per_second=5001", load),
        ("/load?events_per_second=1&events_per_second=2", load),
        ("/handlers", handlers),
        ("/handlers?milliseconds=2001", handlers),
        ("/handlers?milliseconds=1.5", handlers),
        (
            "/nothing",
            "404 There is no such page: try GET /, /metrics, /snapshot, /load, /handlers or /rival.",
        ),
    ] {
        assert_eq!(example.get(path), answer, "{path}");
    }
    assert_eq!(snapshot(&example)["load"]["events_per_second"], 300);
}

#[test]
fn ctrl_c_delivers_what_is_buffered_and_writes_checkpoints() {
    let mut example = start();
    until("events are handled", || {
        let handled = snapshot(&example)["consumer"]["handled"].as_u64();
        (handled > Some(100)).then_some(())
    });
    assert!(example.interrupt().success());
    let line = example.wait_for("events delivered.", 1);
    let (delivered, accepted) = line.split_once(" of ").unwrap();
    assert_eq!(format!("{delivered} events delivered."), accepted);
    example.wait_for("events handled, checkpoints written.", 1);
    example.wait_for("The emulator has stopped.", 1);
    assert_eq!(example.count("rror"), 0, "{:?}", example.output());
}

#[test]
fn alerts_and_dashboard_use_metrics_and_labels_that_there_are() {
    let example = start();
    let exposed = until("handlers have ended", || {
        let exposed = body(&example, "/metrics");
        exposed
            .contains("messaging_process_duration_seconds")
            .then_some(exposed)
    });
    let typed = exposed
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut known: BTreeSet<String> = typed
        .flat_map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let suffixes: &[_] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
        })
        .collect();
    // The first one of these is told when it happens.
    known.insert(sanitized(telemetry::INTERRUPTIONS) + "_total");
    // Labels are of our own, too.
    let constants = TELEMETRY
        .lines()
        .filter(|line| line.starts_with("pub const "));
    let names = constants.filter_map(|line| line.split('"').nth(1));
    known.extend(names.map(sanitized));

    for (file, text) in [("alerts.yml", ALERTS), ("grafana.json", GRAFANA)] {
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c: char| !of_name(c));
        let ours = words
            .filter(|word| word.starts_with("eventhubs_flow_") || word.starts_with("messaging_"));
        let ours: BTreeSet<_> = ours.collect();
        assert!(ours.len() > 20, "{file}: {ours:?}");
        for name in ours {
            assert!(known.contains(name), "{file}: {name} is unknown");
        }
    }
}

#[test]
fn each_alert_is_tested_and_explained() {
    let readme = include_str!("../examples/monitoring/README.md");
    let alerts: Vec<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let tested = format!("alertname: {alert}\n");
        assert!(ALERTS_TEST.contains(&tested), "{alert} has no test");
        let row = format!("| `{alert}` |");
        assert!(readme.contains(&row), "{alert} is not in the table");
    }
}

#[test]
fn the_dashboard_takes_its_data_source_as_a_variable() {
    let dashboard: Value = serde_json::from_str(GRAFANA).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let drawn = panels.iter().filter(|panel| panel["type"] != "row");
    for panel in drawn {
        let title = &panel["title"];
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    let ids: BTreeSet<_> = panels.iter().map(|it| it["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let types: Vec<_> = variables
        .iter()
        .map(|it| (&it["name"], &it["type"]))
        .collect();
    assert_eq!(types[0], (&"datasource".into(), &"datasource".into()));
}
