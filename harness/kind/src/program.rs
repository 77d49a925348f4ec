//! The programs that clusters need: `docker`, `kind` and `helm`.

use std::fmt;

/// A program that clusters need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// The container engine.
    Docker,
    /// Kubernetes in containers.
    Kind,
    /// The installer of Helm charts.
    Helm,
}

impl Program {
    /// Every program, in the order they are needed.
    pub const ALL: &[Self] = &[Self::Docker, Self::Kind, Self::Helm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kind => "kind",
            Self::Helm => "helm",
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
