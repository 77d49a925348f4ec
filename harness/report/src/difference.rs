//! A cell that is not as expected, explained.

use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::CellJudged;

use crate::checks;
use crate::evidence;
use crate::paint::{Paint, Tone};
use crate::text::{plain, wrap};
use crate::words;

/// What the explanation of a cell needs beyond the cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellSetting<'a> {
    /// The command that runs a file: `verdikt run`.
    pub(crate) command: &'a str,
    /// The scenario's file.
    pub(crate) file: &'a str,
    /// The Cilium version of the run.
    pub(crate) version: CiliumVersion,
    /// Colours.
    pub(crate) paint: Paint,
    /// Columns.
    pub(crate) width: usize,
}

impl<'a> CellSetting<'a> {
    /// That of a document about a scenario's file: without colours, and as wide as its lines.
    pub(crate) fn of_document(file: &'a str, version: CiliumVersion) -> Self {
        Self { command: "verdikt run", file, version, paint: Paint { colour: false }, width: usize::MAX }
    }
}

/// The width of the words in front.
const LEAD: usize = 11;

/// Expectation and verdict with their places, the checks in words, and the command for this cell alone.
pub(crate) fn lines(cell: &CellJudged, setting: CellSetting<'_>) -> Vec<String> {
    let CellSetting { paint, width, .. } = setting;
    let mut lines = Vec::new();
    let mut say = |lead: &str, tone: Tone, text: &str| {
        for (at, line) in wrap(text, width.saturating_sub(LEAD)).iter().enumerate() {
            let lead = if at == 0 { lead } else { "" };
            lines.push(format!("{lead:LEAD$}{}", paint.paint(tone, line)));
        }
    };
    let tone = if cell.result == CellResult::Inconclusive { Tone::Inconclusive } else { Tone::Differs };
    let expected = plain(&cell.expected.to_string());
    say("expected", Tone::Plain, &format!("{expected}, at {}", words::place(&cell.place)));
    if let Some(because) = &cell.because {
        say("because", Tone::Plain, &format!("Cilium {} differs: {}", setting.version, plain(because)));
    }
    match &cell.evidence {
        None => say("predicted", tone, &words::verdict_by(cell)),
        Some(evidence) => {
            say("verdict", tone, &words::verdict_by(cell));
            say("predicted", Tone::Plain, &cell.prediction.answer.to_string());
            for (at, line) in evidence::lines(evidence).iter().enumerate() {
                say(if at == 0 { "evidence" } else { "" }, Tone::Plain, line);
            }
        }
    }
    lines.push("checks".to_owned());
    let chain = checks::chain(&cell.prediction, paint, width.saturating_sub(2));
    lines.extend(chain.into_iter().map(|line| format!("  {line}")));
    // Whole, to be copied.
    lines.push(format!(
        "{:LEAD$}{}",
        "again",
        words::again(setting.command, setting.file, setting.version, cell)
    ));
    lines
}
