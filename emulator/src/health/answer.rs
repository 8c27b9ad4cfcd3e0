//! What is answered to which request.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use tokio::sync::watch;

use crate::metrics;
use crate::service::Broker;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HEALTHY: &str = r#"{"status":"healthy","message":"Service is healthy."}"#;
const UNHEALTHY: &str =
    r#"{"status":"unhealthy","message":"Service not available. Please try after some time."}"#;

/// An emulator that is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    broker: Arc<Broker>,
    stopped: watch::Receiver<bool>,
}

impl Watched {
    pub(crate) fn new(broker: &Arc<Broker>, stopped: watch::Receiver<bool>) -> Self {
        Self {
            broker: Arc::clone(broker),
            stopped,
        }
    }

    fn is_serving(&self) -> bool {
        !*self.stopped.borrow()
    }
}

pub(super) fn answer(emulators: &[Watched], method: &Method, uri: &Uri) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n".into());
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match uri.path() {
        "/health" if emulators.iter().all(Watched::is_serving) => {
            respond(StatusCode::OK, JSON, HEALTHY.into())
        }
        "/health" => respond(StatusCode::SERVICE_UNAVAILABLE, JSON, UNHEALTHY.into()),
        "/metrics" => {
            let namespaces = emulators.iter().map(|emulator| &emulator.broker.namespace);
            let text = metrics::exposition(namespaces);
            respond(StatusCode::OK, metrics::CONTENT_TYPE, text)
        }
        _ => respond(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /health and /metrics\n".into(),
        ),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
