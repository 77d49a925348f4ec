//! Whether the API server and the agent accept an object.

use verdikt_scenario::place::Position;
use verdikt_scenario::policy::Refuser;

use crate::refusal::RefusalKind;

/// Whether an object is accepted, or why it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is stored and enforced.
    Accepted,
    /// The API server or the agent refuses it, and nothing of it is enforced.
    Refused(Refused),
}

/// Who refuses an object, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The API server or the agent.
    pub by: Refuser,
    /// What is wrong; the first if there are several reasons.
    pub kind: RefusalKind,
    /// Every reason, close to the text of who refuses it.
    pub message: String,
    /// Where in the object's file.
    pub position: Position,
    /// Whether the object's status does not show the refusal: it has no `Valid` condition, or that is true, because the
    /// operator, which sets it, checks less than the agents do.
    pub hidden: bool,
}

impl Acceptance {
    /// The refusal, if the object is refused.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Accepted => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}
