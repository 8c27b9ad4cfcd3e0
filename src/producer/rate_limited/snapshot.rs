//! What a limiter lets pass now, for programs without a metrics stack.

use super::limit::RateLimit;

/// What a [`RateLimiter`](super::RateLimiter) holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimiterSnapshot {
    /// The limit in force: lower than what was set while an adaptive limiter
    /// gives way.
    pub current_limit: RateLimit,
    /// Whole events that may pass at once; `None` if events are not limited.
    pub event_tokens: Option<u64>,
    /// Whole bytes that may pass at once; `None` if bytes are not limited.
    pub byte_tokens: Option<u64>,
    /// Those who wait for their turn or for tokens.
    pub waiting: usize,
    /// Refusals of the service that the limiter was told of, since it was made.
    pub throttled: u64,
}
