//! The signals that end a run on a cluster: it cleans up before the process ends.

use std::cell::Cell;
use std::future::pending;
use std::process::exit;

/// As shells report a program that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// Whether this process was asked to end since this exists.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    asked: Cell<bool>,
}

impl Interrupts {
    /// Waits until the process is asked to end.
    pub(super) async fn asked(&self) {
        interrupt().await;
        self.asked.set(true);
    }

    /// Ends the process, if it was asked to end: what the run made is removed.
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
        // Where nobody can be listened to, signals end the process by themselves.
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
        // Where nobody can be listened to, nobody asks.
        pending().await
    }
}
