//! Translation of attempts and outcomes to and from the probes' messages.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use verdikt_probes::addresses::Addresses;
use verdikt_scenario::attempt::{Attempt, IpFamily, Scheme, Target};
use verdikt_scenario::name::DnsName;
use verdikt_scenario::observation::{Outcome, StageKind};
use verdikt_scenario::topology::{Endpoint, Port, Protocol};
use verdikt_wire as wire;

use crate::backend::{AttemptNumber, BackendEvent};

/// What an order needs beside its attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownToOrders<'a> {
    pub(crate) addresses: &'a Addresses,
    /// The attempts whose connections are kept.
    pub(crate) kept: &'a BTreeSet<Attempt>,
    /// Whom the source trusts; none where it takes any certificate.
    pub(crate) trusts: Option<&'a wire::WireTrust>,
}

/// The order for the probe of a source; the reason if the attempt cannot be made.
pub(crate) fn order(
    number: AttemptNumber,
    source: &Endpoint,
    attempt: &Attempt,
    timeout: Duration,
    known: KnownToOrders<'_>,
) -> Result<wire::Order, String> {
    let (keep, trusts) = (known.kept.contains(attempt), known.trusts);
    let of_family = attempt.family().map(|family| known.addresses.of_family(family));
    let known = of_family.as_ref().unwrap_or(known.addresses);
    let targets = WireTargets { source, family: attempt.family(), known };
    let action = match attempt.kept().unwrap_or(attempt).plain() {
        _ if attempt.kept().is_some() => wire::Action::Kept { name: name_of_kept(attempt) },
        Attempt::Connect { protocol, target: to, port } => {
            let (target, port) = targets.socket(to, *protocol, *port)?;
            match protocol {
                Protocol::Tcp if keep => wire::Action::Keep { target, port, name: name_of_kept(attempt) },
                Protocol::Tcp => wire::Action::Tcp { target, port },
                Protocol::Udp => wire::Action::Udp { target, port },
                Protocol::Sctp => wire::Action::Sctp { target, port },
            }
        }
        Attempt::Ping { target } => wire::Action::Ping { target: targets.host(target)? },
        Attempt::IcmpMessage { target, kind } => {
            wire::Action::Icmp { target: targets.host(target)?, kind: *kind }
        }
        Attempt::Dns { name, protocol } => {
            wire::Action::Dns { name: format!("{name}."), tcp: *protocol == Protocol::Tcp }
        }
        Attempt::Http { target: to, port, request } => {
            let (target, port) = targets.socket(to, Protocol::Tcp, *port)?;
            wire::Action::Http {
                target,
                port,
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                tls: request.scheme == Scheme::Https,
                trusts: trusts.filter(|_| request.scheme == Scheme::Https).cloned(),
            }
        }
        // Neither is ever plain.
        Attempt::OfFamily { .. } | Attempt::Kept { .. } => {
            return Err("it names two families of addresses".to_owned());
        }
    };
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    Ok(wire::Order::Attempt(wire::WireAttempt { attempt: number.0, action, timeout }))
}

/// The name under which a probe keeps the connection of an attempt.
fn name_of_kept(attempt: &Attempt) -> String {
    attempt.kept().unwrap_or(attempt).to_string()
}

/// Translates targets for the probe of a source.
struct WireTargets<'a> {
    source: &'a Endpoint,
    /// The family that the attempt is bound to.
    family: Option<IpFamily>,
    known: &'a Addresses,
}

