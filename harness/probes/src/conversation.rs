//! The conversation with one probe: orders one way, reports the other, a line each.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{Order, Report};

/// What is heard of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConversationEvent {
    /// A report.
    Report(Report),
    /// It has ended, or says what cannot be understood; the reason.
    Gone(String),
}

/// An endpoint of a conversation, by a number that no later one has: what is left of a probe that was sent away is
/// not taken for the next one's.
pub(crate) type Speaker = (Endpoint, u64);

/// A conversation that goes on until this is dropped, or the probe ends.
#[derive(Debug)]
pub(crate) struct Conversation {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Conversation {
    /// Begins it, over the probe's output and input. What the probe says goes to `heard`; when it has ended, `exit_reason`
    /// may say more about why.
    pub(crate) fn begin(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        exit_reason: impl Future<Output = Option<String>> + Send + 'static,
        speaker: Speaker,
        heard: mpsc::UnboundedSender<(Speaker, ConversationEvent)>,
    ) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let end = tokio::select! {
                // A probe that has ended takes no orders either; that it has ended says more.
                biased;
                end = read(output, &speaker, &heard) => end,
                end = write(received, input) => end,
            };
            let reason = exit_reason.await.map_or(end.clone(), |more| format!("{end}: {more}"));
            // Nobody listens any more only while the run ends.
            let _ = heard.send((speaker, ConversationEvent::Gone(reason)));
        });
        Self { orders, task }
    }

    /// Tells the probe something. One that has ended is reported as [`ConversationEvent::Gone`].
    pub(crate) fn tell(&self, order: Order) {
        let _ = self.orders.send(order);
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
    heard: &mpsc::UnboundedSender<(Speaker, ConversationEvent)>,
) -> String {
    let mut lines = BufReader::with_capacity(16 << 10, output).lines();
    loop {
        match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                // Whoever listened goes only when the conversation ends.
                Ok(report) => drop(heard.send((speaker.clone(), ConversationEvent::Report(report)))),
                Err(error) => return format!("it says what no probe says: {error}"),
            },
            Ok(None) => return "the stream to it has ended".to_owned(),
            Err(error) => return format!("the stream to it broke: {error}"),
        }
    }
}
