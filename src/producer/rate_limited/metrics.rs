//! What a limiter tells a metrics recorder: see [`crate::telemetry`].

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use super::snapshot::RateLimiterSnapshot;
use crate::shield::shielded;
use crate::telemetry as names;

pub(super) struct LimiterMetrics {
    events_rate: Gauge,
    bytes_rate: Gauge,
    event_tokens: Gauge,
    byte_tokens: Gauge,
    pub(super) wait: Histogram,
    throttled: Counter,
}

impl LimiterMetrics {
    pub(super) fn new(name: Arc<str>) -> Self {
        names::describe_limiter();
        let labels = || vec![Label::new(names::NAME, Arc::clone(&name))];
        Self {
            events_rate: gauge!(names::RATE_EVENTS, labels()),
            bytes_rate: gauge!(names::RATE_BYTES, labels()),
            event_tokens: gauge!(names::TOKENS_EVENTS, labels()),
            byte_tokens: gauge!(names::TOKENS_BYTES, labels()),
            wait: histogram!(names::RATE_WAIT, labels()),
            throttled: counter!(names::RATE_THROTTLED, labels()),
        }
    }

    /// Sets the gauges; one of a unit that is not limited stays as it was.
    pub(super) fn sample(&self, now: &RateLimiterSnapshot) {
        let values = [
            (&self.events_rate, now.current_limit.events_rate()),
            (&self.bytes_rate, now.current_limit.bytes_rate()),
            (&self.event_tokens, now.event_tokens),
            (&self.byte_tokens, now.byte_tokens),
        ];
        let limited = values.into_iter();
        let limited = limited.filter_map(|(gauge, value)| Some((gauge, value?)));
        shielded(|| limited.for_each(|(gauge, value)| gauge.set(value as f64)));
    }

    /// The service refused an attempt.
    pub(super) fn throttled(&self) {
        shielded(|| self.throttled.increment(1));
    }
}
