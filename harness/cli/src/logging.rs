//! The log: what happens during a command, for people who look for a cause. Verdicts are never read from it.

use std::io::{self, Write};

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::arguments::{LogFormat, Logging};
use crate::failure::Failure;
use crate::printer::Printer;

/// The variable that says what is logged: a level, or levels of crates, as in `info,verdikt_cluster=debug`.
const VARIABLE: &str = "VERDIKT_LOG";

/// Starts the log, if the command line or the environment asks for one.
pub(crate) fn start(logging: &Logging, printer: &Printer) -> Result<(), Failure> {
    let Some(targets) =
        targets(logging.verbose, std::env::var(VARIABLE).ok().as_deref()).map_err(|error| {
            Failure::wrong(format!(
                "cannot read {VARIABLE}: {error}; write a level, or `info,verdikt_cluster=debug`"
            ))
        })?
    else {
        return Ok(());
    };
    let registry = tracing_subscriber::registry();
    match logging.log_format {
        LogFormat::Text => {
            let layer = fmt::layer().with_ansi(printer.colour_for_people()).with_writer(GuardedLines);
            registry.with(layer.with_filter(targets)).init();
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().with_ansi(false).with_writer(GuardedLines);
            registry.with(layer.with_filter(targets)).init();
        }
    }
    Ok(())
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
    // What libraries say of themselves explains no verdict; the variable asks for it by name.
    let ours =
        ["verdikt", "verdikt_runner", "verdikt_lab", "verdikt_cluster", "verdikt_hubble", "verdikt_kind"];
    Ok(Some(Targets::new().with_targets(ours.map(|target| (target, level)))))
}

/// Writes each line where words for people go, through the guard of the printer.
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
