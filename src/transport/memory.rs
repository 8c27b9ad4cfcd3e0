//! The `memory` transport.
