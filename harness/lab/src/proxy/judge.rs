//! What the proxies ask and tell: the policy in force, the names they learn, the flows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use verdikt_engine::decide::Traffic;
use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::{Hello, NO_QUERY, RequestHead, RequestTarget, read_request};
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::prediction::Finding;

use crate::current::CurrentPolicy;
use crate::losses::{LossCause, Losses};
use crate::policy::Interception;
use crate::redirect::{Redirect, Redirects};

/// What a proxy does with a query or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyDecision {
    /// It goes on to the server.
    Passes,
    /// It is refused.
    Refused,
    /// The client is sent to this path.
    Redirected(String),
    /// It cannot be read as Cilium's proxy reads requests, which says so to the client.
    Rejected,
    /// What Cilium would do is not known.
    NotModelled(String),
}

/// What all connections of the proxies share.
#[derive(Debug)]
pub(crate) struct Judge {
    policy: Arc<CurrentPolicy>,
    redirects: Arc<Redirects>,
    flows: mpsc::UnboundedSender<Flow>,
    losses: Arc<Losses>,
    begin: Instant,
}

impl Judge {
    pub(crate) fn new(
        policy: Arc<CurrentPolicy>,
        redirects: Arc<Redirects>,
        flows: mpsc::UnboundedSender<Flow>,
        losses: Arc<Losses>,
        begin: Instant,
    ) -> Self {
        Self { policy, redirects, flows, losses, begin }
    }

    pub(super) fn redirect(&self, token: IpAddr) -> Option<Arc<Redirect>> {
        self.redirects.of(token)
    }

    /// Tells that a proxy has let go of something.
    pub(super) fn lose(&self, loss: LossCause) {
        self.losses.add(loss);
    }

