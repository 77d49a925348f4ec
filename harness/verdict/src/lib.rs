//! Verdicts from evidence, results from verdicts, and the event log of a run.
//!
//! This is the core of verdikt's claim, and small enough to audit in one sitting. [`correlate`] finds an attempt's
//! own flows, [`fuse`](fuse::fuse) concludes a verdict from all evidence of an attempt, [`compare`](compare::compare)
//! compares it with the expectation, and [`RunResult::of`](run_result::RunResult::of) sums up the run. A run is the
//! list of its [`Event`](event::Event)s, from which every report is made.
//!
//! Pure. Must not know: the clock, I/O, or who produced the evidence.

pub mod compare;
pub mod correlate;
pub mod doubt;
pub mod event;
pub mod evidence;
pub mod exit;
pub mod fuse;
pub mod invariant;
pub mod record;
pub mod run_result;
pub mod schema;
pub mod timestamp;
mod totals;
