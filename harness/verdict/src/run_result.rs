//! The result of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Scenarios evaluated.
    pub scenarios: usize,
    /// Scenarios skipped.
    pub skipped: usize,
    /// Scenarios that could not continue.
    pub failed: usize,
    /// Steps evaluated.
    pub steps: usize,
    /// Cells evaluated.
    pub cells: usize,
    /// Cells that differ, in verdict or in the policy that decides.
    pub differing: usize,
    /// Cells without a verdict.
    pub inconclusive: usize,
    /// Cells that were attempted again because their first evidence gave no verdict.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried: usize,
    /// Cells skipped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_cells: usize,
    /// Objects accepted or refused.
    pub objects: usize,
    /// Objects refused unexpectedly, or for another reason than expected.
    pub objects_differing: usize,
    /// Invariants checked at a step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invariants: usize,
    /// Invariants that do not hold, or hold where they are known not to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invariants_differing: usize,
    /// Invariants about which the engine abstains.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invariants_unknown: usize,
    /// Warnings about policies and tables.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a field so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The result of a run. If several apply, the one that leaves the most unknown wins: where the machine or the cluster
/// failed nothing is known, and verdicts that differ may have the same cause; a verdict that differs is news about
/// the policies even if another verdict is missing. Only [`RunResult::of`] decides it, except for an interrupted run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// Every cell and object is as expected.
    AsExpected,
    /// At least one differs, and no scenario failed.
    Differs,
    /// The machine or the cluster failed in at least one scenario.
    Failed,
    /// It was interrupted; its reports show what was known until then.
    Interrupted,
    /// None differs, and at least one has no verdict.
    Inconclusive,
    /// Nothing was evaluated.
    NothingToRun,
}

impl RunResult {
    /// The result of the counts.
    pub fn of(totals: &Totals) -> Self {
        if totals.failed > 0 {
            Self::Failed
        } else if totals.differing + totals.objects_differing + totals.invariants_differing > 0 {
            Self::Differs
        } else if totals.inconclusive + totals.invariants_unknown > 0 {
            Self::Inconclusive
        } else if totals.cells == 0 {
            Self::NothingToRun
        } else {
            Self::AsExpected
        }
    }

    /// The exit of a command with this result.
    pub fn exit(self) -> Exit {
        match self {
            Self::AsExpected => Exit::AsExpected,
            Self::Differs => Exit::Differs,
            Self::Inconclusive => Exit::Inconclusive,
            Self::Failed | Self::Interrupted => Exit::Failed,
            Self::NothingToRun => Exit::NothingToRun,
        }
    }

    /// The exit code of a command with this result.
    pub fn exit_code(self) -> u8 {
        self.exit().code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let check = |[cells, differing, objects_differing, failed, inconclusive]: [usize; 5],
                     expected: u8| {
            let totals =
                Totals { failed, cells, differing, inconclusive, objects_differing, ..Totals::default() };
            assert_eq!(RunResult::of(&totals).exit_code(), expected, "{totals:?}");
        };
        check([1, 0, 0, 0, 0], 0);
        check([2, 1, 0, 0, 1], 1);
        check([2, 0, 1, 0, 1], 1);
        check([2, 1, 0, 1, 1], 4);
        check([2, 0, 1, 1, 1], 4);
        check([2, 0, 0, 1, 1], 4);
        check([0, 0, 0, 1, 0], 4);
        check([2, 0, 0, 0, 1], 3);
        check([0, 0, 0, 0, 0], 5);
        assert_eq!(RunResult::Interrupted.exit_code(), 4);
    }
}