impl WireTargets<'_> {
    fn socket(
        &self,
        target: &Target,
        protocol: Protocol,
        port: Port,
    ) -> Result<(wire::WireTarget, u16), String> {
        let found = match target {
            // The names of a table are whole, and are asked for as they are.
            Target::Name(name) => return Ok((self.by_name(name), port.get())),
            Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint) => {
                self.address(endpoint).map(|address| SocketAddr::new(address, port.get()))
            }
            Target::Backend { service, backend } if self.known.backends.is_empty() => {
                return Err(format!(
                    "no client can choose {backend} among the backends of {service}; only the model and the lab can"
                ));
            }
            Target::Service(_) | Target::Backend { .. } | Target::Over { .. } => {
                self.known.way_through(self.source, target, protocol, port)
            }
        };
        let found = found.map(|found| (wire::WireTarget::Address(found.ip()), found.port()));
        found.ok_or_else(|| self.unreachable(target))
    }

    /// The target of an ICMP message, which has no port.
    fn host(&self, target: &Target) -> Result<wire::WireTarget, String> {
        match target {
            Target::Name(name) => Ok(self.by_name(name)),
            Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint) => {
                self.address(endpoint).map(wire::WireTarget::Address).ok_or_else(|| self.unreachable(target))
            }
            Target::Service(_) | Target::Backend { .. } | Target::Over { .. } => {
                Err(self.unreachable(target))
            }
        }
    }

    fn by_name(&self, name: &DnsName) -> wire::WireTarget {
        let name = format!("{name}.");
        match self.family {
            None => wire::WireTarget::Name(name),
            Some(family) => wire::WireTarget::NameOverFamily { name, v6: family == IpFamily::V6 },
        }
    }

    fn address(&self, endpoint: &Endpoint) -> Option<IpAddr> {
        let addresses = self.known.endpoints.get(endpoint)?;
        self.known.reachable(self.source, addresses)
    }

    fn unreachable(&self, target: &Target) -> String {
        format!("{target} has no address that {} can reach", self.source)
    }
}

/// Translates a probe's report to a backend event; none for reports that are about no attempt. `server` says where the probe's server of a number listens.
pub(crate) fn backend_event(
    report: wire::Report,
    server: impl Fn(u64) -> Vec<SocketAddr>,
) -> Option<BackendEvent> {
    Some(match report {
        wire::Report::Bound(bound) => BackendEvent::Bound {
            number: AttemptNumber(bound.attempt),
            stage: match bound.stage {
                wire::WireStage::LookUp => StageKind::LookUp,
                wire::WireStage::Connect => StageKind::Connect,
                wire::WireStage::Request => StageKind::Request,
            },
            protocol: protocol(bound.transport),
            local: canonical(bound.local),
            remote: canonical(bound.remote),
        },
        wire::Report::StageEnded { attempt, outcome: ended, addresses, took } => BackendEvent::StageEnded {
            number: AttemptNumber(attempt),
            outcome: outcome(ended),
            addresses,
            took: Duration::from_micros(took),
        },
        wire::Report::Finished { attempt, outcome: ended, .. } => {
            BackendEvent::Finished { number: AttemptNumber(attempt), outcome: outcome(ended) }
        }
        wire::Report::Arrived(arrived) => BackendEvent::Arrived {
            protocol: protocol(arrived.transport),
            peer: canonical(arrived.peer),
            server: server(arrived.server),
            number: arrived.attempt.map(AttemptNumber),
        },
        wire::Report::Ready { .. }
        | wire::Report::Serving { .. }
        | wire::Report::NotServing { .. }
        | wire::Report::Flushed { .. }
        | wire::Report::Misunderstood { .. } => return None,
    })
}

fn canonical(socket: SocketAddr) -> SocketAddr {
    let address: IpAddr = socket.ip().to_canonical();
    SocketAddr::new(address, socket.port())
}

fn protocol(transport: wire::StageTransport) -> Option<Protocol> {
    match transport {
        wire::StageTransport::Tcp => Some(Protocol::Tcp),
        wire::StageTransport::Udp => Some(Protocol::Udp),
        wire::StageTransport::Sctp => Some(Protocol::Sctp),
        wire::StageTransport::Icmp => None,
    }
}

fn outcome(outcome: wire::WireOutcome) -> Outcome {
    match outcome {
        wire::WireOutcome::Answered => Outcome::Answered,
        wire::WireOutcome::Refused => Outcome::Refused,
        wire::WireOutcome::Reset => Outcome::Reset,
        wire::WireOutcome::Unreachable => Outcome::Unreachable,
        wire::WireOutcome::TimedOut => Outcome::TimedOut,
        wire::WireOutcome::Ended => Outcome::Ended,
        wire::WireOutcome::NameRefused => Outcome::NameRefused,
        wire::WireOutcome::NoSuchName => Outcome::NoSuchName,
        wire::WireOutcome::NameFailed(code) => Outcome::NameFailed(code),
        wire::WireOutcome::HttpStatus(status) => Outcome::HttpStatus(status),
        wire::WireOutcome::Garbled(reason) => Outcome::Garbled(reason),
        wire::WireOutcome::NotAttempted(reason) => Outcome::NotAttempted(reason),
    }
}
