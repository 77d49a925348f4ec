//! Those who are told what agents tell, each from when it came.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::SourceReport;

/// Those who are told what agents tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribers(Arc<Mutex<Subscribed>>);

#[derive(Debug, Default)]
struct Subscribed {
    all: Vec<UnboundedSender<SourceReport>>,
    /// What was told last of those from whom no flows come.
    away: BTreeMap<String, SourceReport>,
}

impl Subscribers {
    /// Tells everybody, and remembers for those who come later that no flows do.
    pub(super) fn tell(&self, report: &SourceReport) {
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match report {
            SourceReport::Away { from, .. } | SourceReport::GivenUp { from, .. } => {
                subscribed.away.insert(from.clone(), report.clone());
            }
            SourceReport::Back { from } => drop(subscribed.away.remove(from)),
            SourceReport::Flow(_) | SourceReport::Lost(_) => {}
        }
        subscribed.all.retain(|tell| tell.send(report.clone()).is_ok());
    }

    /// What is told from now on.
    pub(super) fn subscribe(&self) -> UnboundedReceiver<SourceReport> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in subscribed.away.values() {
            // The receiver is here: it is not missed.
            let _ = tell.send(report.clone());
        }
        subscribed.all.push(tell);
        told
    }
}
