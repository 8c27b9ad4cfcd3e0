//! What only the program needs: its options, the official emulator's configuration file, signals.

mod arguments;
mod config_file;
mod signals;
mod start;
mod tls;

pub(crate) use arguments::Arguments;
pub(crate) use signals::Signals;
pub(crate) use start::Running;
