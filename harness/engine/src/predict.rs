//! An attempt from its first packet to its last: DNS, the service's address, egress, ingress, proxies.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::attempt::{Attempt, Request, Target};
use verdikt_scenario::name::{DnsName, NamespacedName};
use verdikt_scenario::prediction::{Answer, Check, Finding, Gate, Prediction};
use verdikt_scenario::topology::{CiliumEndpoint, DNS_SERVICE, Endpoint, Port, Protocol, Resolved};

use crate::cluster::{Cluster, Learned, SubjectState};
use crate::decide::{Decision, SideVerdict, Traffic, is_managed};
use crate::http::RequestHead;
use crate::identity::Identity;
use crate::rule::Direction;

/// A cluster in the course of a step: as it is when the first attempt is made, and when all names are known.
#[derive(Clone, Debug)]
pub struct StepModel<'a> {
    first: Cluster<'a>,
    /// None where the step teaches the DNS proxy nothing.
    last: Option<Cluster<'a>>,
    learned: Learned,
}

impl<'a> StepModel<'a> {
    /// The cluster as it is when the first attempt is made.
    pub fn cluster(&self) -> &Cluster<'a> {
        &self.first
    }

    /// What the DNS proxy knows after the step.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// What becomes of one attempt of the step. Where an attempt by name depends on whether another pod's look-up came
    /// before it, the engine abstains.
    pub fn predict(&self, source: &Endpoint, attempt: &Attempt) -> Prediction {
        let first = self.first.predict(source, attempt);
        let by_name = matches!(attempt.target(), Some(Target::Name(_)));
        match self.last.as_ref().filter(|_| by_name).map(|last| last.predict(source, attempt)) {
            Some(last) if last.answer != first.answer => order_dependent(source, attempt, first),
            _ => first,
        }
    }
}

/// What an attempt asks of the proxies on its way.
#[derive(Clone, Copy)]
enum Question<'a> {
    /// Nothing beyond reaching the port.
    Reach,
    /// An HTTP request, with its authority if that is known.
    Http(&'a Request, Option<&'a str>),
    /// A DNS query.
    Dns(&'a DnsName),
}

/// The checks so far, and how they end if they have ended.
struct Course {
    /// Most attempts meet two.
    checks: Vec<Check>,
    audited: Option<Gate>,
    end: Option<Answer>,
}

impl Default for Course {
    fn default() -> Self {
        Self { checks: Vec::with_capacity(2), audited: None, end: None }
    }
}

impl Course {
    fn ended(mut self) -> Prediction {
        self.checks.shrink_to_fit();
        let passed = self.audited.map_or(Answer::Allow, Answer::Audit);
        Prediction { answer: self.end.unwrap_or(passed), checks: self.checks }
    }
}

