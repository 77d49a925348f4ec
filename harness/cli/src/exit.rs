//! Exit codes, for scripts that must tell "the policy is wrong" from "we are". The outcome of a run has its own:
//! 0 as expected, 1 differs, 3 inconclusive, 5 nothing to run.

/// All as expected.
pub(crate) const AS_EXPECTED: u8 = 0;
/// At least one verdict differs, or a warning that must not be.
pub(crate) const DIFFERS: u8 = 1;
/// The command or a scenario is wrong.
pub(crate) const WRONG_INPUT: u8 = 2;
/// The engine does not model something that matters.
pub(crate) const INCONCLUSIVE: u8 = 3;
/// The machine failed.
pub(crate) const MACHINE_FAILED: u8 = 4;
/// Nothing to run.
pub(crate) const NOTHING_TO_RUN: u8 = 5;
