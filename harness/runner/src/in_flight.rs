//! The attempts that probes are making, and the results of those that no probe can make.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use verdikt_scenario::observation::Outcome;
use verdikt_scenario::topology::Endpoint;
use verdikt_wire as wire;

use crate::backend::{AttemptNumber, BackendEvent, EndScope};
use crate::wire_words;

/// The attempts of a backend that are not over.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// The source of each attempt.
    sources: BTreeMap<AttemptNumber, Endpoint>,
    /// The results of attempts that cannot be made, until they are returned.
    refused: VecDeque<BackendEvent>,
}

impl InFlight {
    /// Records that the probe of `source` was sent the order for an attempt, or why it could not be.
    pub(crate) fn begin(&mut self, number: AttemptNumber, source: &Endpoint, told: Result<(), String>) {
        match told {
            Ok(()) => drop(self.sources.insert(number, source.clone())),
            Err(reason) => {
                let outcome = Outcome::NotAttempted(reason);
                self.refused.push_back(BackendEvent::Finished { number, outcome });
            }
        }
    }

    /// Ends an attempt or a stage of it early, unless it is over. `tell` sends the order to the probe.
    pub(crate) fn end(
        &self,
        number: AttemptNumber,
        scope: EndScope,
        tell: impl FnOnce(&Endpoint, wire::Order) -> bool,
    ) {
        let attempt = number.0;
        if let Some(source) = self.sources.get(&number) {
            let order = match scope {
                EndScope::Attempt => wire::Order::End { attempt },
                EndScope::Stage(local) => wire::Order::EndStage { attempt, local },
            };
            tell(source, order);
        }
    }

    /// The result of an attempt that cannot be made, each once.
    pub(crate) fn refused(&mut self) -> Option<BackendEvent> {
        self.refused.pop_front()
    }

    /// Translates a probe's report, and forgets the attempt that it finishes; none for reports that are about no attempt.
    /// `server` says where the probe's server of a number listens.
    pub(crate) fn backend_event(
        &mut self,
        report: wire::Report,
        server: impl Fn(u64) -> Vec<SocketAddr>,
    ) -> Option<BackendEvent> {
        let event = wire_words::backend_event(report, server)?;
        if let BackendEvent::Finished { number, .. } = &event {
            self.sources.remove(number);
        }
        Some(event)
    }
}
