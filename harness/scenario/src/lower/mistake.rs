//! Mistakes before they have a place.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};
use crate::name::NameError;
use crate::place::Position;
use crate::version::VersionError;

/// A problem in a text, with advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake without advice.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with advice, if there is any.
    #[must_use]
    pub(crate) fn help(self, help: impl Into<Option<String>>) -> Self {
        Self { help: help.into(), ..self }
    }
}

/// The mistakes found so far in one scenario.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(pub(crate) Vec<Diagnostic>);

/// The number of mistakes that get suggestions. Nobody reads further ones before the first are corrected.
const MANY: usize = 1000;

impl Mistakes {
    /// Whether there are so many that suggestions are left out.
    pub(crate) fn are_many(&self) -> bool {
        self.0.len() >= MANY
    }

    /// The number of mistakes, without warnings.
    pub(crate) fn errors(&self) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// Adds a mistake at its place.
    pub(crate) fn add(&mut self, file: &Arc<str>, position: Position, mistake: Mistake) {
        let diagnostic = Diagnostic::error(position.in_file(file), mistake.message);
        self.0.push(Diagnostic { help: mistake.help, ..diagnostic });
    }

    /// The value; a mistake is recorded.
    pub(crate) fn keep<T>(
        &mut self,
        file: &Arc<str>,
        position: Position,
        result: Result<T, impl Into<Mistake>>,
    ) -> Option<T> {
        result.map_err(|mistake| self.add(file, position, mistake.into())).ok()
    }
}

impl From<NameError> for Mistake {
    fn from(error: NameError) -> Self {
        let help = error.meant.as_ref().map(|name| format!("write `{name}`"));
        Self::new(error.to_string()).help(help)
    }
}

impl From<VersionError> for Mistake {
    fn from(error: VersionError) -> Self {
        Self::new(error.to_string())
    }
}
