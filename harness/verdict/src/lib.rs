//! From expectation and evidence to a result, and from results to the outcome of a run.
//!
//! The claim itself, auditable in one sitting: [`correlate`] finds an attempt's own flows, [`fuse`](fuse::fuse)
//! concludes from all evidence of an attempt, [`compare`](compare::compare) decides every cell,
//! [`RunResult::of`](run_result::RunResult::of) the run, and a run is the list of its [`Event`](event::Event)s, from
//! which every report is derived.
//!
//! Pure. Must not know: the clock, I/O, or who produced the evidence.

pub mod compare;
pub mod correlate;
pub mod early;
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