impl<'a> Cluster<'a> {
    /// The cluster in a step with these attempts. Attempts by address go first; then those that ask the DNS server.
    pub fn in_step<'b>(
        self,
        attempts: impl IntoIterator<Item = (&'b Endpoint, &'b Attempt)>,
    ) -> StepModel<'a> {
        let mut learned = self.learned.clone();
        for (source, attempt) in attempts {
            learned.names.extend(self.teaches(source, attempt));
        }
        let last = (learned != self.learned).then(|| self.knowing(&learned));
        StepModel { first: self, last, learned }
    }

    /// The same cluster, where the DNS proxy knows these names and no others.
    #[must_use]
    pub fn knowing(&self, learned: &Learned) -> Self {
        let mut cluster = self.clone();
        cluster.learned = learned.clone();
        for (name, host) in &self.topology.world {
            let names = host.names.iter().filter(|name| learned.names.contains(name));
            if let Some(subject) = cluster.subjects.get_mut(&Endpoint::World(name.clone())) {
                Arc::make_mut(subject).identity.names = names.map(|name| name.as_str().to_owned()).collect();
            }
        }
        cluster
    }

    /// The name an attempt teaches the DNS proxy, if its query passes there.
    fn teaches(&self, source: &Endpoint, attempt: &Attempt) -> Option<DnsName> {
        let (name, protocol) = match attempt {
            Attempt::Dns { name, protocol } => (name, *protocol),
            _ => match attempt.target()? {
                Target::Name(name) => (name, Protocol::Udp),
                _ => return None,
            },
        };
        let mut course = Course::default();
        let through_proxy = self.query(source, name, protocol, &mut course);
        (through_proxy && course.end.is_none()).then(|| name.clone())
    }

    /// What becomes of one attempt, with what the DNS proxy knew before the step.
    pub fn predict(&self, source: &Endpoint, attempt: &Attempt) -> Prediction {
        let mut course = Course::default();
        match attempt {
            Attempt::Dns { name, protocol } => {
                self.query(source, name, *protocol, &mut course);
            }
            Attempt::Connect { protocol, target, port } => {
                self.reach(source, target, Some((*protocol, *port)), Question::Reach, &mut course);
            }
            Attempt::Ping { target } => self.reach(source, target, None, Question::Reach, &mut course),
            Attempt::Http { target, port, request } => {
                let authority = authority(target, *port, request);
                let question = Question::Http(request, authority.as_deref());
                self.reach(source, target, Some((Protocol::Tcp, *port)), question, &mut course);
            }
        }
        course.ended()
    }

    /// A query to the cluster's DNS server. Answers whether the DNS proxy saw it. Only pods ask that server;
    /// others have resolvers of their own.
    fn query(&self, source: &Endpoint, name: &DnsName, protocol: Protocol, course: &mut Course) -> bool {
        let (Ok(service), Some(port)) = (DNS_SERVICE.parse(), Port::new(53)) else { return false };
        let Some(servers) = self.behind(&service, protocol, port) else {
            let gap =
                format!("who answers DNS over {protocol}: {service} has no such port, or nobody behind it");
            course.unknown(source, format!("query {name}"), gap);
            return false;
        };
        let mut through_proxy = false;
        each_backend(source, &servers, course, |server, port, course| {
            if server == source {
                return itself(source, &service, course);
            }
            let traffic = Traffic::Port(protocol, port.get());
            through_proxy |= self.cross(source, server, &[], traffic, Question::Dns(name), course);
        });
        through_proxy
    }

    /// Who stands behind a port of a service, and with which port of their own; none if the service has no such
    /// port, nobody behind it, or a target port that somebody behind it does not name.
    fn behind(&self, name: &NamespacedName, protocol: Protocol, port: Port) -> Option<Vec<(Endpoint, Port)>> {
        let behind = self.topology.behind(name, protocol, port).into_iter();
        let behind = behind.map(|(backend, port)| Some((backend, port?))).collect::<Option<Vec<_>>>()?;
        (!behind.is_empty()).then_some(behind)
    }

    fn reach(
        &self,
        source: &Endpoint,
        target: &Target,
        port: Option<(Protocol, Port)>,
        question: Question<'_>,
        course: &mut Course,
    ) {
        match target {
            Target::Endpoint(endpoint) => {
                let traffic = self.traffic(source, endpoint, port);
                self.cross(source, endpoint, &[], traffic, question, course);
            }
            Target::Service(service) => self.through_service(source, service, None, port, question, course),
            Target::Backend { service, backend } => {
                self.through_service(source, service, Some(backend), port, question, course);
            }
            Target::Name(name) => {
                let mut taught = false;
                if matches!(source, Endpoint::Pod(_)) {
                    taught = self.query(source, name, Protocol::Udp, course);
                    if course.end.is_some() {
                        return;
                    }
                }
                match self.topology.resolve(name) {
                    Some(Resolved::Service(service)) => {
                        self.through_service(source, &service, None, port, question, course);
                    }
                    Some(Resolved::World(host)) => {
                        let endpoint = Endpoint::World(host);
                        let names = if taught { std::slice::from_ref(name) } else { &[] };
                        let traffic = self.traffic(source, &endpoint, port);
                        self.cross(source, &endpoint, names, traffic, question, course);
                    }
                    None => {
                        course.unknown(
                            source,
                            question_text(port, target),
                            "where the name leads".to_owned(),
                        );
                    }
                }
            }
        }
    }

    fn through_service(
        &self,
        source: &Endpoint,
        name: &NamespacedName,
        only: Option<&Endpoint>,
        port: Option<(Protocol, Port)>,
        question: Question<'_>,
        course: &mut Course,
    ) {
        let chosen = port.and_then(|(protocol, port)| {
            let mut backends = self.behind(name, protocol, port)?;
            backends.retain(|(backend, _)| only.is_none_or(|only| only == backend));
            (!backends.is_empty()).then_some((protocol, backends))
        });
        let Some((protocol, backends)) = chosen else {
            let gap = format!("what a service answers that has no such port or nobody behind it: {name}");
            return course.unknown(source, question_text(port, &Target::Service(name.clone())), gap);
        };
        each_backend(source, &backends, course, |backend, target, course| {
            if backend == source {
                return itself(source, name, course);
            }
            let traffic = Traffic::Port(protocol, target.get());
            self.cross(source, backend, &[], traffic, question, course);
        });
    }

    fn traffic(&self, source: &Endpoint, target: &Endpoint, port: Option<(Protocol, Port)>) -> Traffic {
        if let Some((protocol, port)) = port {
            return Traffic::Port(protocol, port.get());
        }
        // Endpoints of the cluster have addresses of both families; the other end has the choice.
        let address =
            |endpoint: &Endpoint| self.subjects.get(endpoint).and_then(|subject| subject.identity.address);
        let v6 = matches!(address(target).or_else(|| address(source)), Some(IpAddr::V6(_)));
        Traffic::Icmp { v6, kind: if v6 { 128 } else { 8 } }
    }

    /// The egress policy of the source, then the ingress policy of the destination, with the proxies of each.
    /// Answers whether the DNS proxy judged.
    fn cross(
        &self,
        source: &Endpoint,
        destination: &Endpoint,
        names: &[DnsName],
        traffic: Traffic,
        question: Question<'_>,
        course: &mut Course,
    ) -> bool {
        let (Some(from), Some(to)) = (self.subjects.get(source), self.subjects.get(destination)) else {
            course.unknown(source, format!("to {destination}"), "an end of this attempt".to_owned());
            return false;
        };
        let finding = match (is_managed(source), is_managed(destination)) {
            (false, false) => Some(Finding::OutsideCluster),
            _ if source == destination => Some(Finding::Itself),
            _ => None,
        };
        if let Some(finding) = finding {
            let question = format!("to {destination}, {}", traffic_text(traffic));
            course.checks.push(Check { gate: Gate::Egress, endpoint: source.clone(), question, finding });
            return false;
        }
        let mut peer = Cow::Borrowed(&to.identity);
        if !names.is_empty() {
            peer.to_mut().names.extend(names.iter().map(|name| name.as_str().to_owned()));
        }
        let mut through_dns_proxy = false;
        if is_managed(source) {
            let text = format!("to {destination}, {}", traffic_text(traffic));
            let decision = self.decide(from, Direction::Egress, &peer, traffic);
            self.gate(Direction::Egress, source, from, &peer, text, traffic, &decision, course);
            if course.end.is_some() {
                return false;
            }
            through_dns_proxy = self.proxies(source, traffic, question, &decision, course);
        }
        if course.end.is_none() && is_managed(destination) {
            let text = format!("from {source}, {}", traffic_text(traffic));
            let decision = self.decide(to, Direction::Ingress, &from.identity, traffic);
            self.gate(Direction::Ingress, destination, to, &from.identity, text, traffic, &decision, course);
            if course.end.is_none() {
                self.proxies(destination, traffic, question, &decision, course);
            }
        }
        through_dns_proxy
    }

    #[expect(clippy::too_many_arguments, reason = "one check has this many parts, and only one caller shape")]
    fn gate(
        &self,
        direction: Direction,
        endpoint: &Endpoint,
        subject: &SubjectState,
        peer: &Identity,
        question: String,
        traffic: Traffic,
        decision: &Decision<'_>,
        course: &mut Course,
    ) {
        // The proxy of Cilium's Ingress keeps to its own egress policy itself: it answers 403, and audit mode does
        // not reach it.
        let in_proxy = *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress) && decision.verdict.denies();
        let gate = match direction {
            Direction::Egress if in_proxy => Gate::Http,
            Direction::Egress => Gate::Egress,
            Direction::Ingress => Gate::Ingress,
        };
        let finding = self.finding(subject, direction, peer, traffic, decision);
        course.checks.push(Check { gate, endpoint: endpoint.clone(), question, finding });
        match decision.verdict {
            verdict if verdict.denies() && self.options.enforcement.audit && gate != Gate::Http => {
                course.audited.get_or_insert(gate);
            }
            verdict if verdict.denies() => course.end = Some(Answer::Deny(gate)),
            SideVerdict::Unknown | SideVerdict::Conflict => course.end = Some(Answer::Abstain),
            _ => {}
        }
    }

    /// Asks the proxies that a decision leads to. Answers whether the DNS proxy judged.
    fn proxies(
        &self,
        endpoint: &Endpoint,
        traffic: Traffic,
        question: Question<'_>,
        decision: &Decision<'_>,
        course: &mut Course,
    ) -> bool {
        if decision.verdict != (SideVerdict::Allow { redirected: true }) {
            return false;
        }
        let mut dns = false;
        let (gate, text, finding) = match question {
            Question::Http(request, authority) => {
                let head = RequestHead {
                    method: &request.method,
                    path: &request.path,
                    authority,
                    headers: &request.headers,
                };
                let text = format!("{} {}", request.method, request.path);
                (Gate::Http, text, self.http_finding(decision, &head))
            }
            Question::Dns(name) => {
                let Some(finding) = self.dns_finding(decision, name.as_str()) else { return false };
                dns = true;
                (Gate::Dns, format!("query {name}"), finding)
            }
            Question::Reach => match self.reach_finding(decision) {
                Some(finding) => (Gate::Http, traffic_text(traffic), finding),
                None => return false,
            },
        };
        course.end = match &finding {
            Finding::Unknown { .. } | Finding::Chance { .. } => Some(Answer::Abstain),
            Finding::NoRuleAllows { .. } | Finding::Denied { .. } => Some(Answer::Deny(gate)),
            Finding::Allowed { .. }
            | Finding::LocalHost
            | Finding::NotIsolated
            | Finding::Itself
            | Finding::OutsideCluster => None,
        };
        course.checks.push(Check { gate, endpoint: endpoint.clone(), question: text, finding });
        dns
    }
}

