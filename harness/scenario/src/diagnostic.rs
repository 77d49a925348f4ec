//! Mistakes and warnings: a message, a place and advice, drawn with the line they concern.

mod allow;
mod origin;
mod render;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Place;

pub use allow::take_allowed;
pub use render::{RenderStyle, render, render_in};

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A mistake: nothing can be evaluated.
    Error,
    /// Legal, but almost surely not what was meant.
    Warning,
    /// Legal, and right or wrong depending on something that the files do not say.
    Hint,
}

/// A problem in a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// The place.
    pub place: Place,
    /// The severity.
    pub severity: Severity,
    /// The code of a warning, such as `selects-nothing`; none for mistakes.
    pub code: Option<String>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { place, severity: Severity::Error, code: None, message: message.into(), help: None }
    }

    /// A warning with its code.
    pub fn warning(place: Place, code: &str, message: impl Into<String>) -> Self {
        let code = Some(code.to_owned());
        Self { place, severity: Severity::Warning, code, message: message.into(), help: None }
    }

    /// A hint with its code.
    pub fn hint(place: Place, code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Hint, ..Self::warning(place, code, message) }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The texts of the files read, for showing lines.
#[derive(Clone, Debug, Default)]
pub struct SourceTexts {
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl SourceTexts {
    /// Remembers the text of a file.
    pub fn add(&mut self, file: &Arc<str>, text: &Arc<str>) {
        self.texts.insert(Arc::clone(file), Arc::clone(text));
    }

    /// Adds all files of another set.
    pub fn extend(&mut self, other: &Self) {
        self.texts.extend(other.texts.iter().map(|(file, text)| (Arc::clone(file), Arc::clone(text))));
    }

    /// The same texts under other file names.
    #[must_use]
    pub fn renamed(&self, rename: impl Fn(&Arc<str>) -> Arc<str>) -> Self {
        let texts = self.texts.iter().map(|(file, text)| (rename(file), Arc::clone(text)));
        Self { texts: texts.collect() }
    }

    /// The names of the files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(AsRef::as_ref)
    }

    /// The file that a rendered object comes from, if kustomize or Helm has recorded it.
    pub fn origin(&self, place: &Place) -> Option<&str> {
        origin::origin(self.text(&place.file)?, place.line)
    }

    /// The text of a file.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(AsRef::as_ref)
    }
}
