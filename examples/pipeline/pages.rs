//! The pages: events in, counts and metrics out.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use eventhubs_flow::producer::buffered::BufferedProducer;
use eventhubs_flow::{EventData, PartitionKey};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use crate::common::{self, Refusal};
use crate::counts::{Counts, RUN};

/// How long a request waits for room in the buffer.
const ROOM: Duration = Duration::from_secs(1);
/// How long a request waits until its event is delivered.
const DELIVERY: Duration = Duration::from_secs(20);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// The format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the pages need.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) producer: BufferedProducer,
    pub(crate) counts: Arc<Counts>,
    pub(crate) metrics: PrometheusHandle,
}

pub(crate) fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/events", post(add))
        .route("/counts", get(counts))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

/// What a request may ask for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The event's partition key.
    key: Option<String>,
    /// Whether to answer when the event is delivered.
    #[serde(default)]
    wait: bool,
}

/// `POST /events`
async fn add(
    State(pages): State<Pages>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    request: Request,
) -> Result<(StatusCode, &'static str), Refusal> {
    let added = async {
        let event = event(&pages.counts, wanted.key, &headers, request).await?;
        if !wanted.wait {
            pages.producer.enqueue_timeout(event, ROOM).await?;
            return Ok((StatusCode::ACCEPTED, "Event accepted"));
        }
        let delivery = pages.producer.send_timeout(event, ROOM).await?;
        match timeout(DELIVERY, delivery).await {
            Ok(delivered) => {
                delivered?;
                Ok((StatusCode::OK, "Event delivered"))
            }
            Err(_) => Ok((StatusCode::ACCEPTED, "Event accepted, not delivered yet")),
        }
    };
    let refused = |refusal: Refusal| refusal.about("Event not accepted");
    added.await.map_err(refused)
}

/// The event that a request is about, if it makes sense.
async fn event(
    counts: &Counts,
    key: Option<String>,
    headers: &HeaderMap,
    request: Request,
) -> Result<EventData, Refusal> {
    let refuse = |sentence: String| Refusal::new(StatusCode::BAD_REQUEST, sentence);
    let body = common::body(request).await?;
    if body.is_empty() {
        return Err(refuse("the body is empty: send text or JSON".into()));
    }
    let stated = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let content_type = match stated.is_some_and(|stated| stated.starts_with(JSON)) {
        true => {
            serde_json::from_slice::<IgnoredAny>(&body)
                .map_err(|error| refuse(format!("the body is not JSON: {error}")))?;
            JSON
        }
        // Whatever a form or a shell calls it.
        false => {
            std::str::from_utf8(&body)
                .map_err(|error| refuse(format!("the body is not text in UTF-8: {error}")))?;
            TEXT
        }
    };
    let event = EventData::new(body)
        .with_content_type(content_type)
        .with_property(RUN, counts.run().clone());
    match key {
        None => Ok(event),
        Some(key) => {
            let key = PartitionKey::new(key).map_err(|error| refuse(error.to_string()))?;
            Ok(event.with_target(key))
        }
    }
}

/// `GET /counts`
async fn counts(State(pages): State<Pages>) -> Result<impl IntoResponse, Refusal> {
    match pages.counts.json() {
        Ok(json) => Ok(([(CONTENT_TYPE, JSON)], json)),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new(status, format!("no counts: {error}")))
        }
    }
}

/// `GET /metrics`
async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    ([(CONTENT_TYPE, EXPOSITION)], pages.metrics.render())
}
