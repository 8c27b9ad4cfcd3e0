use std::env;
use std::path::PathBuf;

/// A program of the system that a test drives, looked up in `PATH`; where there is none, says so.
///
/// # Panics
///
/// Where there is none and `INTEROP=required`.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|directory| directory.join(name));
    let found = programs.find(|program| program.is_file());
    if found.is_none() {
        skip(&format!("{name} is missing: install Debian's package"));
    }
    found
}

/// Says why a test does nothing.
///
/// # Panics
///
/// With `INTEROP=required`.
pub(crate) fn skip(reason: &str) {
    let required = env::var("INTEROP").is_ok_and(|value| value == "required");
    assert!(!required, "{reason}");
    eprintln!("skipped: {reason}");
}
