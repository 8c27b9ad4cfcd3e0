//! What came of checks.

use std::any::Any;
use std::fmt;

/// How a check ended that did not panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a check that was skipped has shown nothing"]
pub enum Verdict {
    /// What it checks is so.
    Held,
    /// The harness cannot provoke or tell what the check needs.
    Skipped,
}

/// Which checks held, which were skipped, and which are known gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub(super) held: Vec<&'static str>,
    pub(super) skipped: Vec<&'static str>,
    pub(super) gaps: Vec<(&'static str, &'static str)>,
}

impl Report {
    /// The checks that held, such as `sending::order`.
    #[must_use]
    pub fn held(&self) -> &[&'static str] {
        &self.held
    }

    /// The checks that have shown nothing, since the harness cannot provoke or
    /// tell what they need.
    #[must_use]
    pub fn skipped(&self) -> &[&'static str] {
        &self.skipped
    }

    /// The checks that did not hold, as the harness had said, and its reasons.
    #[must_use]
    pub fn gaps(&self) -> &[(&'static str, &'static str)] {
        &self.gaps
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks held", self.held.len())?;
        for (name, reason) in &self.gaps {
            write!(f, ", {name} is a known gap: {reason}")?;
        }
        match &self.skipped[..] {
            [] => Ok(()),
            skipped => write!(f, ", {} skipped: {}", skipped.len(), skipped.join(", ")),
        }
    }
}

/// Keeps what was provoked going until it is dropped.
#[must_use = "what was provoked is over when its guard is dropped"]
pub struct Guard {
    _undo: Box<dyn Any + Send>,
}

impl Guard {
    /// A guard that drops `undo` when it is dropped.
    pub fn new(undo: impl Any + Send) -> Self {
        let _undo = Box::new(undo);
        Self { _undo }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
