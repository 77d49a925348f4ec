//! What the proxies share: the policy in force, the names they learn, the flows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use verdikt_engine::datapath::{ClientHello, NO_QUERY, RequestHead, RequestTarget, read_request};
use verdikt_engine::decide::Traffic;
use verdikt_engine::rule::Direction;
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::prediction::Decision;

use crate::current::CurrentPolicy;
use crate::losses::{LossCause, Losses};
use crate::policy::Interception;
use crate::redirect::{Redirect, Redirects};

/// What a proxy does with a query or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyAction {
    /// Forwards it to the server.
    Passes,
    /// Refuses it.
    Refused,
    /// Redirects the client to this path.
    Redirected(String),
    /// Answers that the request is invalid, as Cilium's proxy does.
    Rejected,
    /// It is not known what Cilium would do.
    NotModelled(String),
}

/// The state that all connections of the proxies share.
#[derive(Debug)]
pub(crate) struct ProxyContext {
    policy: Arc<CurrentPolicy>,
    redirects: Arc<Redirects>,
    flows: mpsc::UnboundedSender<Flow>,
    losses: Arc<Losses>,
    begin: Instant,
}

impl ProxyContext {
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

    /// Reports that a proxy has lost something.
    pub(super) fn lose(&self, loss: LossCause) {
        self.losses.add(loss);
    }

    /// Decides about a query for a name, and reports it.
    pub(super) fn query(&self, redirect: &Redirect, name: &str, kind: &str) -> ProxyAction {
        let policy = self.policy.get();
        let decision =
            policy.query(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect), name);
        let (name, kind) = (name.to_owned(), kind.to_owned());
        let request = ProxyRequest::Dns { name, kind, code: None, addresses: Vec::new(), ttl: None };
        self.tell(redirect, &decision, request)
    }

    /// Whether the connection itself is allowed, so that requests on it can be decided. If it is not, the gateway's
    /// proxy refuses every request.
    pub(super) fn admits(&self, redirect: &Redirect) -> bool {
        let policy = self.policy.get();
        let decision =
            policy.packet(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect));
        !decision.kind.denies()
    }

    /// The certificates with which the TLS of a client is terminated, if it is.
    pub(super) fn tls_interception(&self, redirect: &Redirect) -> Option<Interception> {
        let policy = self.policy.get();
        policy.tls_interception(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect))
    }

    /// Whether a connection has reached the gateway, which routes its requests.
    pub(super) fn is_gateway(&self, redirect: &Redirect) -> bool {
        redirect.direction == Direction::Ingress && self.policy.get().is_gateway(&redirect.subject)
    }

    /// Where the gateway sends a request.
    pub(super) fn route(
        &self,
        redirect: &Redirect,
        authority: Option<&str>,
        path: &str,
    ) -> Option<SocketAddr> {
        self.policy.get().route(authority, path, redirect.client.ip())
    }

    /// Reports that a client of the DNS proxy sends no query.
    pub(super) fn no_query(&self, redirect: &Redirect) {
        let decision = Decision::Unknown { gap: NO_QUERY.to_owned(), rule: None };
        let (name, kind) = (String::new(), String::new());
        let request = ProxyRequest::Dns { name, kind, code: None, addresses: Vec::new(), ttl: None };
        self.tell(redirect, &decision, request);
    }

    /// Decides about a request, and reports it. A request that is answered before any rule applies is not reported.
    pub(super) fn request(&self, redirect: &Redirect, head: &RequestHead<'_>, scheme: Scheme) -> ProxyAction {
        let policy = self.policy.get();
        let Redirect { subject, direction, .. } = redirect;
        let decision = policy.request(subject, *direction, redirect.peer(), traffic(redirect), head, scheme);
        if let Decision::Redirected { to, .. } = decision {
            return ProxyAction::Redirected(to);
        }
        let request = ProxyRequest::Http {
            method: head.method.to_owned(),
            path: head.path.to_owned(),
            host: head.authority.unwrap_or_default().to_owned(),
            status: None,
        };
        let action = self.tell(redirect, &decision, request);
        let is_rejected = read_request(head) == RequestTarget::Rejected;
        if is_rejected && matches!(action, ProxyAction::NotModelled(_)) {
            return ProxyAction::Rejected;
        }
        action
    }

    /// Decides about the start of a connection, and reports it.
    pub(super) fn hello(&self, redirect: &Redirect, hello: ClientHello<'_>) -> ProxyAction {
        let policy = self.policy.get();
        let decision =
            policy.hello(&redirect.subject, redirect.direction, redirect.peer(), traffic(redirect), hello);
        let server_name = match hello {
            ClientHello::Tls(name) => name.map(str::to_owned),
            ClientHello::Plain => None,
        };
        self.tell(redirect, &decision, ProxyRequest::Tls { server_name })
    }

    /// Reports that a proxy does not trust the certificate of a server.
    pub(super) fn server_is_mistrusted(&self, redirect: &Redirect) {
        let decision = Decision::NotTrusted { reason: "".into(), by: Vec::new().into() };
        self.tell(redirect, &decision, ProxyRequest::Tls { server_name: None });
    }

    /// Records the addresses of a name. When this returns, every later packet is decided with them.
    pub(super) fn learn(&self, name: &str, addresses: &[IpAddr], ttl: u32) {
        let until = self.begin.elapsed().saturating_add(Duration::from_secs(ttl.into()));
        self.policy.learn(name, addresses, until);
    }

    fn tell(&self, redirect: &Redirect, decision: &Decision, request: ProxyRequest) -> ProxyAction {
        let (action, verdict, drop_reason, rules) = match decision {
            Decision::NoRuleAllows { isolated_by, .. } => (
                ProxyAction::Refused,
                FlowVerdict::Dropped,
                Some(DropReason::RefusedByProxy),
                &isolated_by[..],
            ),
            Decision::NotTrusted { by, .. } => {
                (ProxyAction::Refused, FlowVerdict::Dropped, Some(DropReason::RefusedByProxy), &by[..])
            }
            Decision::Denied { by } => {
                (ProxyAction::Refused, FlowVerdict::Dropped, Some(DropReason::RefusedByProxy), by.as_slice())
            }
            Decision::Redirected { to, by } => {
                (ProxyAction::Redirected(to.clone()), FlowVerdict::Forwarded, None, &by[..])
            }
            Decision::Unknown { gap, .. } | Decision::Chance { gap } => (
                ProxyAction::NotModelled(gap.clone()),
                FlowVerdict::Error,
                Some(DropReason::NotModelled(gap.clone())),
                &[][..],
            ),
            Decision::Allowed { by } => (ProxyAction::Passes, FlowVerdict::Forwarded, None, by.as_slice()),
            Decision::NotIsolated
            | Decision::PassedOn { .. }
            | Decision::LocalHost
            | Decision::Itself { .. }
            | Decision::OutsideCluster => (ProxyAction::Passes, FlowVerdict::Forwarded, None, &[][..]),
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
            client: redirect.made_for,
            destination: self.end(redirect.server),
            protocol: FlowProtocol::Port(redirect.protocol),
            drop_reason,
            match_type: 0,
            policies,
            request: Some(request),
        };
        // The receiver of flows is gone only while the lab ends.
        let _ = self.flows.send(flow);
        action
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
