//! The agent of a pod: one session carries all its orders and reports.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::connect::Connection;
use crate::error::ApiError;
use crate::exec::Container;

/// Room for what one side sends before the other reads it.
const BUFFER: usize = 256 << 10;
/// How much of what an agent complains of is kept.
const MOST_COMPLAINTS: u64 = 4096;

/// An agent that was started.
pub(crate) struct Started<O, I, E> {
    /// What it writes.
    pub(crate) output: O,
    /// What it reads.
    pub(crate) input: I,
    /// When it has ended: why, if anybody says so.
    pub(crate) epitaph: E,
}

/// Starts the agent of a pod that runs, by one session that lasts as long as the agent.
pub(crate) async fn start(
    connection: &Connection,
    container: &Container,
    command: &[String],
) -> Result<
    Started<
        impl AsyncRead + Send + Unpin + use<>,
        impl AsyncWrite + Send + Unpin + use<>,
        impl Future<Output = Option<String>> + Send + use<>,
    >,
    ApiError,
> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), &container.namespace);
    let parameters = AttachParams {
        container: Some(container.container.clone()),
        stdin: true,
        max_stdin_buf_size: Some(BUFFER),
        max_stdout_buf_size: Some(BUFFER),
        ..AttachParams::default()
    };
    let what = format!("start the agent of pod {container}");
    let mut process = connection.ask(&what, pods.exec(&container.pod, command, &parameters)).await?;
    let (Some(output), Some(input)) = (process.stdout(), process.stdin()) else {
        let (server, reason) = (connection.server().to_owned(), "the session has no streams".to_owned());
        return Err(ApiError::Garbled { what, server, reason });
    };
    Ok(Started { output, input, epitaph: epitaph(process) })
}

async fn epitaph(mut process: AttachedProcess) -> Option<String> {
    let mut said = String::new();
    if let Some(complaints) = process.stderr() {
        // A stream that breaks ends the complaints.
        let _ = complaints.take(MOST_COMPLAINTS).read_to_string(&mut said).await;
    }
    let said = Some(said.trim().to_owned()).filter(|said| !said.is_empty());
    if said.is_some() {
        return said;
    }
    process.take_status()?.await?.message
}
