//! The live page of the example `monitoring` in Chromium, as a person sees it.

use std::path::PathBuf;

use eventhubs_interop::{App, Sdk, example, tool};
use serde_json::{Value, json};

/// What WCAG 2.2 asks of text, level AA.
const CONTRAST: f64 = 4.5;

#[tokio::test]
async fn the_page_moves_is_readable_light_and_dark_and_says_when_its_server_is_gone() {
    let Some(chromium) = tool("chromium").filter(|_| Sdk::Javascript.is_installed()) else {
        return;
    };
    let mut monitoring = App::start(example("monitoring").await);
    let host = loop {
        if let Some((_, host)) = monitoring.line().await.split_once("running at http://") {
            break host.trim_end_matches('/').to_owned();
        }
    };
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    std::fs::create_dir_all(&pictures).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/js/dashboard.js");
    let mut script = Sdk::Javascript.script(script);
    script
        .env("CHROMIUM", chromium)
        .env("DASHBOARD_URL", format!("http://{host}/"))
        .env("DASHBOARD_PICTURES", &pictures);
    let mut page = Page(App::start(script));

    let quiet = page.next("quiet").await;
    assert_eq!(quiet, json!(["eh1", "Live"]));
    let busy = page.next("busy").await;
    for figure in busy.as_array().unwrap() {
        assert!(
            !["", "–", "0"].contains(&figure.as_str().unwrap()),
            "{busy}"
        );
    }
    let labels = page.next("labels").await;
    let labels = labels.as_array().unwrap();
    assert_eq!(labels.len(), 5);
    assert!(
        labels
            .iter()
            .all(|label| !label.as_str().unwrap().is_empty())
    );

    let light = page.report().await;
    let dark = page.report().await;
    assert_eq!(
        (&light["scheme"], &dark["scheme"]),
        (&json!("light"), &json!("dark"))
    );
    assert_ne!(light["background"], dark["background"]);
    for look in [&light, &dark] {
        assert!(look["texts"].as_u64().unwrap() > 80, "{look}");
        assert!(
            look["worst"]["contrast"].as_f64().unwrap() >= CONTRAST,
            "{look}"
        );
        assert_eq!(look["overflows"], json!({ "400": 0, "1280": 0 }), "{look}");
    }
    assert_eq!(page.next("chosen").await, light["background"]);
    let met = page.report().await;
    assert_eq!(met, json!({ "errors": [], "hosts": [host] }));

    page.next("waits").await;
    drop(monitoring);
    let gone = page.next("gone").await;
    let sentence = gone[0].as_str().unwrap();
    assert!(
        sentence.starts_with("The server has not answered since "),
        "{sentence}"
    );
    assert_eq!(gone[1], "Server gone");
    for picture in ["dashboard-light.png", "dashboard-dark.png"] {
        let png = std::fs::read(pictures.join(picture)).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{picture}");
    }
}

/// What the script reports of the page.
struct Page(App);

impl Page {
    async fn report(&mut self) -> Value {
        let line = self.0.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// The next report, which is of this.
    async fn next(&mut self, what: &str) -> Value {
        let mut report = self.report().await;
        assert!(report.get(what).is_some(), "{what}: {report}");
        report[what].take()
    }
}
