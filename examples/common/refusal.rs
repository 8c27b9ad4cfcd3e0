//! What a page answers instead of what was asked for: a status and a sentence.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use eventhubs_flow::producer::buffered::Undelivered;
use eventhubs_flow::{Error, ErrorKind, SendError};

/// When to come back where nobody knows.
const SOON: Duration = Duration::from_secs(1);

/// Why a page does not do what was asked.
pub(crate) struct Refusal {
    status: StatusCode,
    sentence: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            retry_after: None,
        }
    }

    /// What cannot be done now, and can be soon.
    pub(crate) fn for_now(sentence: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence);
        refusal.with_retry_after(SOON)
    }

    /// The same, said to be about this.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.sentence = format!("{what}: {}", self.sentence);
        self
    }

    fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    fn of(error: &Error) -> Self {
        let status = match error.kind() {
            ErrorKind::TooLarge { .. } | ErrorKind::CostExceedsBurst { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            ErrorKind::InvalidPartition => StatusCode::BAD_REQUEST,
            ErrorKind::BufferFull => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Throttled { .. }
            | ErrorKind::Disconnected
            | ErrorKind::Timeout
            | ErrorKind::NotAcknowledged
            | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
            // The hub refuses us, not whoever asks.
            _ => StatusCode::BAD_GATEWAY,
        };
        let refusal = Self::new(status, error.to_string());
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                refusal.with_retry_after(error.retry_after().unwrap_or(SOON))
            }
            _ => refusal,
        }
    }
}

/// An event that the buffer did not accept.
impl From<SendError> for Refusal {
    fn from(refused: SendError) -> Self {
        match refused.error.kind() {
            // No room in time is a full buffer to those who wait, too.
            ErrorKind::Timeout => {
                let sentence = format!("the buffer is full, {}", refused.error);
                Self::new(StatusCode::TOO_MANY_REQUESTS, sentence).with_retry_after(SOON)
            }
            _ => Self::of(&refused.error),
        }
    }
}

/// An event that was accepted and not delivered.
impl From<Undelivered> for Refusal {
    fn from(undelivered: Undelivered) -> Self {
        Self::of(&undelivered.error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, self.sentence).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil() as u64;
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}
