//! Starts the probe of a pod, and connects to it: one session carries all its orders and reports.

use std::io::Cursor;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, LogParams};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tracing::debug;
use verdikt_probes::probes::Probes;
use verdikt_scenario::topology::Endpoint;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::exec::PodContainer;
use crate::exec::session::{SessionEnd, SessionOutput, end};

/// The size of the buffers of a session.
const BUFFER: usize = 256 << 10;
/// How much of a probe's standard error is kept, in bytes.
const MOST_ERROR_OUTPUT: u64 = 4096;
/// The timeout for a running probe to report that it is ready.
const READY: Duration = Duration::from_secs(15);

/// A started probe.
pub(crate) struct StartedProbe {
    output: Box<dyn AsyncRead + Send + Unpin>,
    input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Resolves when it has ended, with the reason if there is one.
    exit_reason: BoxFuture<'static, Option<String>>,
}

impl StartedProbe {
    /// Makes it the probe of an endpoint.
    pub(crate) fn join(self, probes: &mut Probes, endpoint: Endpoint) {
        probes.add(endpoint, self.output, self.input, self.exit_reason);
    }
}

/// Starts the probe of a running pod, in a session that lasts as long as the probe.
pub(crate) async fn start(
    connection: &ApiConnection,
    container: &PodContainer,
    command: &[String],
) -> Result<StartedProbe, ApiError> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), &container.namespace);
    let what = format!("start the probe of pod {container}");
    let process = connection.ask(&what, pods.exec(&container.pod, command, &session(container))).await?;
    talk(connection, what, process)
}

/// Attaches to a probe that is a container of its own, and that ends with this session.
pub(crate) async fn attach(
    connection: &ApiConnection,
    container: &PodContainer,
) -> Result<StartedProbe, ApiError> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), &container.namespace);
    let said = first_report(connection, &pods, container).await?;
    let what = format!("attach to the probe of pod {container}");
    let process = connection.ask(&what, pods.attach(&container.pod, &session(container))).await?;
    let StartedProbe { output, input, exit_reason } = talk(connection, what, process)?;
    Ok(StartedProbe { output: Box::new(Cursor::new(said).chain(output)), input, exit_reason })
}

/// Reads a probe's first report from the container's log, because attaching shows only later output. It is the only
/// report before the first order.
async fn first_report(
    connection: &ApiConnection,
    pods: &Api<Pod>,
    container: &PodContainer,
) -> Result<String, ApiError> {
    let what = format!("read the first report of the probe of pod {container}");
    let parameters =
        LogParams { container: Some(container.container.clone()), follow: true, ..LogParams::default() };
    let log = connection.ask(&what, pods.log_stream(&container.pod, &parameters)).await?;
    let mut lines = Box::pin(log).lines();
    let garbled = |reason: String| ApiError::Garbled {
        what: what.clone(),
        server: connection.server().to_owned(),
        reason,
    };
    match tokio::time::timeout(READY, lines.next()).await {
        Ok(Some(Ok(line))) => Ok(format!("{line}\n")),
        Ok(Some(Err(error))) => Err(garbled(error.to_string())),
        Ok(None) => Err(garbled("its log ends without a report".to_owned())),
        Err(_) => Err(garbled(format!("it did not report within {} s", READY.as_secs()))),
    }
}

fn session(container: &PodContainer) -> AttachParams {
    AttachParams {
        container: Some(container.container.clone()),
        stdin: true,
        max_stdin_buf_size: Some(BUFFER),
        max_stdout_buf_size: Some(BUFFER),
        ..AttachParams::default()
    }
}

fn talk(
    connection: &ApiConnection,
    what: String,
    mut process: AttachedProcess,
) -> Result<StartedProbe, ApiError> {
    let (Some(output), Some(input)) = (process.stdout(), process.stdin()) else {
        let (server, reason) = (connection.server().to_owned(), "the session has no streams".to_owned());
        return Err(ApiError::Garbled { what, server, reason });
    };
    let end = end(&mut process);
    let output = Box::new(SessionOutput::new(output, end.clone()));
    Ok(StartedProbe { output, input: Box::new(input), exit_reason: Box::pin(exit_reason(process, end)) })
}

async fn exit_reason(mut process: AttachedProcess, end: SessionEnd) -> Option<String> {
    let mut said = String::new();
    if let Some(error_output) = process.stderr() {
        // A broken stream ends the output.
        let read = SessionOutput::new(error_output, end.clone())
            .take(MOST_ERROR_OUTPUT)
            .read_to_string(&mut said)
            .await;
        if let Err(error) = read {
            debug!(%error, "the error output of a probe is incomplete");
        }
    }
    let said = Some(said.trim().to_owned()).filter(|said| !said.is_empty());
    if said.is_some() {
        return said;
    }
    end.await?.message
}
