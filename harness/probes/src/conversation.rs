//! The connection to one probe: it sends orders and receives reports, one a line.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{Order, Report};

/// An event of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConversationEvent {
    /// A report.
    Report(Report),
    /// The probe has ended, or its output is malformed; the reason.
    Gone(String),
}

/// An endpoint with the unique number of its connection, so that late reports of a removed probe are not taken for those
/// of the next one.
pub(crate) type Speaker = (Endpoint, u64);

/// A connection that lasts until this is dropped or the probe ends.
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
    /// Starts it over the probe's output and input. Reports go to `heard`; when the probe has ended, `exit_reason` may say
    /// why.
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
                // If reading and writing both fail, the reason of the reader says more.
                biased;
                end = read(output, &speaker, &heard) => end,
                end = write(received, input) => end,
            };
            let reason = exit_reason.await.map_or(end.clone(), |more| format!("{end}: {more}"));
            // The receiver is gone only while the run ends.
            let _ = heard.send((speaker, ConversationEvent::Gone(reason)));
        });
        Self { orders, task }
    }

    /// Sends an order. If the probe has ended, [`ConversationEvent::Gone`] reports it.
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
            return format!("cannot send it an order: {error}");
        }
    }
    "it was removed".to_owned()
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
                // The receiver is gone only when the connection ends.
                Ok(report) => drop(heard.send((speaker.clone(), ConversationEvent::Report(report)))),
                Err(error) => return format!("its output is not a report: {error}"),
            },
            Ok(None) => return "the stream to it has ended".to_owned(),
            Err(error) => return format!("the stream to it broke: {error}"),
        }
    }
}
