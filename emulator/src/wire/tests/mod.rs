//! The engine as a bare peer sees it, frame by frame, on the paused clock.

mod connection;
mod expiry;
mod faults;
mod frame_sizes;
mod idle;
mod links;
mod nodes;
mod peer;
mod performatives;
mod strangers;
mod throughput;
