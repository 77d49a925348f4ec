//! Errors that stop a lab.

use std::io;

use verdikt_probes::probes::ProbeError;

use crate::namespace::NetnsError;
use crate::rewriting::RewrittenSockets;

/// Why a lab cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace cannot be created or removed.
    #[error(transparent)]
    Namespace(NetnsError),
    /// The datapath or a probe does not respond.
    #[error("the lab's datapath cannot continue")]
    Datapath(#[source] io::Error),
    /// Something on this machine rewrites addresses of the lab.
    #[error(
        "cannot use the addresses of the lab: something on this machine rewrites them under every process \
         ({0}), as Cilium does where it replaces kube-proxy; run verdikt on another machine, or with `--on model`"
    )]
    Rewritten(RewrittenSockets),
    /// A probe is not in the expected state.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}
