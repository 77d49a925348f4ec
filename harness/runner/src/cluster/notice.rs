//! Notices for the user of a cluster run that are not events of the run.

use std::collections::BTreeSet;
use std::fmt;

use verdikt_cluster::objects::ApiObject;

use super::ClusterwideReach;

/// Something that the user of a cluster run should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The cluster is near a limit, with what to do.
    NearLimit(String),
    /// Other policies are in force in the borrowed namespaces.
    ForeignPolicies(BTreeSet<ApiObject>),
    /// What a clusterwide policy selects outside its scenario.
    Clusterwide(ClusterwideReach),
    /// The run ends, because it has lost the lease that keeps other runs off the cluster.
    LeaseLost(String),
    /// Not everything that the run created could be removed.
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
