//! Attempts that are not answered although nothing denies them.

use crate::attempt::{Attempt, Target};
use crate::topology::{Endpoint, Resolved, Topology};

impl Topology {
    /// Whether an attempt goes only to endpoints that never answer, or is a message that needs no answer.
    pub fn is_unanswered(&self, attempt: &Attempt) -> bool {
        if matches!(attempt.plain(), Attempt::IcmpMessage { .. }) {
            return true;
        }
        let through = |service| match (attempt.protocol(), attempt.port()) {
            (Some(protocol), Some(port)) => {
                self.behind(service, protocol, port).into_iter().map(|(backend, _)| backend).collect()
            }
            _ => self.backends(service),
        };
        let ends: Vec<Endpoint> = match attempt.target() {
            None => return false,
            Some(Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint)) => {
                let led = self.led_by_host_port(attempt).map(|(pod, _)| pod);
                vec![led.unwrap_or_else(|| endpoint.clone())]
            }
            Some(Target::Backend { backend, .. } | Target::Over { backend: Some(backend), .. }) => {
                vec![backend.clone()]
            }
            Some(Target::Service(service) | Target::Over { service, backend: None, .. }) => through(service),
            Some(Target::Name(name)) => match self.resolve(name) {
                Some(Resolved::World(host)) => vec![Endpoint::World(host)],
                Some(Resolved::Service(service)) if self.is_headless(&service) => self.backends(&service),
                Some(Resolved::Service(service)) => through(&service),
                None => Vec::new(),
            },
        };
        !ends.is_empty() && ends.iter().all(|end| self.silent.contains(end))
    }
}
