//! Why a server cannot be asked, and what to do.

use std::error::Error;
use std::io;
use std::time::Duration;

use tonic::{Code, Status};

use super::source::FlowServer;

/// Why a server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection can be made.
    #[error("cannot connect to Hubble of {server}: {reason}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// One side does not accept the other's certificate.
    #[error("cannot connect to Hubble of {server}: {problem}")]
    Certificate {
        /// The server.
        server: String,
        /// Whose certificate, why not, and what to do.
        problem: String,
    },
    /// It does not answer.
    #[error("Hubble of {server} has not answered within {} s", .within.as_secs_f64())]
    Silent {
        /// The server.
        server: String,
        /// How long it had.
        within: Duration,
    },
    /// It answers with an error, or with something that is not an answer of Hubble.
    #[error("Hubble of {server} answers with an error: {reason}")]
    Failed {
        /// The server.
        server: String,
        /// What.
        reason: String,
    },
}

/// An error while connecting.
pub(super) fn connecting(source: &FlowServer, error: &tonic::transport::Error) -> ClientError {
    of_tls(source, error)
        .unwrap_or_else(|| ClientError::Unreachable { server: source.to_string(), reason: reason(error) })
}

/// What was asked on a connection before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBefore {
    Nothing,
    Something,
}

/// The error of an answer. If it answers the first request on a connection, it may show what the server is.
pub(super) fn answered(source: &FlowServer, status: &Status, asked: AskedBefore) -> ClientError {
    if let Some(error) = of_tls(source, status) {
        return error;
    }
    let server = source.to_string();
    match (status.code(), status.source()) {
        (Code::Unimplemented, _) => {
            let reason =
                "it is a gRPC server, but not Hubble; ask the agent's port (4244) or Relay".to_owned();
            ClientError::Failed { server, reason }
        }
        (Code::Unavailable, Some(_)) => ClientError::Unreachable { server, reason: reason(status) },
        (_, Some(cause)) => {
            let hint = match source.tls {
                None if asked == AskedBefore::Nothing => "; the port may be another program's, or want TLS",
                _ => "",
            };
            ClientError::Failed { server, reason: reason(cause) + hint }
        }
        (code, None) => ClientError::Failed { server, reason: format!("{code:?}: {}", status.message()) },
    }
}

/// The causes of an error, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `source()` of an I/O error skips the error that it wraps; here that comes first.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// The innermost cause, which is the most specific.
fn reason(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// The names of alerts with which a server refuses a client's certificate.
/// <https://www.iana.org/assignments/tls-parameters/tls-parameters.xhtml#tls-parameters-6>
const CERTIFICATE_ALERTS: &[&str] = &[
    "AccessDenied",
    "BadCertificate",
    "CertificateExpired",
    "CertificateRevoked",
    "CertificateUnknown",
    "DecryptError",
    "UnknownCA",
    "UnsupportedCertificate",
];

fn of_tls(source: &FlowServer, error: &(dyn Error + 'static)) -> Option<ClientError> {
    let tls = source.tls.as_ref()?;
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    // A server checks the client's certificate after the client considers itself connected. The HTTP/2 library keeps
    // only the text of that error.
    let text = reason(error);
    let problem = match (cause, text.strip_prefix("received fatal alert: ")) {
        (Some(rustls::Error::InvalidCertificate(why)), _) => format!(
            "its certificate is not accepted ({why}); it must be for `{}`, and signed by one of the given authorities",
            tls.server_name
        ),
        (_, Some("CertificateRequired")) => "it wants a client certificate, and none was given".to_owned(),
        (_, Some(alert)) if CERTIFICATE_ALERTS.contains(&alert) => format!(
            "it does not accept the client certificate ({alert}); give one that the server's authority has signed"
        ),
        (_, Some(alert)) => format!("it ends the TLS connection ({alert})"),
        (Some(other), None) => format!("no TLS connection: {other}"),
        (None, None) => return None,
    };
    Some(ClientError::Certificate { server: source.to_string(), problem })
}