    /// Judges a query for a name, and tells so.
    pub(super) fn query(&self, redirect: &Redirect, name: &str, kind: &str) -> ProxyDecision {
        let policy = self.policy.get();
        let finding =
            policy.query(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect), name);
        let (name, kind) = (name.to_owned(), kind.to_owned());
        let request = ProxyRequest::Dns { name, kind, code: None, addresses: Vec::new(), ttl: None };
        self.tell(redirect, &finding, request)
    }

    /// Whether the connection itself may be, so that there is somebody to ask on it. Where it may not, the gateway's
    /// proxy refuses every request.
    pub(super) fn admits(&self, redirect: &Redirect) -> bool {
        let policy = self.policy.get();
        let ruling = policy.packet(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect));
        !ruling.verdict.denies()
    }

    /// What becomes of the TLS that a client begins.
    pub(super) fn tls_interception(&self, redirect: &Redirect) -> Option<Interception> {
        let policy = self.policy.get();
        policy.tls_interception(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect))
    }

    /// Whether a connection has come to the gateway, which leads its requests on.
    pub(super) fn is_gateway(&self, redirect: &Redirect) -> bool {
        redirect.direction == Direction::Ingress && self.policy.get().is_gateway(&redirect.subject)
    }

    /// Where the gateway leads a request.
    pub(super) fn route(
        &self,
        redirect: &Redirect,
        authority: Option<&str>,
        path: &str,
    ) -> Option<SocketAddr> {
        self.policy.get().route(authority, path, redirect.client.ip())
    }

    /// Tells that a client of the DNS proxy asks nothing.
    pub(super) fn no_query(&self, redirect: &Redirect) {
        let finding = Finding::Unknown { gap: NO_QUERY.to_owned(), rule: None };
        let (name, kind) = (String::new(), String::new());
        let request = ProxyRequest::Dns { name, kind, code: None, addresses: Vec::new(), ttl: None };
        self.tell(redirect, &finding, request);
    }

    /// Judges a request, and tells so. Of one that is answered before any rule is asked, nobody tells.
    pub(super) fn request(
        &self,
        redirect: &Redirect,
        head: &RequestHead<'_>,
        scheme: Scheme,
    ) -> ProxyDecision {
        let policy = self.policy.get();
        let Redirect { subject, direction, .. } = redirect;
        let finding = policy.request(subject, *direction, redirect.peer(), traffic(redirect), head, scheme);
        if let Finding::Redirected { to, .. } = finding {
            return ProxyDecision::Redirected(to);
        }
        let request = ProxyRequest::Http {
            method: head.method.to_owned(),
            path: head.path.to_owned(),
            host: head.authority.unwrap_or_default().to_owned(),
            status: None,
        };
        let judgement = self.tell(redirect, &finding, request);
        let is_rejected = read_request(head) == RequestTarget::Rejected;
        if is_rejected && matches!(judgement, ProxyDecision::NotModelled(_)) {
            return ProxyDecision::Rejected;
        }
        judgement
    }

    /// Judges the beginning of a connection, and tells so.
    pub(super) fn hello(&self, redirect: &Redirect, hello: Hello<'_>) -> ProxyDecision {
        let policy = self.policy.get();
        let finding =
            policy.hello(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect), hello);
        let server_name = match hello {
            Hello::Tls(name) => name.map(str::to_owned),
            Hello::Plain => None,
        };
        self.tell(redirect, &finding, ProxyRequest::Tls { server_name })
    }

    /// Tells that a proxy does not take the certificate of a server.
    pub(super) fn server_is_mistrusted(&self, redirect: &Redirect) {
        let finding = Finding::NotTrusted { reason: "".into(), by: Vec::new().into() };
        self.tell(redirect, &finding, ProxyRequest::Tls { server_name: None });
    }

    /// Takes note that a name leads to addresses. When this returns, every later packet is judged so.
    pub(super) fn learn(&self, name: &str, addresses: &[IpAddr], ttl: u32) {
        let until = self.begin.elapsed().saturating_add(Duration::from_secs(ttl.into()));
        self.policy.learn(name, addresses, until);
    }

    fn tell(&self, redirect: &Redirect, finding: &Finding, request: ProxyRequest) -> ProxyDecision {
        let (judgement, verdict, drop_reason, rules) = match finding {
            Finding::NoRuleAllows { isolated_by, .. } => (
                ProxyDecision::Refused,
                FlowVerdict::Dropped,
                Some(DropReason::RefusedByProxy),
                &isolated_by[..],
            ),
            Finding::NotTrusted { by, .. } => {
                (ProxyDecision::Refused, FlowVerdict::Dropped, Some(DropReason::RefusedByProxy), &by[..])
            }
            Finding::Denied { by } => (
                ProxyDecision::Refused,
                FlowVerdict::Dropped,
                Some(DropReason::RefusedByProxy),
                by.as_slice(),
            ),
            Finding::Redirected { to, by } => {
                (ProxyDecision::Redirected(to.clone()), FlowVerdict::Forwarded, None, &by[..])
            }
            Finding::Unknown { gap, .. } | Finding::Chance { gap } => (
                ProxyDecision::NotModelled(gap.clone()),
                FlowVerdict::Error,
                Some(DropReason::NotModelled(gap.clone())),
                &[][..],
            ),
            Finding::Allowed { by } => (ProxyDecision::Passes, FlowVerdict::Forwarded, None, by.as_slice()),
            Finding::NotIsolated
            | Finding::PassedOn { .. }
            | Finding::LocalHost
            | Finding::Itself { .. }
            | Finding::OutsideCluster => (ProxyDecision::Passes, FlowVerdict::Forwarded, None, &[][..]),
        };
        let mut policies: Vec<String> = rules.iter().map(|rule| rule.object.short()).collect();
        policies.sort();
        policies.dedup();
        let flow = Flow {
            at: self.begin.elapsed(),
            kind: FlowKind::Proxy,
            verdict,
            direction: match redirect.direction {
                Direction::Egress => FlowDirection::Egress,
                Direction::Ingress => FlowDirection::Ingress,
            },
            source: self.end(redirect.client),
            destination: self.end(redirect.server),
            protocol: FlowProtocol::Port(redirect.protocol),
            drop_reason,
            match_type: 0,
            policies,
            request: Some(request),
        };
        // Nobody follows the flows any more only while the lab ends.
        let _ = self.flows.send(flow);
        judgement
    }

    fn end(&self, socket: std::net::SocketAddr) -> FlowEnd {
        let policy = self.policy.get();
        let (endpoint, identity) = policy.owner(socket.ip());
        FlowEnd { address: socket.ip(), port: Some(socket.port()), identity, endpoint }
    }
}

fn traffic(redirect: &Redirect) -> Traffic {
    Traffic::Port(redirect.protocol, redirect.server.port())
}
