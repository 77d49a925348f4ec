//! Reports on the command line: `junit=FILE`, `json=-`, `github`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// How a command writes the standard output as a file.
const STANDARD_OUTPUT: &str = "-";

/// Reports in files.
#[derive(Debug, Args)]
pub(crate) struct Reports {
    /// Write a report at the end: junit=FILE, json=FILE, markdown=FILE, sarif=FILE, or github=FILE (annotations as workflow
    /// commands). `-` is the standard output, where nothing else is printed then; so is leaving `=FILE` out. May be given
    /// more than once
    #[arg(id = "reports", long = "report", value_name = "KIND=FILE")]
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
    pub(crate) kind: ReportKind,
    pub(crate) path: PathBuf,
}

impl ReportFile {
    /// Whether it goes to the standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == STANDARD_OUTPUT
    }
}

/// The formats of reports in files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReportKind {
    Junit,
    Json,
    Markdown,
    Github,
    Sarif,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = text.split_once('=').unwrap_or((text, STANDARD_OUTPUT));
        let kind = match kind {
            "junit" => ReportKind::Junit,
            "json" => ReportKind::Json,
            "markdown" => ReportKind::Markdown,
            "github" => ReportKind::Github,
            "sarif" => ReportKind::Sarif,
            _ => {
                let known = "expected junit, json, markdown, github or sarif, as in `junit=FILE`";
                return Err(format!("unknown report `{kind}` ({known})"));
            }
        };
        if path.is_empty() {
            return Err("the name of the file is missing".to_owned());
        }
        Ok(Self { kind, path: path.into() })
    }
}
