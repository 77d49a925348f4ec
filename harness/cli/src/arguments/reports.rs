//! Reports on the command line: `junit=FILE`, `json=-`, `github`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use verdikt_report::format::{REPORT_FORMATS, ReportFormat};

/// How a command writes the standard output as a file.
const STANDARD_OUTPUT: &str = "-";

fn help() -> String {
    let kinds = REPORT_FORMATS.iter().map(|ReportFormat { word, note, .. }| {
        let note = note.map_or_else(String::new, |note| format!(" ({note})"));
        format!("{word}=FILE{note}")
    });
    format!(
        "Write a report at the end: {}. `-` is the standard output, and so is leaving `=FILE` out; nothing else is printed \
         there then. May be given more than once",
        one_of(kinds)
    )
}

/// The members of a list of which one is to be chosen: `a, b or c`.
fn one_of(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// What a shell completes: the word of every format, to be followed by a file.
fn candidates() -> Vec<CompletionCandidate> {
    REPORT_FORMATS.iter().map(|format| CompletionCandidate::new(format!("{}=", format.word))).collect()
}

/// Reports in files.
#[derive(Debug, Args)]
pub(crate) struct Reports {
    // Its help names every format.
    #[arg(
        id = "reports",
        long = "report",
        value_name = "KIND=FILE",
        help = help(),
        add = ArgValueCandidates::new(candidates)
    )]
    pub(crate) files: Vec<ReportFile>,
}

impl Reports {
    /// Whether the standard output belongs to a report.
    pub(crate) fn take_stdout(&self) -> bool {
        self.files.iter().any(ReportFile::is_stdout)
    }
}

/// A report and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct ReportFile {
    pub(crate) format: &'static ReportFormat,
    pub(crate) path: PathBuf,
}

impl ReportFile {
    /// Whether it goes to the standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == STANDARD_OUTPUT
    }
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = text.split_once('=').unwrap_or((text, STANDARD_OUTPUT));
        let Some(format) = REPORT_FORMATS.iter().find(|format| format.word == kind) else {
            let words = one_of(REPORT_FORMATS.iter().map(|format| format.word.to_owned()));
            return Err(format!("unknown report `{kind}` (expected {words}, as in `junit=FILE`)"));
        };
        if path.is_empty() {
            return Err("the file name is missing: write it after `=`, as in `junit=junit.xml`".to_owned());
        }
        Ok(Self { format, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::REPORT_FORMATS;

    #[test]
    fn the_page_of_commands_names_every_format() {
        let page = include_str!("../../../../docs/src/commands.md");
        for format in REPORT_FORMATS {
            let word = format!("`{}=FILE`", format.word);
            assert!(page.contains(&word), "write {word} in docs/src/commands.md");
        }
    }
}
