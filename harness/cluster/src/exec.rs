//! Runs commands in running containers.

pub(crate) mod session;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use self::session::{SessionEnd, SessionOutput, end};
use crate::connect::ApiConnection;
use crate::error::ApiError;
use tracing::debug;

/// The longest output that is read. The endpoint list of a full node is shorter.
const MOST_OUTPUT: u64 = 64 << 20;
/// The size of the buffer for output that is not yet read.
const BUFFER: usize = 256 << 10;

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodContainer {
    /// The namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
}

impl std::fmt::Display for PodContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}", self.namespace, self.pod))
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// It did not start.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It failed.
    #[error("`{command}` failed in pod {container}: {reason}")]
    Failed {
        /// The command.
        command: String,
        /// The container.
        container: PodContainer,
        /// What it wrote to standard error, or the kubelet's message.
        reason: String,
    },
    /// It took too long.
    #[error("`{command}` in pod {container} did not end within {} s", after.as_secs())]
    TimedOut {
        /// The command.
        command: String,
        /// The container.
        container: PodContainer,
        /// The timeout.
        after: Duration,
    },
}

/// Runs a command to its end and returns its standard output.
pub async fn output(
    connection: &ApiConnection,
    container: &PodContainer,
    command: &[&str],
    deadline: Duration,
) -> Result<String, ExecError> {
    let running = run(connection, container, command);
    let said = tokio::time::timeout(deadline, running).await.unwrap_or_else(|_| {
        Err(ExecError::TimedOut { command: command.join(" "), container: container.clone(), after: deadline })
    });
    said.inspect_err(|error| debug!(%error, "a command in a pod failed"))
}

async fn start(
    connection: &ApiConnection,
    container: &PodContainer,
    command: &[&str],
) -> Result<AttachedProcess, ApiError> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), &container.namespace);
    let parameters = AttachParams {
        container: Some(container.container.clone()),
        max_stdout_buf_size: Some(BUFFER),
        ..AttachParams::default()
    };
    let what = format!("run `{}` in pod {container}", command.join(" "));
    connection.ask(&what, pods.exec(&container.pod, command.iter().copied(), &parameters)).await
}

async fn run(
    connection: &ApiConnection,
    container: &PodContainer,
    command: &[&str],
) -> Result<String, ExecError> {
    let mut process = start(connection, container, command).await?;
    let end = end(&mut process);
    let (out, err) = (process.stdout(), process.stderr());
    let (out, err) = tokio::join!(text(out, &end), text(err, &end));
    match end.await {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(out),
        status => {
            let said = Some(err.trim().to_owned()).filter(|text| !text.is_empty());
            let reason = said.or(status.and_then(|status| status.message));
            let reason = reason.unwrap_or_else(|| "the connection to it broke".to_owned());
            Err(ExecError::Failed { command: command.join(" "), container: container.clone(), reason })
        }
    }
}

async fn text(stream: Option<impl AsyncRead + Unpin>, end: &SessionEnd) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // A broken stream ends the output; the status says whether the command succeeded.
        let read = SessionOutput::new(stream, end.clone()).take(MOST_OUTPUT).read_to_end(&mut bytes).await;
        if let Err(error) = read {
            debug!(%error, "the output of a command is incomplete");
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The output lines of a running command. Dropping it ends the command.
pub struct OutputLines {
    process: AttachedProcess,
    end: SessionEnd,
    printed: tokio::io::Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    command: String,
}

impl std::fmt::Debug for OutputLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("command", &self.command).finish_non_exhaustive()
    }
}

impl OutputLines {
    /// Starts a command.
    pub async fn of(
        connection: &ApiConnection,
        container: &PodContainer,
        command: &[&str],
    ) -> Result<Self, ApiError> {
        let mut process = start(connection, container, command).await?;
        let end = end(&mut process);
        let out: Box<dyn AsyncRead + Send + Unpin> = match process.stdout() {
            Some(out) => Box::new(SessionOutput::new(out, end.clone())),
            None => Box::new(tokio::io::empty()),
        };
        Ok(Self { process, end, printed: BufReader::new(out).lines(), command: command.join(" ") })
    }

    /// Waits for the next line; the error says why there are no more. Cancel-safe.
    pub async fn next(&mut self) -> Result<String, String> {
        match self.printed.next_line().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => {
                let error_output = text(self.process.stderr(), &self.end).await;
                let said = error_output.trim().lines().last().map(|said| format!(": {said}"));
                Err(format!("`{}` has ended{}", self.command, said.unwrap_or_default()))
            }
            Err(error) => Err(format!("the connection to `{}` broke: {error}", self.command)),
        }
    }
}