impl Course {
    /// Ends the course with something the engine does not know.
    fn unknown(&mut self, endpoint: &Endpoint, question: String, gap: String) {
        self.abstain(endpoint, question, Finding::Unknown { gap, rule: None });
    }

    /// Ends the course with something that nobody knows.
    fn chance(&mut self, endpoint: &Endpoint, question: String, gap: String) {
        self.abstain(endpoint, question, Finding::Chance { gap });
    }

    fn abstain(&mut self, endpoint: &Endpoint, question: String, finding: Finding) {
        self.checks.push(Check { gate: Gate::Egress, endpoint: endpoint.clone(), question, finding });
        self.end = Some(Answer::Abstain);
    }
}

/// A pod that reaches itself through a service meets no policy.
fn itself(source: &Endpoint, service: &NamespacedName, course: &mut Course) {
    let question = format!("to itself through the service {service}");
    let finding = Finding::Itself;
    course.checks.push(Check { gate: Gate::Egress, endpoint: source.clone(), question, finding });
}

/// Follows an attempt to every endpoint that may answer it. The client cannot choose, so the engine knows the
/// answer only if it is the same for all.
fn each_backend(
    source: &Endpoint,
    backends: &[(Endpoint, Port)],
    course: &mut Course,
    mut follow: impl FnMut(&Endpoint, Port, &mut Course),
) {
    let mut answers = Vec::new();
    let mut first: Option<Course> = None;
    for (backend, port) in backends {
        let mut branch = Course::default();
        follow(backend, *port, &mut branch);
        answers.push(branch.end.or(branch.audited.map(Answer::Audit)));
        first.get_or_insert(branch);
    }
    let Some(mut branch) = first else { return };
    course.checks.append(&mut branch.checks);
    course.audited = course.audited.or(branch.audited);
    course.end = branch.end;
    if answers.windows(2).any(|pair| pair[0] != pair[1]) {
        let names: Vec<String> = backends.iter().map(|(backend, _)| backend.to_string()).collect();
        let gap = format!("which of {} answers, and policies treat them differently", names.join(", "));
        course.chance(source, "through a service".to_owned(), gap);
    }
}

