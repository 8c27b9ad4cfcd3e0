//! What the web server answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use eventhubs_flow::producer::ThrottleGate;
use eventhubs_flow::producer::rate_limited::RateLimiter;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;

use crate::common::Refusal;
use crate::consuming::{self, Seen};
use crate::load::{self, Load};
use crate::rival::Rival;
use crate::snapshot::Snapshot;

/// What the pages show and set.
pub(crate) struct App {
    pub(crate) exporter: PrometheusHandle,
    pub(crate) hub: String,
    pub(crate) load: Arc<Load>,
    pub(crate) limiter: RateLimiter,
    pub(crate) gate: ThrottleGate,
    pub(crate) rival: Rival,
    pub(crate) consuming: Seen,
}

/// The page takes its own files and snapshots from here, and nothing from anywhere else.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; \
                      style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What there is to ask for.
pub(crate) const THERE_IS: &str = "GET /, /metrics, /snapshot, /load, /handlers or /rival";

pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route(
            "/",
            page("text/html; charset=utf-8", include_str!("page.html")),
        )
        .route(
            "/page.css",
            page("text/css; charset=utf-8", include_str!("page.css")),
        )
        .route(
            "/page.js",
            page("text/javascript; charset=utf-8", include_str!("page.js")),
        )
        .route("/icon.svg", page("image/svg+xml", include_str!("icon.svg")))
        .route("/metrics", get(metrics))
        .route("/snapshot", get(snapshot))
        .route("/load", get(set_load))
        .route("/handlers", get(set_handlers))
        .route("/rival", get(rival))
        .with_state(Arc::new(app))
}

fn page(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<Arc<App>> {
    get(async move || answer(kind, text))
}

fn answer(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

/// `GET /metrics`
async fn metrics(State(app): State<Arc<App>>) -> Response {
    answer(PROMETHEUS, app.exporter.render())
}

/// `GET /snapshot`
async fn snapshot(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let now = Snapshot::of(&app.hub, &app.load, &app.limiter, &app.gate, &app.consuming);
    match serde_json::to_string(&now) {
        Ok(json) => Ok(answer("application/json", json)),
        Err(error) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
    }
}

#[derive(Deserialize)]
struct Wanted {
    events_per_second: u64,
}

/// `GET /load?events_per_second=N`
async fn set_load(
    State(app): State<Arc<App>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<String, Refusal> {
    let wanted = wanted.ok().map(|Query(wanted)| wanted.events_per_second);
    let events = within("events_per_second", wanted, load::MOST)?;
    app.load.set(events);
    Ok(format!("{events} events per second are offered now."))
}

#[derive(Deserialize)]
struct Pace {
    milliseconds: u64,
}

/// `GET /handlers?milliseconds=N`
async fn set_handlers(
    State(app): State<Arc<App>>,
    pace: Result<Query<Pace>, QueryRejection>,
) -> Result<String, Refusal> {
    let pace = pace.ok().map(|Query(pace)| pace.milliseconds);
    let milliseconds = within("milliseconds", pace, consuming::MOST)?;
    app.consuming.set_milliseconds(milliseconds);
    Ok(format!("A handler takes {milliseconds} ms now."))
}

/// `GET /rival`
async fn rival(State(app): State<Arc<App>>) -> Result<String, Refusal> {
    match app.rival.take().await {
        Ok(level) => Ok(format!(
            "A rival took partition 0 at owner level {level}; ours takes it back at a higher one."
        )),
        Err(error) => {
            let sentence = format!("The rival was not let in: {error}");
            Err(Refusal::for_now(sentence))
        }
    }
}

/// A number that was asked for, or what is wrong with it.
fn within(name: &str, number: Option<u64>, most: u64) -> Result<u64, Refusal> {
    number.filter(|number| *number <= most).ok_or_else(|| {
        let sentence = format!("{name} must be a whole number from 0 to {most}.");
        Refusal::new(StatusCode::BAD_REQUEST, sentence)
    })
}
