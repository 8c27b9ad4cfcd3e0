//! What the example `monitoring` ships for Prometheus, in Debian's Prometheus: its files are
//! valid, its dashboard's queries find something, and an alert fires and clears.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eventhubs_interop::{App, example, get, tool};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// As long as a full buffer takes to be sent under throttling, and then some.
const PATIENCE: Duration = Duration::from_secs(240);

fn shipped() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/monitoring"
    ))
}

#[tokio::test]
async fn promtool_passes_the_shipped_files_and_each_alert_fires_where_it_should() {
    let Some(promtool) = tool("promtool") else {
        return;
    };
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let mut command = Command::new(&promtool);
        let output = command.args(arguments).current_dir(shipped()).output();
        let output = output.await.unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        println!("promtool {}\n{said}", arguments.join(" "));
        assert!(output.status.success(), "{said}");
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[tokio::test]
async fn throttling_raises_an_alert_that_clears_when_the_load_is_lowered() {
    let Some(prometheus) = tool("prometheus") else {
        return;
    };
    let mut monitoring = App::start(example("monitoring").await);
    let port = loop {
        let line = monitoring.line().await;
        if let Some((_, port)) = line.split_once("running at http://localhost:") {
            break port.trim_end_matches('/').parse().unwrap();
        }
    };
    let mut prometheus = Prometheus::start(prometheus, port).await;
    prometheus.until_it_scrapes().await;
    assert_eq!(prometheus.alert("EventHubsThrottled").await, None);

    get(port, "/load?events_per_second=1500").await;
    let fired = prometheus
        .until_alert("EventHubsThrottled", |state| state == Some("firing"))
        .await;
    println!("fires: {}", fired.expect("it is firing"));
    prometheus.answers_the_dashboard().await;

    get(port, "/load?events_per_second=300").await;
    prometheus
        .until_alert("EventHubsThrottled", |state| state.is_none())
        .await;
    println!("cleared");
}

/// A running Prometheus, with the shipped files made quick: it scrapes and evaluates each second,
/// and looks back over half a minute.
struct Prometheus {
    port: u16,
    _app: App,
}

impl Prometheus {
    async fn start(program: PathBuf, scraped: u16) -> Self {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{scraped}"));
        std::fs::create_dir_all(&directory).unwrap();
        let quick = |file: &str, changes: &[(&str, &str)]| {
            let text = std::fs::read_to_string(shipped().join(file)).unwrap();
            let text = changes.iter().fold(text, |text, (from, to)| {
                assert!(text.contains(from), "{file}: {from}");
                text.replace(from, to)
            });
            std::fs::write(directory.join(file), text).unwrap();
        };
        let target = format!("localhost:{scraped}");
        quick(
            "prometheus.yml",
            &[
                ("interval: 5s", "interval: 1s"),
                ("localhost:3002", &target),
            ],
        );
        quick("alerts.yml", &[("[5m]", "[30s]"), ("for: 1m", "for: 2s")]);
        let mut command = Command::new(program);
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(&directory);
        let mut app = App::start(command);
        let mut port = None;
        loop {
            let line = app.error_line().await;
            if let Some((_, address)) = line.split_once(r#"msg="Listening on" address=127.0.0.1:"#)
            {
                port = address.parse().ok();
            }
            if line.contains("Server is ready to receive web requests") {
                break;
            }
        }
        let port = port.expect("it says where it listens before it is ready");
        Self { port, _app: app }
    }

    /// What its API answers.
    async fn ask(&self, path: &str) -> Value {
        let answer = get(self.port, &format!("/api/v1/{path}")).await;
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].take()
    }

    async fn until_it_scrapes(&self) {
        let start = Instant::now();
        loop {
            let targets = self.ask("targets").await;
            if targets["activeTargets"][0]["health"] == "up" {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{targets}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// An alert that is pending or firing.
    async fn alert(&self, name: &str) -> Option<Value> {
        let mut data = self.ask("alerts").await;
        let alerts = data["alerts"].as_array_mut().unwrap();
        alerts.retain(|alert| alert["labels"]["alertname"] == name);
        alerts.pop()
    }

    /// Waits until an alert's state is such a one, `None` where it is not raised.
    async fn until_alert(
        &mut self,
        name: &str,
        is: impl Fn(Option<&str>) -> bool,
    ) -> Option<Value> {
        let start = Instant::now();
        loop {
            let alert = self.alert(name).await;
            if is(alert.as_ref().and_then(|alert| alert["state"].as_str())) {
                return alert;
            }
            assert!(start.elapsed() < PATIENCE, "{name}: {alert:?}");
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Each query of the shipped dashboard finds something, but where nothing is wrong.
    async fn answers_the_dashboard(&self) {
        let dashboard = std::fs::read_to_string(shipped().join("grafana.json")).unwrap();
        let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let targets = panels.filter_map(|panel| panel["targets"].as_array());
        let queries = targets
            .flatten()
            .map(|target| target["expr"].as_str().unwrap());
        let mut asked = 0;
        for query in queries {
            let query = query
                .replace("$__rate_interval", "30s")
                .replace("$instance", ".*")
                .replace("$hub", ".*");
            let found = self.ask(&format!("query?query={}", encoded(&query))).await;
            let of_faults = query.contains(r#"error_type!=""#)
                || query.contains("error_type=~")
                || query.contains("interruptions");
            let results = found["result"].as_array().unwrap();
            assert!(of_faults || !results.is_empty(), "{query}");
            asked += 1;
        }
        println!("{asked} queries of the dashboard are answered");
    }
}

/// A text as a part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
