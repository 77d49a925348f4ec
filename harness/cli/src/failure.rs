//! Expected failures: what went wrong, why, and what to do.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;

use verdikt_platform::limit::Limit;
use verdikt_scenario::diagnostic::{Diagnostic, SourceTexts};
use verdikt_scenario::loader::Mistake;
use verdikt_scenario::plain::Plain;

use crate::exit;

/// A failure that the user can mend, as opposed to a bug.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    pub(crate) what: FailureContent,
}

/// What a failure shows.
#[derive(Debug)]
pub(crate) enum FailureContent {
    /// Mistakes in files, each with its place.
    Mistakes(Vec<Diagnostic>, SourceTexts),
    /// A sentence.
    Message { message: String, cause: Option<String>, hint: Option<String> },
    /// Nothing: the reader of the output has gone.
    OutputClosed,
}

impl Failure {
    /// The command is wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self {
            code: exit::WRONG_INPUT,
            what: FailureContent::Message { message: message.into(), cause: None, hint: None },
        }
    }

    /// There is nothing to do.
    pub(crate) fn nothing(message: impl Into<String>) -> Self {
        Self { code: exit::NOTHING_TO_RUN, ..Self::wrong(message) }
    }

    /// The machine cannot do it.
    pub(crate) fn machine(message: impl Into<String>) -> Self {
        Self { code: exit::MACHINE_FAILED, ..Self::wrong(message) }
    }

    /// A signal asked the process to end.
    pub(crate) fn interrupted() -> Self {
        Self::machine("interrupted")
    }

    /// The machine cannot do it, for this reason.
    pub(crate) fn from_error(error: &(dyn Error + 'static)) -> Self {
        let failure = Self::machine(error.to_string()).limited_by(error);
        match error.source() {
            Some(cause) => failure.cause(&cause),
            None => failure,
        }
    }

    /// The same with the limit of the system that is the error's reason, if one is.
    pub(crate) fn limited_by(self, error: &(dyn Error + 'static)) -> Self {
        match Limit::of(error) {
            Some(limit) => self.hint(limit.to_string()),
            None => self,
        }
    }

    /// Files are wrong.
    pub(crate) fn mistakes(diagnostics: Vec<Diagnostic>, sources: SourceTexts) -> Self {
        Self { code: exit::WRONG_INPUT, what: FailureContent::Mistakes(diagnostics, sources) }
    }

    /// There is nothing to do, and the diagnostics say where.
    pub(crate) fn nothing_in(diagnostics: Vec<Diagnostic>, sources: SourceTexts) -> Self {
        Self { code: exit::NOTHING_TO_RUN, ..Self::mistakes(diagnostics, sources) }
    }

    /// A file that the command names cannot be written or read.
    pub(crate) fn file(doing: &str, path: &Path, cause: &dyn Display) -> Self {
        Self::wrong(format!("cannot {doing} `{}`", Plain::line(&path.display().to_string()))).cause(cause)
    }

    /// The output of the command cannot be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: exit::AS_EXPECTED, what: FailureContent::OutputClosed };
        }
        Self { code: exit::MACHINE_FAILED, ..Self::wrong("cannot write the output").cause(error) }
    }

    /// The same failure with other names for its files.
    pub(crate) fn renamed(mut self, rename: impl Fn(&Arc<str>) -> Arc<str>) -> Self {
        if let FailureContent::Mistakes(diagnostics, sources) = &mut self.what {
            for diagnostic in diagnostics {
                diagnostic.place.file = rename(&diagnostic.place.file);
            }
            *sources = sources.renamed(rename);
        }
        self
    }

    /// The same with its cause.
    pub(crate) fn cause(mut self, cause: &(impl Display + ?Sized)) -> Self {
        if let FailureContent::Message { cause: slot, .. } = &mut self.what {
            *slot = Some(cause.to_string());
        }
        self
    }

    /// The same with advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let FailureContent::Message { hint: slot, .. } = &mut self.what {
            *slot = Some(hint.into());
        }
        self
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        let failure = Self::wrong(mistake.message);
        match mistake.help {
            Some(help) => failure.hint(help),
            None => failure,
        }
    }
}
