//! From the events of a run to text: for the terminal, and in the formats of [`format::REPORT_FORMATS`]; and one
//! prediction explained.
//!
//! Every report is made from the [`Event`](verdikt_verdict::event::Event)s alone, so that a log gives the same
//! reports as the run itself.
//!
//! Pure. Must not know: the runner, a cluster, the clock, or where the text goes.

pub mod diagnostics;
pub mod evidence;
pub mod explain;
pub mod format;
pub mod github;
pub mod json;
pub mod junit;
pub mod line;
pub mod markdown;
pub mod sarif;
pub mod stopped;
pub mod terminal;
pub mod text;

mod checks;
mod difference;
mod left_out;
mod legend;
mod merge;
mod object;
mod paint;
mod step_table;
mod table;
mod tree;
mod words;

#[cfg(test)]
mod fixture;
