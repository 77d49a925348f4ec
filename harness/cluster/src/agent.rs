//! The conversation with the agent of one endpoint: one stream carries all its orders and reports.

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use verdikt_probe::wire::{Order, Report};
use verdikt_scenario::topology::Endpoint;

use crate::connect::Connection;
use crate::error::ApiError;
use crate::exec::Container;

/// Room for what one side sends before the other reads it.
const BUFFER: usize = 256 << 10;
/// How much of what an agent complains of is kept.
const MOST_COMPLAINTS: u64 = 4096;

/// What is heard of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A report.
    Report(Report),
    /// It has ended, or says what cannot be understood; the reason.
    Gone(String),
}

/// An endpoint of a conversation, by a number that no later one has: what is left of an agent that was sent away is not
/// taken for the next one's.
pub(crate) type Speaker = (Endpoint, u64);

/// An agent that can be told something. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    orders: mpsc::UnboundedSender<Order>,
    conversation: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.conversation.abort();
    }
}

impl Agent {
    /// Starts the agent of a pod that runs, by one session that lasts as long as the agent.
    pub(crate) async fn start(
        connection: &Connection,
        container: &Container,
        command: &[String],
        speaker: Speaker,
        heard: mpsc::UnboundedSender<(Speaker, Heard)>,
    ) -> Result<Self, ApiError> {
        let pods: Api<Pod> = Api::namespaced(connection.client().clone(), &container.namespace);
        let parameters = AttachParams {
            container: Some(container.container.clone()),
            stdin: true,
            max_stdin_buf_size: Some(BUFFER),
            max_stdout_buf_size: Some(BUFFER),
            ..AttachParams::default()
        };
        let what = format!("start the agent of pod {container}");
        let process = connection.ask(&what, pods.exec(&container.pod, command, &parameters)).await?;
        let (orders, received) = mpsc::unbounded_channel();
        let conversation = tokio::spawn(in_pod(process, received, speaker, heard));
        Ok(Self { orders, conversation })
    }

    /// The agent at the other end of these streams, wherever it runs.
    pub(crate) fn over(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        speaker: Speaker,
        heard: mpsc::UnboundedSender<(Speaker, Heard)>,
    ) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let conversation = tokio::spawn(async move {
            let end = converse(output, input, received, &speaker, &heard).await;
            let _ = heard.send((speaker, Heard::Gone(end)));
        });
        Self { orders, conversation }
    }

    /// Tells it something. An agent that has ended is reported as [`Heard::Gone`].
    pub(crate) fn tell(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

async fn in_pod(
    mut process: AttachedProcess,
    received: mpsc::UnboundedReceiver<Order>,
    speaker: Speaker,
    heard: mpsc::UnboundedSender<(Speaker, Heard)>,
) {
    let (Some(output), Some(input)) = (process.stdout(), process.stdin()) else { return };
    let complaints = process.stderr();
    let status = process.take_status();
    let end = converse(output, input, received, &speaker, &heard).await;
    let mut said = String::new();
    if let Some(complaints) = complaints {
        // A stream that breaks ends the complaints.
        let _ = complaints.take(MOST_COMPLAINTS).read_to_string(&mut said).await;
    }
    let status = match status {
        Some(status) => status.await.and_then(|status| status.message),
        None => None,
    };
    let said = Some(said.trim().to_owned()).filter(|said| !said.is_empty());
    let reason = said.or(status).map_or(end.clone(), |said| format!("{end}: {said}"));
    // Nobody listens any more only while the run ends.
    let _ = heard.send((speaker, Heard::Gone(reason)));
}

/// Carries orders and reports until one of the streams ends; why it did.
async fn converse(
    output: impl AsyncRead + Unpin,
    input: impl AsyncWrite + Unpin,
    received: mpsc::UnboundedReceiver<Order>,
    speaker: &Speaker,
    heard: &mpsc::UnboundedSender<(Speaker, Heard)>,
) -> String {
    tokio::select! {
        end = read(output, speaker, heard) => end,
        end = write(received, input) => end,
    }
}

async fn write(mut orders: mpsc::UnboundedReceiver<Order>, mut input: impl AsyncWrite + Unpin) -> String {
    let mut lines = Vec::new();
    while let Some(order) = orders.recv().await {
        lines.clear();
        let mut next = Some(order);
        while let Some(order) = next {
            if serde_json::to_writer(&mut lines, &order).is_ok() {
                lines.push(b'\n');
            }
            next = orders.try_recv().ok();
        }
        let written = match input.write_all(&lines).await {
            Ok(()) => input.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            return format!("it takes no orders: {error}");
        }
    }
    "it was sent away".to_owned()
}

async fn read(
    output: impl AsyncRead + Unpin,
    speaker: &Speaker,
    heard: &mpsc::UnboundedSender<(Speaker, Heard)>,
) -> String {
    let mut lines = BufReader::with_capacity(16 << 10, output).lines();
    loop {
        match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(report) => drop(heard.send((speaker.clone(), Heard::Report(report)))),
                Err(error) => return format!("it says what no agent says: {error}"),
            },
            Ok(None) => return "the stream to it has ended".to_owned(),
            Err(error) => return format!("the stream to it broke: {error}"),
        }
    }
}
