//! The log: what happens during a command, for people who look for a cause. Verdicts are never read from it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::arguments::{LogFormat, Logging};
use crate::failure::Failure;
use crate::printer::Printer;

/// The environment variable with the level of the log, or levels of crates, as in `info,verdikt_cluster=debug`.
const VARIABLE: &str = "VERDIKT_LOG";

/// The file of the evidence folder that has the log.
const FILE: &str = "log.jsonl";

/// A layer of the log, whatever it writes.
type LogLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts the log, if the command line or the environment asks for one. In a folder of evidence it is kept as JSON lines,
/// down to requests and waits, whatever is shown.
pub(crate) fn start(logging: &Logging, evidence: Option<&Path>, printer: &Printer) -> Result<(), Failure> {
    let shown = targets(logging.verbose, std::env::var(VARIABLE).ok().as_deref()).map_err(|error| {
        Failure::wrong(format!(
            "cannot read {VARIABLE}: {error}; write a level, or `info,verdikt_cluster=debug`"
        ))
    })?;
    let shown = shown.map(|targets| shown_layer(logging.log_format, targets, printer));
    let layers: Vec<LogLayer> = shown.into_iter().chain(evidence.map(kept_layer).transpose()?).collect();
    if !layers.is_empty() {
        tracing_subscriber::registry().with(layers).init();
    }
    Ok(())
}

fn shown_layer(format: LogFormat, targets: Targets, printer: &Printer) -> LogLayer {
    match format {
        LogFormat::Text => {
            let layer = fmt::layer().with_ansi(printer.colour_for_people()).with_writer(GuardedLines);
            layer.with_filter(targets).boxed()
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().with_ansi(false).with_writer(GuardedLines);
            layer.with_filter(targets).boxed()
        }
    }
}

/// Makes the folder, if it is not there, and the log in it.
fn kept_layer(folder: &Path) -> Result<LogLayer, Failure> {
    let path = folder.join(FILE);
    let file = fs::create_dir_all(folder).and_then(|()| File::create(&path));
    let file = file.map_err(|error| Failure::file("write the log", &path, &error))?;
    let layer = fmt::layer().json().with_ansi(false).with_writer(Mutex::new(file));
    Ok(layer.with_filter(of_ours(LevelFilter::DEBUG)).boxed())
}

/// What is logged: nothing, or what the variable says, or what so many `-v` ask for.
fn targets(verbose: u8, variable: Option<&str>) -> Result<Option<Targets>, ParseError> {
    if let Some(text) = variable.filter(|text| !text.is_empty()) {
        return text.parse().map(Some);
    }
    let level = match verbose {
        0 => return Ok(None),
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    Ok(Some(of_ours(level)))
}

/// Leaves out the messages of libraries, which explain no verdict; the variable can name them.
fn of_ours(level: LevelFilter) -> Targets {
    let ours =
        ["verdikt", "verdikt_runner", "verdikt_lab", "verdikt_cluster", "verdikt_hubble", "verdikt_kind"];
    Targets::new().with_targets(ours.map(|target| (target, level)))
}

/// Writes each line to the standard error, through the printer's guard.
#[derive(Clone, Copy, Debug)]
struct GuardedLines;

impl Write for GuardedLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Printer::tell(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for GuardedLines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::targets;

    fn shown(verbose: u8, variable: Option<&str>) -> String {
        match targets(verbose, variable) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(targets)) => {
                let level =
                    |target| if targets.would_enable(target, &tracing::Level::DEBUG) { "debug" } else { "-" };
                format!(
                    "runner {}, kube {}, default {:?}",
                    level("verdikt_runner"),
                    level("kube"),
                    targets.default_level()
                )
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn levels_follow_the_flags_and_the_variable_wins() {
        assert_eq!(shown(0, None), "nothing");
        assert_eq!(shown(0, Some("")), "nothing");
        assert_eq!(shown(1, None), "runner -, kube -, default None");
        assert_eq!(shown(2, None), "runner debug, kube -, default None");
        let all = LevelFilter::DEBUG;
        assert_eq!(shown(1, Some("debug")), format!("runner debug, kube debug, default {:?}", Some(all)));
        assert_eq!(shown(0, Some("kube=debug")), "runner -, kube debug, default None");
        assert!(shown(0, Some("verdikt_runner=loud")).starts_with("error: "));
    }
}