fn order_dependent(source: &Endpoint, attempt: &Attempt, first: Prediction) -> Prediction {
    let mut course = Course { checks: first.checks, ..Course::default() };
    let gap = "whether another pod's look-up of the name comes first; put the look-up into a step of its own"
        .to_owned();
    course.chance(source, attempt.to_string(), gap);
    course.ended()
}

/// What the client names as the host of a request; none where it would be an address that is not known yet.
fn authority(target: &Target, port: Port, request: &Request) -> Option<String> {
    let header = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if let Some((_, value)) = header {
        return Some(value.clone());
    }
    match target {
        Target::Name(name) if port.get() == 80 => Some(name.to_string()),
        Target::Name(name) => Some(format!("{name}:{port}")),
        Target::Endpoint(_) | Target::Service(_) | Target::Backend { .. } => None,
    }
}

fn traffic_text(traffic: Traffic) -> String {
    match traffic {
        Traffic::Port(protocol, port) => format!("{protocol} port {port}"),
        Traffic::Icmp { v6: false, kind } => format!("icmp type {kind}"),
        Traffic::Icmp { v6: true, kind } => format!("icmpv6 type {kind}"),
    }
}

fn question_text(port: Option<(Protocol, Port)>, target: &Target) -> String {
    match port {
        Some((protocol, port)) => format!("to {target}, {protocol} port {port}"),
        None => format!("to {target}, icmp"),
    }
}
