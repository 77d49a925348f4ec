//! Chooses where scenarios run, by the environment.

use std::env;

use verdikt_scenario::version::CiliumVersion;

/// The variable that chooses where scenarios run.
pub(crate) const ON: &str = "VERDIKT_ON";
/// The variable that chooses the Cilium version.
const CILIUM: &str = "VERDIKT_CILIUM";

/// Where scenarios run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestedBackend {
    /// In the lab, or in the policy model if a lab cannot run here.
    Best,
    Model,
    Lab,
    /// As `verdikt run --on` accepts it.
    Cluster(String),
}

/// A value of the environment that is not supported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error(
        "cannot run on `{0}`, which {ON} names; there are lab, model, kind[:PROFILE] and cluster[:CONTEXT]"
    )]
    Backend(String),
    #[error("cannot predict for Cilium `{0}`, which {CILIUM} names; there are {all}", all = CiliumVersion::all_named())]
    Version(String),
}

impl RequestedBackend {
    /// The value of the environment.
    pub(crate) fn of_environment() -> Result<Self, EnvironmentError> {
        match env::var(ON) {
            Ok(text) => Self::of_text(&text),
            Err(_) => Ok(Self::Best),
        }
    }

    fn of_text(text: &str) -> Result<Self, EnvironmentError> {
        match text.split(':').next() {
            Some("") => Ok(Self::Best),
            Some("lab") if text == "lab" => Ok(Self::Lab),
            Some("model") if text == "model" => Ok(Self::Model),
            Some("kind" | "cluster") => Ok(Self::Cluster(text.to_owned())),
            _ => Err(EnvironmentError::Backend(text.to_owned())),
        }
    }
}

/// The Cilium version that the environment chooses.
pub(crate) fn version_of_environment() -> Result<Option<CiliumVersion>, EnvironmentError> {
    match env::var(CILIUM) {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|_| EnvironmentError::Version(text)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing("", Some(RequestedBackend::Best))]
    #[case::lab("lab", Some(RequestedBackend::Lab))]
    #[case::model("model", Some(RequestedBackend::Model))]
    #[case::profile("kind:audit", Some(RequestedBackend::Cluster("kind:audit".to_owned())))]
    #[case::current_context("cluster", Some(RequestedBackend::Cluster("cluster".to_owned())))]
    #[case::misspelt("labs", None)]
    #[case::too_much("lab:here", None)]
    fn environment(#[case] text: &str, #[case] expected: Option<RequestedBackend>) {
        assert_eq!(RequestedBackend::of_text(text).ok(), expected);
    }
}
