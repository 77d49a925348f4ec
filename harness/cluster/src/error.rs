//! Errors of requests to the API server.

use std::error::Error;
use std::time::Duration;

use verdikt_platform::limit::Limit;

/// Why the API server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// It is not reachable, or the connection broke.
    #[error("cannot {what}: cannot reach the API server at {server}: {reason}")]
    Unreachable {
        /// What was asked.
        what: String,
        /// The address of the server.
        server: String,
        /// What the connection failed with.
        reason: String,
    },
    /// It did not answer in time.
    #[error("cannot {what}: the API server at {server} did not answer within {} s; is it overloaded, or does a firewall drop the connection?", after.as_secs_f64())]
    Slow {
        /// What was asked.
        what: String,
        /// The address of the server.
        server: String,
        /// The timeout.
        after: Duration,
    },
    /// It does not accept the credentials (401).
    #[error(
        "cannot {what}: the API server at {server} does not accept the credentials of context `{context}`; they may have expired: log in again, or renew the client certificate or token"
    )]
    Credentials {
        /// What was asked.
        what: String,
        /// The address of the server.
        server: String,
        /// The context.
        context: String,
    },
    /// The credentials do not allow it (403).
    #[error("cannot {what}: {reason}; grant it, for example with clusters/rbac.yaml")]
    Forbidden {
        /// What was asked.
        what: String,
        /// What the server says.
        reason: String,
    },
    /// The object, or its kind, does not exist (404).
    #[error("cannot {what}: {reason}")]
    Absent {
        /// What was asked.
        what: String,
        /// What the server says.
        reason: String,
    },
    /// The server, or an admission webhook of the cluster, refuses the request.
    #[error("cannot {what}: the API server says: {reason}")]
    Refused {
        /// What was asked.
        what: String,
        /// What the server says.
        reason: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is malformed.
    #[error("cannot {what}: cannot read the answer of the API server at {server}: {reason}")]
    Garbled {
        /// What was asked.
        what: String,
        /// The address of the server.
        server: String,
        /// Why not.
        reason: String,
    },
}

impl ApiError {
    /// Whether the object does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Whether it conflicts with another change (409).
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// Whether a retry may succeed, as while the server restarts or the network is interrupted.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// The request that failed: the parts of an error's text that the response does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiRequest<'a> {
    pub(crate) what: &'a str,
    pub(crate) server: &'a str,
    pub(crate) context: &'a str,
}

impl ApiRequest<'_> {
    /// Classifies a failed call.
    pub(crate) fn failed(self, error: &kube::Error) -> ApiError {
        let (what, server) = (self.what.to_owned(), self.server.to_owned());
        match error {
            kube::Error::Api(status) => {
                let reason = [&status.message, &status.reason].into_iter().find(|text| !text.is_empty());
                let reason = reason.map_or_else(|| format!("HTTP status {}", status.code), Clone::clone);
                match status.code {
                    401 => ApiError::Credentials { what, server, context: self.context.to_owned() },
                    // Webhooks, quotas and Pod Security refuse with the same status.
                    403 if reason.contains("User ") && reason.contains(" cannot ") => {
                        ApiError::Forbidden { what, reason }
                    }
                    404 => ApiError::Absent { what, reason },
                    status => ApiError::Refused { what, reason, status },
                }
            }
            kube::Error::Auth(_) => ApiError::Credentials { what, server, context: self.context.to_owned() },
            kube::Error::Service(error) if error.is::<kube::client::AuthError>() => {
                ApiError::Credentials { what, server, context: self.context.to_owned() }
            }
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                ApiError::Garbled { what, server, reason: innermost(error) }
            }
            other => {
                let limit = Limit::of(other).map(|limit| format!("; {limit}")).unwrap_or_default();
                ApiError::Unreachable { what, server, reason: innermost(other) + &limit }
            }
        }
    }
}

/// The text of the innermost error: those around it only say that something failed.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Further messages as a suffix: `; a; b`.
pub(crate) fn added(said: &[String]) -> String {
    said.iter().flat_map(|said| ["; ", said]).collect()
}

/// A list of names for a message: `a, b and c`.
pub(crate) fn list<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_connection_that_meets_a_limit_of_the_system_names_it() {
        let told = |number: i32| {
            let error = kube::Error::Service(Box::new(io::Error::from_raw_os_error(number)));
            ApiRequest { what: "list pods", server: "https://a:6443", context: "a" }
                .failed(&error)
                .to_string()
        };
        assert!(told(24).contains("(RLIMIT_NOFILE)"), "{}", told(24));
        assert!(!told(111).contains("RLIMIT"), "{}", told(111));
    }
}
