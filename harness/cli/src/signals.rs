//! The signals that ask this process to end: an interrupt, a termination, and the end of its terminal.
//!
//! They end it at once, with the exit code for it, unless a command holds them because it has to clean up or to finish
//! writing. Such a command polls for the signal, and its own exit code counts.

#[cfg(unix)]
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
#[cfg(unix)]
use std::task::Poll;

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit;

/// The signals of the process.
static SIGNALS: OnceLock<Signals> = OnceLock::new();

#[derive(Debug)]
struct Signals {
    numbers: Vec<i32>,
    asked: Arc<AtomicBool>,
    at_once: Arc<AtomicBool>,
}

/// Begins to listen, without a thread: a process with two of them cannot enter a user namespace.
pub(crate) fn install() -> io::Result<()> {
    let signals = Signals {
        numbers: numbers(),
        asked: Arc::new(AtomicBool::new(false)),
        at_once: Arc::new(AtomicBool::new(true)),
    };
    for number in &signals.numbers {
        // In this order: a process that ends at once needs no flag.
        flag::register_conditional_shutdown(
            *number,
            exit::MACHINE_FAILED.into(),
            Arc::clone(&signals.at_once),
        )?;
        flag::register(*number, Arc::clone(&signals.asked))?;
    }
    // Installing them a second time changes nothing.
    let _ = SIGNALS.set(signals);
    Ok(())
}

/// The signals that are listened to.
#[cfg(not(unix))]
fn numbers() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// The signals that are listened to. A hang-up that is ignored from the start (`nohup`) stays ignored.
#[cfg(unix)]
fn numbers() -> Vec<i32> {
    // If it cannot be read, no signal is taken for ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let ignores = |number: i32| ignored >> (number - 1) & 1 == 1;
    let mut numbers = vec![SIGINT, SIGTERM];
    if !ignores(SIGHUP) {
        numbers.push(SIGHUP);
    }
    numbers
}

/// While this lives no signal ends the process by itself.
#[derive(Debug)]
pub(crate) struct HeldSignals {
    numbers: &'static [i32],
    asked: Arc<AtomicBool>,
}

/// Holds the signals. Only one part of the process does so at a time.
pub(crate) fn hold() -> HeldSignals {
    let Some(signals) = SIGNALS.get() else {
        return HeldSignals { numbers: &[], asked: Arc::default() };
    };
    signals.at_once.store(false, Ordering::SeqCst);
    HeldSignals { numbers: &signals.numbers, asked: Arc::clone(&signals.asked) }
}

impl HeldSignals {
    /// Whether a signal has asked the process to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// The flag that is set once a signal has asked the process to end.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Waits until a signal asks the process to end.
    #[cfg(not(unix))]
    pub(crate) async fn asked(&self) {
        // Without a listener no signal arrives.
        if self.numbers.is_empty() || tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until a signal asks the process to end.
    #[cfg(unix)]
    pub(crate) async fn asked(&self) {
        let mut streams: Vec<Signal> =
            self.numbers.iter().filter_map(|number| signal(SignalKind::from_raw(*number)).ok()).collect();
        poll_fn(|context| {
            let woken = streams.iter_mut().any(|stream| stream.poll_recv(context).is_ready());
            if woken || self.is_asked() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        if let Some(signals) = SIGNALS.get() {
            signals.at_once.store(true, Ordering::SeqCst);
        }
    }
}
