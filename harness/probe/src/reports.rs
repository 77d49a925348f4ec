//! Writes reports: servers and attempts have a [`Reporter`] each, and one task writes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use verdikt_wire::Report;

/// How many reports are written at once at most.
const AT_ONCE: usize = 64;

/// A report that waits to be written.
pub(crate) struct WaitingReport {
    report: Report,
    /// Notified when it has been written.
    written: Option<oneshot::Sender<()>>,
}

/// Queues reports, without bound: a slow reader loses none.
#[derive(Clone)]
pub(crate) struct Reporter {
    queue: mpsc::UnboundedSender<WaitingReport>,
}

/// Creates a reporter, and the receiver for [`write`].
pub(crate) fn channel() -> (Reporter, mpsc::UnboundedReceiver<WaitingReport>) {
    let (queue, reports) = mpsc::unbounded_channel();
    (Reporter { queue }, reports)
}

impl Reporter {
    /// Queues a report. It is dropped if the writer is gone, for then the reader is gone too.
    pub(crate) fn tell(&self, report: Report) {
        let _ = self.queue.send(WaitingReport { report, written: None });
    }

    /// Queues a report, and returns when it has been written.
    pub(crate) async fn tell_first(&self, report: Report) {
        let (written, leaves) = oneshot::channel();
        // As above.
        let _ = self.queue.send(WaitingReport { report, written: Some(written) });
        let _ = leaves.await;
    }
}

/// Writes reports in order, until every [`Reporter`] is dropped.
pub(crate) async fn write(
    mut reports: mpsc::UnboundedReceiver<WaitingReport>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut text = Vec::new();
    while reports.recv_many(&mut waiting, AT_ONCE).await > 0 {
        for WaitingReport { report, .. } in &waiting {
            serde_json::to_writer(&mut text, report)?;
            text.push(b'\n');
        }
        output.write_all(&text).await?;
        output.flush().await?;
        text.clear();
        for WaitingReport { written, .. } in waiting.drain(..) {
            written.map(|written| written.send(()));
        }
    }
    Ok(())
}

/// A duration in microseconds, for reports.
pub(crate) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
