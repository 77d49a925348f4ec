//! Signals that end a run on a cluster: it cleans up before the process ends.

use std::cell::Cell;
use std::future::pending;
use std::process::exit;

/// The exit code that shells report for an interrupted program.
const INTERRUPTED: i32 = 130;

/// Whether this process has received such a signal.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    asked: Cell<bool>,
}

impl Interrupts {
    /// Waits for a signal.
    pub(super) async fn asked(&self) {
        interrupt().await;
        self.asked.set(true);
    }

    /// Ends the process if it has received a signal; the run has been cleaned up.
    #[expect(clippy::print_stderr, reason = "whoever interrupted the tests reads it")]
    pub(super) fn obey(&self) {
        if self.asked.get() {
            eprintln!("interrupted: the cluster is cleaned up");
            exit(INTERRUPTED);
        }
    }
}

#[cfg(unix)]
async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // If handlers cannot be installed, signals end the process directly.
        return pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without handlers there is nothing to wait for.
        pending().await
    }
}
