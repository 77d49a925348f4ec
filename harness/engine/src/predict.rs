//! Predicts attempts, and what the attempts of a step teach the DNS proxy.

mod walk;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::attempt::{Attempt, IpFamily, Request, Scheme, Target};
use verdikt_scenario::name::{DnsName, HostName};
use verdikt_scenario::prediction::Prediction;
use verdikt_scenario::topology::{Endpoint, Port, Protocol, Resolved};

use crate::model::{LearnedNames, PolicyModel};
use walk::{AttemptWalk, ProxyQuestion};

/// A policy model during a step: as it is for the first attempt, and when all names are known.
#[derive(Clone, Debug)]
pub struct StepModel<'a> {
    first: PolicyModel<'a>,
    /// None if the step teaches the DNS proxy nothing.
    last: Option<PolicyModel<'a>>,
    learned: LearnedNames,
    /// The attempts of the step before whose connections go through a proxy.
    proxied: BTreeSet<(Endpoint, Attempt)>,
}

impl<'a> StepModel<'a> {
    /// The same after a step in which the connections of these attempts went through a proxy.
    #[must_use]
    pub fn after_proxies(self, proxied: BTreeSet<(Endpoint, Attempt)>) -> Self {
        Self { proxied, ..self }
    }

    /// Whether an attempt goes through a proxy.
    pub fn is_proxied(&self, source: &Endpoint, attempt: &Attempt) -> bool {
        self.first.walk(source, attempt).is_proxied()
    }

    /// The model as it is for the first attempt.
    pub fn first(&self) -> &PolicyModel<'a> {
        &self.first
    }

    /// What the DNS proxy knows after the step.
    pub fn learned(&self) -> &LearnedNames {
        &self.learned
    }

    /// Predicts one attempt of the step. If an attempt by name depends on whether another pod's look-up came before
    /// it, the engine abstains.
    pub fn predict(&self, source: &Endpoint, attempt: &Attempt) -> Prediction {
        let first = self.first.predict(source, attempt);
        if let Some(made) = attempt.kept()
            && self.proxied.contains(&(source.clone(), made.clone()))
        {
            let mut walk = AttemptWalk::after(&self.first, source, Vec::new());
            let gap = "what happens to a connection that a proxy has taken over".to_owned();
            walk.abstain(attempt.to_string(), gap);
            return walk.into_prediction();
        }
        let by_name = matches!(attempt.target(), Some(Target::Name(_)));
        match self.last.as_ref().filter(|_| by_name).map(|last| last.predict(source, attempt)) {
            Some(last) if last.answer != first.answer => order_dependent(&self.first, source, attempt, first),
            _ => first,
        }
    }
}

