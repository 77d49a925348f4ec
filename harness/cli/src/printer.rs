//! The only place that prints: data to stdout, words for people to stderr.
//!
//! All of it goes through the [`guard`], so that no text of others reaches a terminal or a CI runner as it is.

mod guard;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use verdikt_platform::files::is_hang_up;
use verdikt_scenario::diagnostic::{Diagnostic, RenderStyle, SourceTexts, render_in};

use crate::failure::{Failure, FailureContent};

use guard::{OwnStyles, guard_json, guard_text};

/// The columns of an output that is not a terminal.
const DEFAULT_WIDTH: usize = 100;

/// How the outputs of this process may look: decided once.
static LOOKS: OnceLock<Printer> = OnceLock::new();

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where the output goes, and how it may look.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    /// Whether stdout takes colours.
    pub(crate) colour: bool,
    /// Whether stdout is a terminal, which can go.
    is_terminal: bool,
    /// Whether stderr takes colours.
    colour_for_people: bool,
}

impl Printer {
    /// Decides how the outputs look, the first time it is called.
    pub(crate) fn new(colour: Colour) -> Self {
        LOOKS.get_or_init(|| Self::looks(colour)).clone()
    }

    fn looks(colour: Colour) -> Self {
        let is_set =
            |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        // https://no-color.org, https://force-color.org and https://bixense.com/clicolors, in this order.
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_forced = is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE");
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let allowed = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => !is_plain && (is_forced || terminal && !is_dumb),
        };
        let is_terminal = io::stdout().is_terminal();
        Self {
            colour: allowed(is_terminal),
            is_terminal,
            colour_for_people: allowed(io::stderr().is_terminal()),
        }
    }

    /// The columns there are.
    pub(crate) fn width() -> usize {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let actual = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        asked.or_else(actual).unwrap_or(DEFAULT_WIDTH)
    }

    /// The columns for people. Where nobody sees them, as in the log of a CI job, lines stay whole.
    fn width_for_people() -> usize {
        let is_terminal = io::stderr().is_terminal();
        if is_terminal || std::env::var_os("COLUMNS").is_some() { Self::width() } else { usize::MAX }
    }

    /// Prints text.
    pub(crate) fn data(text: &str) -> Result<(), Failure> {
        Self::write(&guard_text(text, own_styles(|looks| looks.colour)))
    }

    /// Prints what a shell reads and shows by its own rules. Whoever does not listen any more misses nothing.
    pub(crate) fn shell(text: &[u8]) {
        let _ = io::stdout().lock().write_all(text);
    }

    /// Prints JSON.
    pub(crate) fn json(text: &str) -> Result<(), Failure> {
        Self::write(&guard_json(text))
    }

    /// Prints a report. Texts of others are escaped in it, and some of its lines are commands of CI runners.
    pub(crate) fn report(text: &str) -> Result<(), Failure> {
        Self::write(text)
    }

    fn write(guarded: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(guarded.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            // What is left of a terminal that was closed.
            let hung_up = is_hang_up(&error);
            if hung_up && LOOKS.get().is_some_and(|looks| looks.is_terminal) {
                return Failure::output(&io::ErrorKind::BrokenPipe.into());
            }
            Failure::output(&error)
        })
    }

    /// Tells people something. If nobody can hear it, the command goes on.
    pub(crate) fn tell(text: &str) {
        let guarded = guard_text(text, own_styles(|looks| looks.colour_for_people));
        let _ = io::stderr().lock().write_all(guarded.as_bytes());
    }

    /// Whether stderr takes colours.
    pub(crate) fn colour_for_people(&self) -> bool {
        self.colour_for_people
    }

    /// Shows a remark.
    pub(crate) fn note(&self, text: &str) {
        Self::tell(&format!("{} {text}\n", self.painted("note:", AnsiColor::Cyan)));
    }

    /// Shows what is wrong with files.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &SourceTexts) {
        if !diagnostics.is_empty() {
            let style = RenderStyle { colour: self.colour_for_people, width: Self::width_for_people() };
            Self::tell(&render_in(diagnostics, sources, style));
        }
    }

    /// Shows why a command fails.
    pub(crate) fn failure(&self, failure: &Failure) {
        match &failure.what {
            FailureContent::OutputClosed => {}
            FailureContent::Mistakes(diagnostics, sources) => self.diagnostics(diagnostics, sources),
            FailureContent::Message { message, cause, hint } => {
                let message = indented(message);
                Self::tell(&format!("{} {message}\n", self.painted("error:", AnsiColor::Red)));
                if let Some(cause) = cause {
                    Self::tell(&format!("  caused by: {}\n", indented(cause)));
                }
                if let Some(hint) = hint {
                    let hint = indented(hint);
                    Self::tell(&format!("\n{} {hint}\n", self.painted("hint:", AnsiColor::Cyan)));
                }
            }
        }
    }

    /// Shows what the command line is answered: its mistakes, its help, or the version.
    pub(crate) fn command_line(&self, answer: &clap::Error) {
        let styled = answer.render();
        if answer.use_stderr() {
            Self::tell(&if self.colour_for_people { styled.ansi().to_string() } else { styled.to_string() });
        } else {
            // Who asks for help and closes the output has enough of it.
            let _ = Self::data(&if self.colour { styled.ansi().to_string() } else { styled.to_string() });
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

/// Text of which every line but the first is indented, so that none of it passes for another message.
fn indented(text: &str) -> String {
    let mut lines = text.lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() && !line.starts_with(' ') {
            out.push_str("  ");
        }
        out.push_str(line);
    }
    out
}

/// Whether a text that goes to a place with these looks keeps its styles.
fn own_styles(shows_colours: impl Fn(&Printer) -> bool) -> OwnStyles {
    if LOOKS.get().is_some_and(shows_colours) { OwnStyles::Kept } else { OwnStyles::Escaped }
}
