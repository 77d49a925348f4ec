//! Colours. They repeat what the words say and are never the only signal.

use anstyle::{AnsiColor, Style};

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Heading,
    /// What is there for looking up: places, numbers, notes.
    Quiet,
    /// Passes, as expected.
    Allow,
    /// Does not pass, as expected.
    Deny,
    /// Not as expected.
    Differs,
    /// No verdict.
    Inconclusive,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    /// The text in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = style(tone);
        format!("{style}{text}{style:#}")
    }
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().bold(),
        Tone::Quiet => Style::new().dimmed(),
        Tone::Allow => AnsiColor::Green.on_default(),
        Tone::Deny => AnsiColor::Cyan.on_default(),
        Tone::Differs => AnsiColor::Red.on_default().bold(),
        Tone::Inconclusive => AnsiColor::Yellow.on_default().bold(),
    }
}
