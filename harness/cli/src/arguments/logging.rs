//! What is logged, and how.

use clap::{ArgAction, Args, ValueEnum};

/// What is logged, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Logging {
    /// Log to standard error: -v steps, -vv requests and waits, -vvv attempts; `VERDIKT_LOG` sets levels by crate
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The format of log lines
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}