impl<'a> PolicyModel<'a> {
    /// The model in a step with these attempts. Attempts by address come first; then those that query the DNS server.
    pub fn in_step<'b>(
        self,
        attempts: impl IntoIterator<Item = (&'b Endpoint, &'b Attempt)>,
    ) -> StepModel<'a> {
        let mut learned = self.learned.clone();
        for (source, attempt) in attempts {
            let Some((host, address, name)) = self.teaches(source, attempt) else { continue };
            let is_second = self.topology.second_addresses.get(&host) == Some(&address);
            let table = if is_second { &mut learned.second_names } else { &mut learned.names };
            table.entry(host).or_default().insert(name);
        }
        let last = (learned != self.learned).then(|| self.knowing(&learned));
        StepModel { first: self, last, learned, proxied: BTreeSet::new() }
    }

    /// The same model, with only these names known to the DNS proxy.
    #[must_use]
    pub fn knowing(&self, learned: &LearnedNames) -> Self {
        let mut model = self.clone();
        model.learned = learned.clone();
        for host in self.topology.world.keys() {
            let names = learned.names.get(host).into_iter().flatten();
            if let Some(subject) = model.subjects.get_mut(&Endpoint::World(host.clone())) {
                Arc::make_mut(subject).identity.names = names.map(|name| name.as_str().to_owned()).collect();
            }
        }
        model
    }

    /// The name that an attempt teaches the DNS proxy if its query is allowed, and the host outside with the address
    /// in the answer. If a host has two addresses, clients without a fixed family only ask for IPv4.
    fn teaches(&self, source: &Endpoint, attempt: &Attempt) -> Option<(HostName, IpAddr, DnsName)> {
        let (name, protocol) = match attempt.plain() {
            Attempt::Dns { name, protocol } => (name, *protocol),
            _ => match attempt.target()? {
                Target::Name(name) if self.topology.asks_cluster_dns(source) => (name, Protocol::Udp),
                _ => return None,
            },
        };
        let Some(Resolved::World(host)) = self.topology.resolve(name) else { return None };
        let of_family = |family| self.topology.world_address(&host, family);
        let address = match attempt.family() {
            Some(family) => of_family(family),
            None => of_family(IpFamily::V4).or_else(|| of_family(IpFamily::V6)),
        }?;
        let mut walk = AttemptWalk::new(self, source);
        let through_proxy = walk.query(name, protocol);
        (through_proxy && !walk.has_ended()).then(|| (host, address, name.clone()))
    }

    /// Predicts one attempt, with the names that the DNS proxy knew before the step.
    pub fn predict(&self, source: &Endpoint, attempt: &Attempt) -> Prediction {
        self.walk(source, attempt).into_prediction()
    }

    /// The walk of one attempt.
    fn walk<'m>(&'m self, source: &'m Endpoint, attempt: &'m Attempt) -> AttemptWalk<'m> {
        let mut walk = AttemptWalk::new(self, source).over(attempt.family());
        if attempt.kept().is_some() {
            walk = walk.on_connection();
        }
        match attempt.plain() {
            Attempt::Dns { name, protocol } => {
                walk.query(name, *protocol);
            }
            Attempt::Connect { protocol, target, port } => {
                walk.reach(target, Some((*protocol, *port)), ProxyQuestion::Reach);
            }
            Attempt::Ping { target } => walk.reach(target, None, ProxyQuestion::Reach),
            Attempt::IcmpMessage { target, kind } => {
                walk = walk.sending(Some(*kind));
                walk.reach(target, None, ProxyQuestion::Reach);
            }
            Attempt::Http { target, port, request } => {
                let authority = authority(target, *port, request);
                let question = match request.scheme {
                    Scheme::Http => ProxyQuestion::Http(request, authority.as_deref()),
                    Scheme::Https => ProxyQuestion::Https(request, authority.as_deref()),
                };
                walk.reach(target, Some((Protocol::Tcp, *port)), question);
            }
            // Neither is ever unencrypted.
            Attempt::OfFamily { .. } | Attempt::Kept { .. } => {}
        }
        walk
    }
}

/// The prediction of an attempt by name that depends on which pod looks the name up first.
fn order_dependent(
    model: &PolicyModel<'_>,
    source: &Endpoint,
    attempt: &Attempt,
    first: Prediction,
) -> Prediction {
    let mut walk = AttemptWalk::after(model, source, first.checks);
    let gap = "whether another pod's look-up of the name comes first; put the look-up into a step of its own";
    walk.leave_to_chance(attempt.to_string(), gap.to_owned());
    walk.into_prediction()
}

/// The host of a client's request; none if it is an address that is not known yet.
fn authority(target: &Target, port: Port, request: &Request) -> Option<String> {
    let header = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if let Some((_, value)) = header {
        return Some(value.clone());
    }
    match target {
        Target::Name(name) if port.get() == request.scheme.default_port() => Some(name.to_string()),
        Target::Name(name) => Some(format!("{name}:{port}")),
        Target::Endpoint(_)
        | Target::PodOfSharedName(_)
        | Target::Service(_)
        | Target::Backend { .. }
        | Target::Over { .. } => None,
    }
}

/// The server name of a TLS client: the host of its request, unless that is an address.
fn server_name(authority: Option<&str>) -> Option<&str> {
    let authority = authority?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (!host.starts_with('[') && host.parse::<IpAddr>().is_err()).then_some(host)
}
