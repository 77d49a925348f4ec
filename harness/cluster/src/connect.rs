//! The connection to the cluster of a kubeconfig context.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tracing::debug;

use crate::error::{ApiError, ApiRequest, innermost, list};

/// The timeout of one request.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(15);
/// The timeout for connecting.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Selects the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextChoice {
    /// The context; none means the current one.
    pub context: Option<String>,
    /// The kubeconfig; none means that of `KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no kubeconfig.
    #[error("there is no kubeconfig at {}: set KUBECONFIG, or create a cluster with `verdikt cluster up`", path.display())]
    NoKubeconfig {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The kubeconfig cannot be read.
    #[error("cannot use the kubeconfig: {reason}")]
    Kubeconfig {
        /// Why.
        reason: String,
    },
    /// The kubeconfig has no current context.
    #[error("the kubeconfig has no current context; name one of its contexts: {}", list(known))]
    NoContext {
        /// The contexts it has.
        known: Vec<String>,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context `{context}`; it has {}", list(known))]
    UnknownContext {
        /// The one asked for.
        context: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// The credential plugin fails.
    #[error(
        "cannot load the credentials of context `{context}`: {reason}; log in again, or install the program that the kubeconfig names"
    )]
    Login {
        /// The context.
        context: String,
        /// Why.
        reason: String,
    },
    /// The API server does not answer, or refuses.
    #[error(transparent)]
    Api(ApiError),
}

/// A connection to an API server that answers.
#[derive(Clone)]
pub struct ApiConnection {
    client: kube::Client,
    server: String,
    context: String,
    deadline: Duration,
}

impl std::fmt::Debug for ApiConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl ApiConnection {
    /// Connects to a cluster. Returns the connection and the Kubernetes version of its API server.
    pub async fn open(wanted: &ContextChoice) -> Result<(Self, String), ConnectError> {
        let kubeconfig = read(wanted)?;
        let context = choose(&kubeconfig, wanted.context.as_deref())?;
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let configured = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = configured.map_err(|error| ConnectError::Kubeconfig { reason: full(&error) })?;
        config.connect_timeout = Some(CONNECT_DEADLINE);
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = match kube::Client::try_from(config) {
            Ok(client) => client,
            Err(kube::Error::Auth(error)) => return Err(login(context, &error)),
            Err(error) => return Err(ConnectError::Kubeconfig { reason: full(&error) }),
        };
        let connection = Self { client, server, context, deadline: REQUEST_DEADLINE };
        let version = connection.version().await?;
        Ok((connection, version))
    }

    /// A connection over an existing client.
    pub fn over(client: kube::Client, server: &str, context: &str, deadline: Duration) -> Self {
        Self { client, server: server.to_owned(), context: context.to_owned(), deadline }
    }

    async fn version(&self) -> Result<String, ConnectError> {
        let asked = self.asked("ask for the version of Kubernetes");
        match tokio::time::timeout(self.deadline, self.client.apiserver_version()).await {
            Ok(Ok(version)) => Ok(version.git_version),
            Ok(Err(kube::Error::Auth(error))) => Err(login(self.context.clone(), &error)),
            Ok(Err(error)) => Err(ConnectError::Api(asked.failed(&error))),
            Err(_) => Err(ConnectError::Api(self.slow(asked.what))),
        }
    }

    /// Awaits one call, at most for [`REQUEST_DEADLINE`]. `what` completes "cannot …".
    pub(crate) async fn ask<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ApiError> {
        let began = Instant::now();
        let answer = match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.asked(what).failed(&error)),
            Err(_) => Err(self.slow(what)),
        };
        let took = began.elapsed();
        match &answer {
            Ok(_) => debug!(what, ?took, "asked the API server"),
            Err(error) => debug!(what, ?took, %error, "a request to the API server failed"),
        }
        answer
    }

    fn asked<'a>(&'a self, what: &'a str) -> ApiRequest<'a> {
        ApiRequest { what, server: &self.server, context: &self.context }
    }

    fn slow(&self, what: &str) -> ApiError {
        ApiError::Slow { what: what.to_owned(), server: self.server.clone(), after: self.deadline }
    }

    /// The client.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The context.
    pub fn context(&self) -> &str {
        &self.context
    }
}

fn read(wanted: &ContextChoice) -> Result<Kubeconfig, ConnectError> {
    let read = wanted.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    read.map_err(|error| match error {
        KubeconfigError::ReadConfig(cause, path) if cause.kind() == std::io::ErrorKind::NotFound => {
            ConnectError::NoKubeconfig { path }
        }
        KubeconfigError::FindPath => ConnectError::NoKubeconfig { path: "~/.kube/config".into() },
        // The parser's message shows the line, which may contain a password.
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|it| format!(" in line {}, column {}", it.line(), it.column()));
            let place = place.unwrap_or_default();
            ConnectError::Kubeconfig { reason: format!("it is not YAML that describes contexts{place}") }
        }
        other => ConnectError::Kubeconfig { reason: full(&other) },
    })
}

fn choose(kubeconfig: &Kubeconfig, wanted: Option<&str>) -> Result<String, ConnectError> {
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let current = kubeconfig.current_context.as_deref().filter(|current| !current.is_empty());
    match wanted.or(current) {
        None => Err(ConnectError::NoContext { known }),
        Some(context) if known.iter().any(|name| name == context) => Ok(context.to_owned()),
        Some(context) => Err(ConnectError::UnknownContext { context: context.to_owned(), known }),
    }
}

fn login(context: String, error: &dyn std::error::Error) -> ConnectError {
    ConnectError::Login { context, reason: error.to_string() }
}

/// An error with all of its causes as text.
fn full(error: &dyn std::error::Error) -> String {
    let (own, cause) = (error.to_string(), innermost(error));
    if own.contains(&cause) { own } else { format!("{own}: {cause}") }
}
