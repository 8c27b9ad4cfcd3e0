//! `GET /health`, as the official emulator answers it, and `GET /metrics` for Prometheus: over HTTP, on this machine
//! only.
//!
//! The endpoint answers one request per connection, and lets nobody take long about it. Bodies and status codes of
//! `/health` are those of the official emulator's specification; its content type is not specified there, ours is
//! `application/json`.

mod answer;
mod endpoint;

pub(crate) use answer::Watched;
pub use endpoint::HealthEndpoint;
