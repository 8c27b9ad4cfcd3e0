//! Running all checks.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::verdict::{Report, Verdict};

/// The longest that a check may take: one that hangs is named, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lists checks of what a harness makes, by their modules.
macro_rules! checks {
    ($harness:path: $($topic:ident: $($check:ident),+;)+) => {
        struct Check {
            name: &'static str,
            run: for<'a> fn(&'a dyn $harness) -> futures::future::BoxFuture<'a, Verdict>,
        }

        const CHECKS: &[Check] = &[$($(Check {
            name: concat!(stringify!($topic), "::", stringify!($check)),
            run: |harness| Box::pin($topic::$check(harness)),
        },)+)+];
    };
}
pub(crate) use checks;

/// Asserts that an error is of a kind.
macro_rules! assert_kind {
    ($error:expr, $pattern:pat) => {{
        let error: &$crate::Error = &$error;
        assert!(
            matches!(error.kind(), $pattern),
            "expected {}, got {error:?}",
            stringify!($pattern)
        );
    }};
}
pub(crate) use assert_kind;

/// The longest that a check may take which is expected to fail: it may do so by
/// waiting for ever.
const PATIENCE_WITH_GAPS: Duration = Duration::from_secs(15);

/// Checks that run one after the other.
#[derive(Default)]
pub(crate) struct Checking {
    report: Report,
    broken: Vec<String>,
}

impl Checking {
    /// Runs a check.
    pub(crate) async fn check(&mut self, name: &'static str, check: BoxFuture<'_, Verdict>) {
        let checking = AssertUnwindSafe(check).catch_unwind();
        match timeout(PATIENCE, checking).await {
            Ok(Ok(Verdict::Held)) => self.report.held.push(name),
            Ok(Ok(Verdict::Skipped)) => self.report.skipped.push(name),
            Ok(Err(panic)) => self.broken.push(format!("{name}: {}", said(&*panic))),
            Err(_) => self
                .broken
                .push(format!("{name}: not done within {PATIENCE:?}")),
        }
    }

    /// Runs a check that is expected to fail.
    pub(crate) async fn gap(
        &mut self,
        name: &'static str,
        reason: &'static str,
        check: BoxFuture<'_, Verdict>,
    ) {
        let checking = AssertUnwindSafe(check).catch_unwind();
        match timeout(PATIENCE_WITH_GAPS, checking).await {
            Ok(Ok(Verdict::Held)) => self
                .broken
                .push(format!("{name}: it holds, but is named as a gap: {reason}")),
            Ok(Ok(Verdict::Skipped)) => self.report.skipped.push(name),
            Ok(Err(_)) | Err(_) => self.report.gaps.push((name, reason)),
        }
    }

    /// Panics if a check did not hold.
    pub(crate) fn report(self) -> Report {
        let Self { report, broken } = self;
        let held = report.held.len() + report.skipped.len() + report.gaps.len();
        assert!(
            broken.is_empty(),
            "{} of {} checks do not hold:\n{}",
            broken.len(),
            held + broken.len(),
            broken.join("\n")
        );
        report
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("it panicked")
}
