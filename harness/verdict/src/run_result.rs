//! What a run comes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Scenarios evaluated.
    pub scenarios: usize,
    /// Scenarios left out.
    pub skipped: usize,
    /// Scenarios that could not go on.
    pub failed: usize,
    /// Steps evaluated.
    pub steps: usize,
    /// Cells evaluated.
    pub cells: usize,
    /// Cells that differ, in verdict or in the policy that decides.
    pub differing: usize,
    /// Cells without a verdict.
    pub inconclusive: usize,
    /// Cells that were attempted again because what was seen first told no verdict.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried: usize,
    /// Cells left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_cells: usize,
    /// Objects judged.
    pub objects: usize,
    /// Objects refused that should not have been, or for another reason.
    pub objects_differing: usize,
    /// Invariants held against a step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invariants: usize,
    /// Those that do not hold, or hold where they are known not to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invariants_differing: usize,
    /// Those of which the engine does not know.
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

/// What a run comes to. Of several things the one that leaves the most unknown: where the machine or the cluster failed
/// nothing is known, and what differs beside it may have the same cause; a verdict that differs is news about the
/// policies, which a missing verdict elsewhere does not take back. Only [`RunResult::of`] decides it, except that a run was
/// interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// Every cell and object is as expected.
    AsExpected,
    /// At least one differs, and no scenario failed.
    Differs,
    /// The machine or the cluster failed in at least one scenario.
    Failed,
    /// It was interrupted; what was known until then is reported.
    Interrupted,
    /// None differs, and at least one has no verdict.
    Inconclusive,
    /// Nothing was evaluated.
    NothingToRun,
}

impl RunResult {
    /// The outcome of what was counted.
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

    /// How a command ends that comes to this.
    pub fn exit(self) -> Exit {
        match self {
            Self::AsExpected => Exit::AsExpected,
            Self::Differs => Exit::Differs,
            Self::Inconclusive => Exit::Inconclusive,
            Self::Failed | Self::Interrupted => Exit::Failed,
            Self::NothingToRun => Exit::NothingToRun,
        }
    }

    /// The exit code of a command that comes to this.
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
