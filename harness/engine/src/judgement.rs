//! Whether an object is taken: by the API server, and then by the agent.

use verdikt_scenario::place::Position;
use verdikt_scenario::policy::Refuser;

use crate::refusal::RefusalKind;

/// Whether one object is in force, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectVerdict {
    /// It is stored and enforced.
    Accepted,
    /// It is refused, and nothing of it is enforced.
    Refused(Refused),
}

/// A refusal, with its reason close to the text of who refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who refuses it.
    pub by: Refuser,
    /// What is wrong: of several reasons the first.
    pub kind: RefusalKind,
    /// Every reason.
    pub message: String,
    /// Where in its file.
    pub position: Position,
    /// Whether the object does not show it: its `Valid` condition is true nevertheless, as the operator, which sets it,
    /// does not look at everything that agents look at, or it has none.
    pub hidden: bool,
}

impl ObjectVerdict {
    /// The refusal, if it is one.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Accepted => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}
