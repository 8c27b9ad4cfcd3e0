//! Bars for those who watch: on stderr, and only where that is a terminal.
//!
//! Lines go to stdout as ever, so that output in a file or a pipe is lines only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, interval};

const REDRAW: Duration = Duration::from_millis(100);

/// Lets time pass behind a bar that says `now`.
pub(crate) async fn pass(time: Duration, now: impl Fn() -> String + Send + Sync) {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let bar = styled(whole, "  [{bar:24}] {msg}");
    let start = Instant::now();
    let mut redraw = interval(REDRAW);
    let drawing = async {
        loop {
            redraw.tick().await;
            bar.set_message(now());
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(whole));
        }
    };
    // It is the time that ends it.
    let _ = tokio::time::timeout(time, drawing).await;
    bar.finish_and_clear();
}

/// A bar of things to be done, to be counted up as they are.
pub(crate) fn steps(count: usize, what: &'static str) -> ProgressBar {
    let bar = styled(count as u64, "  [{bar:24}] {pos} of {len} {msg}");
    bar.with_message(what)
}

/// A sign of life, to be ticked while something is waited for.
pub(crate) fn waiting(what: &'static str) -> ProgressBar {
    styled(0, "  {spinner} waiting for {msg} ({elapsed})").with_message(what)
}

fn styled(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a template");
    ProgressBar::new(length).with_style(style.progress_chars("=> "))
}
