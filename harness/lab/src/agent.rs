//! The conversation with the agent of one endpoint.

use std::os::fd::OwnedFd;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use verdikt_probe::wire::{Order, Report};
use verdikt_scenario::topology::Endpoint;

/// What is heard of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A report.
    Report(Report),
    /// It has ended, or says what cannot be understood; the reason.
    Gone(String),
}

/// An agent that can be told something.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Its process.
    pub(crate) pid: u32,
    orders: mpsc::UnboundedSender<Order>,
}

impl Agent {
    /// Begins the conversation. What the agent says goes to `heard`, with its endpoint.
    pub(crate) fn start(
        pid: u32,
        orders: OwnedFd,
        reports: OwnedFd,
        endpoint: Endpoint,
        heard: mpsc::UnboundedSender<(Endpoint, Heard)>,
    ) -> std::io::Result<Self> {
        let input = pipe::Sender::from_owned_fd(orders)?;
        let output = pipe::Receiver::from_owned_fd(reports)?;
        let (orders, received) = mpsc::unbounded_channel();
        tokio::spawn(write(received, input));
        tokio::spawn(read(output, endpoint, heard));
        Ok(Self { pid, orders })
    }

    /// Tells it something. An agent that has ended is reported as [`Heard::Gone`].
    pub(crate) fn tell(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

async fn write(mut orders: mpsc::UnboundedReceiver<Order>, mut input: pipe::Sender) {
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
        if input.write_all(&lines).await.is_err() {
            return;
        }
    }
}

async fn read(output: pipe::Receiver, endpoint: Endpoint, heard: mpsc::UnboundedSender<(Endpoint, Heard)>) {
    let mut lines = BufReader::with_capacity(16 * 1024, output).lines();
    let end = loop {
        match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(report) => {
                    if heard.send((endpoint.clone(), Heard::Report(report))).is_err() {
                        return;
                    }
                }
                Err(error) => break format!("it says what no agent says: {error}"),
            },
            Ok(None) => break "it has ended".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    // Nobody listens any more only while the lab ends.
    let _ = heard.send((endpoint, Heard::Gone(end)));
}
