//! The exit codes of verdikt in one table, so that scripts can tell a wrong policy from a failure of verdikt.

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is as expected.
    AsExpected,
    /// At least one verdict differs.
    Differs,
    /// The command or a file is wrong.
    WrongInput,
    /// The evidence gives no verdict, or the engine does not model something that matters.
    Inconclusive,
    /// The machine or the cluster failed, or a signal ended the command.
    Failed,
    /// There is nothing to do.
    NothingToRun,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::AsExpected,
        Self::Differs,
        Self::WrongInput,
        Self::Inconclusive,
        Self::Failed,
        Self::NothingToRun,
    ];

    /// The exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Differs => 1,
            Self::WrongInput => 2,
            Self::Inconclusive => 3,
            Self::Failed => 4,
            Self::NothingToRun => 5,
        }
    }

    /// The description for users.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::AsExpected => "all as expected; no mistake; explained",
            Self::Differs => {
                "a verdict differs or an invariant does not hold, and nothing failed; a warning with `--deny-warnings`; \
                 what `diff --fail-on` names"
            }
            Self::WrongInput => {
                "the command, a scenario or a policy is wrong; a report or log that the command names cannot be written \
                 or read"
            }
            Self::Inconclusive => {
                "inconclusive: the evidence is not sufficient, the model does not know something that matters, or the \
                 log of a `replay` is incomplete"
            }
            Self::Failed => {
                "the machine or the cluster failed, in at least one scenario and whatever the results of the others; \
                 or a signal ended the command"
            }
            Self::NothingToRun => {
                "nothing to run, check or explain: an empty folder, only objects of other kinds, or a filter that no cell matches"
            }
        }
    }
}
