//! What is wrong with files, or to be warned of: what `check` found, which each format writes in its own folder.

use serde::Serialize;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};

/// What was checked.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Checked {
    /// Scenarios.
    pub scenarios: usize,
    /// Policy objects.
    pub policies: usize,
}

/// What was checked, and what was found.
#[derive(Clone, Copy, Debug)]
pub struct CheckReport<'a> {
    /// What was checked.
    pub checked: Checked,
    /// What was found.
    pub diagnostics: &'a [Diagnostic],
    /// Whether warnings are as bad as mistakes.
    pub warnings_denied: bool,
}

impl CheckReport<'_> {
    /// How many diagnostics have a severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

#[cfg(test)]
mod tests;
