//! The subscribers to the reports about agents.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::SourceReport;

/// The subscribers to the reports about agents. Each gets those since it subscribed.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribers(Arc<Mutex<Subscribed>>);

#[derive(Debug, Default)]
struct Subscribed {
    all: Vec<UnboundedSender<SourceReport>>,
    /// The last report about each agent that sends no flows.
    away: BTreeMap<String, SourceReport>,
}

impl Subscribers {
    /// Sends a report to all subscribers, and keeps it for later ones if an agent sends no flows.
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

    /// Subscribes to the reports from now on.
    pub(super) fn subscribe(&self) -> UnboundedReceiver<SourceReport> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in subscribed.away.values() {
            // The receiver still exists here.
            let _ = tell.send(report.clone());
        }
        subscribed.all.push(tell);
        told
    }
}
