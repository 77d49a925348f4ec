//! The only place that prints: data to stdout, words for people to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use verdikt_scenario::diagnostic::{Diagnostic, Sources, render};

use crate::arguments::Colour;
use crate::failure::{Failure, What};

/// The columns of an output that is no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Where the output goes, and how it may look.
#[derive(Debug)]
pub(crate) struct Printer {
    /// Whether stdout takes colours.
    pub(crate) colour: bool,
    /// Whether stderr takes colours.
    colour_for_people: bool,
}

impl Printer {
    pub(crate) fn new(colour: Colour) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let allowed = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !plain,
        };
        Self {
            colour: allowed(io::stdout().is_terminal()),
            colour_for_people: allowed(io::stderr().is_terminal()),
        }
    }

    /// The columns there are.
    pub(crate) fn width() -> usize {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let actual = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        asked.or_else(actual).unwrap_or(DEFAULT_WIDTH)
    }

    /// Prints data.
    pub(crate) fn data(text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// Tells people something. If nobody can hear it, the command goes on.
    pub(crate) fn tell(text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Shows a remark.
    pub(crate) fn note(&self, text: &str) {
        Self::tell(&format!("{} {text}\n", self.painted("note:", AnsiColor::Cyan)));
    }

    /// Shows what is wrong with files.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        if !diagnostics.is_empty() {
            Self::tell(&render(diagnostics, sources, self.colour_for_people));
        }
    }

    /// Shows why a command fails.
    pub(crate) fn failure(&self, failure: &Failure) {
        match &failure.what {
            What::OutputClosed => {}
            What::Mistakes(diagnostics, sources) => self.diagnostics(diagnostics, sources),
            What::Message { message, cause, hint } => {
                Self::tell(&format!("{} {message}\n", self.painted("error:", AnsiColor::Red)));
                if let Some(cause) = cause {
                    Self::tell(&format!("  caused by: {cause}\n"));
                }
                if let Some(hint) = hint {
                    Self::tell(&format!("\n{} {hint}\n", self.painted("hint:", AnsiColor::Cyan)));
                }
            }
        }
    }

    fn painted(&self, text: &str, colour: AnsiColor) -> String {
        if !self.colour_for_people {
            return text.to_owned();
        }
        let style = Style::new().bold().fg_color(Some(colour.into()));
        format!("{style}{text}{style:#}")
    }
}
