//! Errors of runs on a cluster.

use std::io;

use verdikt_cluster::image::ImageError;
use verdikt_kind::profile::UnknownProfile;
use verdikt_runner::backend::reason;
use verdikt_runner::cluster::kind::KindClusterError;
use verdikt_runner::cluster::session::SessionError;
use verdikt_scenario::version::CiliumVersion;

use super::variables::{PROBE_PROGRAM, YES};

/// Why a run on a cluster has no events.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterRunError {
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("cannot find the program of this test")]
    Program(#[source] io::Error),
    #[error("cannot use the value of {variable}: {why}")]
    Variable { variable: &'static str, why: String },
    #[error(transparent)]
    Profile(#[from] UnknownProfile),
    #[error(transparent)]
    Kind(#[from] KindClusterError),
    #[error(
        "there is no probe for the pods of the cluster: name a static `verdikt-probe` in {PROBE_PROGRAM}"
    )]
    Image(#[from] ImageError),
    #[error(
        "cannot use {0} without confirmation: set {YES}=1 if verdikt may make namespaces, pods and policies there"
    )]
    Unasked(String),
    #[error(
        "the cluster runs Cilium {is}, and not {asked}: leave the version out, predictions are for that of the cluster"
    )]
    Version { is: CiliumVersion, asked: CiliumVersion },
    #[error("{0}")]
    Mistakes(String),
    #[error(transparent)]
    Session(Box<SessionError>),
}

impl From<SessionError> for ClusterRunError {
    fn from(error: SessionError) -> Self {
        Self::Session(Box::new(error))
    }
}

impl ClusterRunError {
    /// The error with its causes, and what to do about it.
    pub(super) fn with_advice(&self) -> String {
        let advice = match self {
            Self::Session(session) => match &**session {
                SessionError::Access(access) => access.advice(),
                _ => None,
            },
            Self::Kind(KindClusterError::Kind(error)) => Some(error.advice()),
            _ => None,
        };
        match advice {
            Some(advice) => format!("{}; {advice}", reason(self)),
            None => reason(self),
        }
    }
}
