//! Notices of a session with a cluster, beside the events of its run.

use std::collections::BTreeSet;
use std::fmt;

use verdikt_cluster::objects::ApiObject;

use super::ClusterwideReach;

/// Something that the user of a cluster run should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The cluster is near a limit, with what to do.
    NearLimit(String),
    /// Policies that are not the scenarios' are in force in the namespaces that are borrowed.
    ForeignPolicies(BTreeSet<ApiObject>),
    /// What a clusterwide policy selects beyond its scenario.
    Clusterwide(ClusterwideReach),
    /// The run ends, because it has lost the lease that keeps other runs away.
    LeaseLost(String),
    /// Not everything that the run made is removed.
    Leftovers(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NearLimit(limit) => write!(f, "near a limit: {limit}"),
            Self::ForeignPolicies(policies) => {
                let list: Vec<String> = policies.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "policies of others stay in force, and the engine does not know them; those that select pods of a \
                     scenario may change its verdicts ({}): {}",
                    list.len(),
                    list.join(", ")
                )
            }
            Self::Clusterwide(reach) => write!(f, "clusterwide: {reach}"),
            Self::LeaseLost(reason) => write!(f, "the run ends: {reason}"),
            Self::Leftovers(reason) => {
                write!(f, "something is left in the cluster: `verdikt clean` removes it; {reason}")
            }
        }
    }
}
