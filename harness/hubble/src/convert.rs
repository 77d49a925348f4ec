//! Converts Hubble's responses. Pure and total: a response that cannot be read becomes a loss.
//!
//! What a flow means depends on its event type:
//!
//! | Hubble | here |
//! |---|---|
//! | policy verdict | [`FlowKind::PolicyVerdict`] |
//! | drop for policy | [`FlowKind::PolicyVerdict`] too: agents can be told to send no policy verdicts |
//! | drop for another reason | [`FlowKind::Drop`] |
//! | access log of the DNS or HTTP proxy | [`FlowKind::Proxy`], an answer with the ends of its question |
//! | traces and the rest | nothing |

mod request;
mod text;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, LOCAL_NODE, Protocol};

use crate::drop_reason as reason;
pub use crate::messages::NodeState;
use crate::messages::{
    self, GetFlowsResponse, Layer4, LostEvent, LostEventSource, NodeStatusEvent, Policy, Ports,
    TrafficDirection, Verdict, event_type,
};

/// One thing that Hubble says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubbleEvent {
    /// A flow.
    Flow(Box<ReportedFlow>),
    /// Events that nobody will see.
    Lost(LossWindow),
    /// A change of the state of nodes behind Relay.
    Node(NodeChange),
}

/// A flow, and what Hubble says around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFlow {
    /// The flow, in the direction of its first packet: of an answer too the source is the client.
    pub flow: Flow,
    /// Whether it was seen on the way back to the client.
    pub is_reply: bool,
    /// The node that reports it.
    pub node: String,
    /// DNS names by which the source's address is known.
    pub source_names: Vec<String>,
    /// DNS names by which the destination's address is known.
    pub destination_names: Vec<String>,
}

/// Events that were lost. Something may have happened on the node in this window although no event reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossWindow {
    /// How they were lost.
    pub reason: LossReason,
    /// How many, of all kinds, if it is known.
    pub count: Option<u64>,
    /// The node, as Hubble or the list of sources names it; empty if unknown.
    pub node: String,
    /// The start of the window, counted from the start of the run.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
}

/// How events are lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossReason {
    /// The kernel wrote faster than the agent read.
    KernelRing,
    /// The agent received faster than it processed.
    AgentQueue,
    /// The agent's ring was overwritten before it was read.
    AgentRing,
    /// Hubble does not say how.
    Unsaid,
    /// An event cannot be read; as text.
    Unreadable(String),
    /// The stream was interrupted, and events meanwhile may have been overwritten; as text.
    Cut(String),
    /// Relay had no connection to the node; as text.
    NodeAway(String),
}

/// A change of the state of nodes behind Relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// What.
    pub state: NodeState,
    /// Their names.
    pub nodes: Vec<String>,
    /// Why, in Relay's words.
    pub message: String,
}

/// The event of a response, with times counted from the start of the run; earlier times become the start. None if
/// verdicts are not based on such events.
pub fn observed(response: GetFlowsResponse, begin: SystemTime) -> Option<HubbleEvent> {
    let GetFlowsResponse { flow, node_status, lost_events, node_name, time } = response;
    let at = |time: Option<Timestamp>| time.map(|time| since(time, begin));
    if let Some(flow) = flow {
        let node = if node_name.is_empty() { flow.node_name.clone() } else { node_name };
        let at = at(flow.time.or(time));
        return reported(flow, node.clone(), at).unwrap_or_else(|what| {
            let at = at.unwrap_or_default();
            let reason = LossReason::Unreadable(what);
            Some(HubbleEvent::Lost(LossWindow { reason, count: Some(1), node, from: at, to: at }))
        });
    }
    if let Some(event) = lost_events {
        let to = at(event.last).or(at(time)).unwrap_or_default();
        return Some(HubbleEvent::Lost(lost(&event, node_name, at(event.first).unwrap_or(to), to)));
    }
    node_status.map(|status| HubbleEvent::Node(node_change(status)))
}

/// The time from the start of the run to a time by the node's clock.
pub(crate) fn since(time: Timestamp, begin: SystemTime) -> Duration {
    let begin = match begin.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(_) => 0,
    };
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos) - begin;
    Duration::from_nanos(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX))
}

fn lost(event: &LostEvent, node: String, from: Duration, to: Duration) -> LossWindow {
    let reason = match LostEventSource::try_from(event.source) {
        Ok(LostEventSource::PerfEventRing) => LossReason::KernelRing,
        Ok(LostEventSource::ObserverQueue) => LossReason::AgentQueue,
        Ok(LostEventSource::HubbleRing) => LossReason::AgentRing,
        Ok(LostEventSource::Unknown) | Err(_) => LossReason::Unsaid,
    };
    LossWindow { reason, count: Some(event.num_events_lost), node, from: from.min(to), to }
}

fn node_change(status: NodeStatusEvent) -> NodeChange {
    let state = NodeState::try_from(status.state_change).unwrap_or(NodeState::Unknown);
    NodeChange { state, nodes: status.node_names, message: status.message }
}

/// The flow, or an error that says which part cannot be read.
fn reported(flow: messages::Flow, node: String, at: Option<Duration>) -> Result<Option<HubbleEvent>, String> {
    let number = if flow.drop_reason_desc > 0 {
        flow.drop_reason_desc
    } else {
        i32::try_from(flow.drop_reason).unwrap_or(0)
    };
    let direction = direction_of(flow.traffic_direction);
    let request = flow.l7.as_ref().and_then(request::request);
    let Some(kind) = flow_kind(&flow, number, direction) else { return Ok(None) };
    let is_reply = match &flow.l7 {
        Some(l7) => request::is_response(l7),
        None => flow.is_reply.unwrap_or(false),
    };
    let about = |what: &str| format!("{} without {what}", name_of(kind));
    let at = at.ok_or_else(|| about("a time"))?;
    let verdict = verdict(flow.verdict).ok_or_else(|| about("a known verdict"))?;
    let direction = match (direction, kind) {
        (Some(direction), _) => direction,
        // For these the direction says nothing about who denied.
        (None, FlowKind::Drop | FlowKind::Proxy | FlowKind::Trace) => FlowDirection::Egress,
        (None, FlowKind::PolicyVerdict) => return Err(about("a direction")),
    };
    let ip = flow.ip.as_ref().ok_or_else(|| about("addresses"))?;
    let (protocol, ports) = transport(flow.l4.as_ref()).ok_or_else(|| about("a readable port"))?;
    let source = end(&ip.source, ports.map(|(source, _)| source), flow.source.as_ref());
    let destination =
        end(&ip.destination, ports.map(|(_, destination)| destination), flow.destination.as_ref());
    let (Some(mut source), Some(mut destination)) = (source, destination) else {
        return Err(about("readable addresses"));
    };
    let (mut source_names, mut destination_names) = (flow.source_names, flow.destination_names);
    // A dropped packet on the way back is an event of its own; a proxy's answer belongs to its request.
    if is_reply && kind == FlowKind::Proxy {
        (source, destination) = (destination, source);
        (source_names, destination_names) = (destination_names, source_names);
    }
    let denied = matches!(verdict, FlowVerdict::Dropped | FlowVerdict::Audit);
    let policies = match (direction, denied) {
        (FlowDirection::Egress, false) => &flow.egress_allowed_by,
        (FlowDirection::Egress, true) => &flow.egress_denied_by,
        (FlowDirection::Ingress, false) => &flow.ingress_allowed_by,
        (FlowDirection::Ingress, true) => &flow.ingress_denied_by,
    };
    let flow = Flow {
        at,
        kind,
        verdict,
        direction,
        source,
        client: None,
        destination,
        protocol,
        drop_reason: drop_reason(verdict, kind, number),
        match_type: flow.policy_match_type,
        policies: policies.iter().filter_map(short_name).collect(),
        request,
    };
    let reported = ReportedFlow { flow, is_reply, node, source_names, destination_names };
    Ok(Some(HubbleEvent::Flow(Box::new(reported))))
}

fn direction_of(number: i32) -> Option<FlowDirection> {
    match TrafficDirection::try_from(number) {
        Ok(TrafficDirection::Ingress) => Some(FlowDirection::Ingress),
        Ok(TrafficDirection::Egress) => Some(FlowDirection::Egress),
        Ok(TrafficDirection::Unknown) | Err(_) => None,
    }
}

/// The kind of an event, or none if verdicts are not based on it. `number` is that of the drop reason.
fn flow_kind(flow: &messages::Flow, number: i32, direction: Option<FlowDirection>) -> Option<FlowKind> {
    match flow.event_type.map_or(0, |event| event.kind) {
        event_type::POLICY_VERDICT => Some(FlowKind::PolicyVerdict),
        event_type::DROP if reason::is_policy(number) && direction.is_some() => Some(FlowKind::PolicyVerdict),
        // Packets without addresses belong to no attempt.
        event_type::DROP if flow.ip.is_some() => Some(FlowKind::Drop),
        event_type::L7 if flow.l7.as_ref().and_then(request::request).is_some() => Some(FlowKind::Proxy),
        _ => None,
    }
}

fn drop_reason(verdict: FlowVerdict, kind: FlowKind, number: i32) -> Option<DropReason> {
    match (verdict, kind) {
        (FlowVerdict::Dropped, FlowKind::Proxy) => Some(DropReason::RefusedByProxy),
        (FlowVerdict::Dropped, _) => Some(reason::meaning(number)),
        (FlowVerdict::Error, _) => Some(DropReason::Other("the proxy failed".to_owned())),
        (FlowVerdict::Forwarded | FlowVerdict::Redirected | FlowVerdict::Audit, _) => None,
    }
}

fn name_of(kind: FlowKind) -> &'static str {
    match kind {
        FlowKind::PolicyVerdict => "a policy verdict",
        FlowKind::Drop => "a drop",
        FlowKind::Trace => "a trace",
        FlowKind::Proxy => "a proxy's report",
    }
}

fn verdict(number: i32) -> Option<FlowVerdict> {
    match Verdict::try_from(number).ok()? {
        Verdict::Forwarded => Some(FlowVerdict::Forwarded),
        Verdict::Dropped => Some(FlowVerdict::Dropped),
        Verdict::Error => Some(FlowVerdict::Error),
        Verdict::Audit => Some(FlowVerdict::Audit),
        Verdict::Redirected => Some(FlowVerdict::Redirected),
        Verdict::Unknown | Verdict::Traced | Verdict::Translated => None,
    }
}

/// Protocol and ports, source first; none if a number is out of range.
fn transport(l4: Option<&Layer4>) -> Option<(FlowProtocol, Option<(u16, u16)>)> {
    let Some(l4) = l4 else { return Some((FlowProtocol::Other(0), None)) };
    let with_ports = |protocol: Protocol, ports: Ports| {
        let source = u16::try_from(ports.source_port).ok()?;
        let destination = u16::try_from(ports.destination_port).ok()?;
        Some((FlowProtocol::Port(protocol), Some((source, destination))))
    };
    let icmp = |v6: bool, kind: u32| Some((FlowProtocol::Icmp { v6, kind: u8::try_from(kind).ok()? }, None));
    match *l4 {
        Layer4 { tcp: Some(ports), .. } => with_ports(Protocol::Tcp, ports),
        Layer4 { udp: Some(ports), .. } => with_ports(Protocol::Udp, ports),
        Layer4 { sctp: Some(ports), .. } => with_ports(Protocol::Sctp, ports),
        Layer4 { icmp: Some(message), .. } => icmp(false, message.kind),
        Layer4 { icmpv6: Some(message), .. } => icmp(true, message.kind),
        Layer4 { .. } => Some((FlowProtocol::Other(0), None)),
    }
}

fn end(address: &str, port: Option<u16>, endpoint: Option<&messages::Endpoint>) -> Option<FlowEnd> {
    let address: IpAddr = address.parse().ok()?;
    let identity = endpoint.map_or(0, |endpoint| endpoint.identity);
    Some(FlowEnd { address, port, identity, endpoint: endpoint.and_then(who) })
}

/// The endpoint of the topology, if Hubble names it. The topology knows hosts outside the cluster and other nodes only
/// by their addresses.
/// <https://docs.cilium.io/en/stable/gettingstarted/terminology/#special-identities>
fn who(endpoint: &messages::Endpoint) -> Option<Endpoint> {
    if !endpoint.pod_name.is_empty() {
        let namespace = endpoint.namespace.parse().ok()?;
        return Some(Endpoint::Pod(NamespacedName { namespace, name: endpoint.pod_name.parse().ok()? }));
    }
    match endpoint.identity {
        1 => LOCAL_NODE.parse::<HostName>().ok().map(Endpoint::Node),
        4 => Some(Endpoint::Cilium(CiliumEndpoint::Health)),
        8 => Some(Endpoint::Cilium(CiliumEndpoint::Ingress)),
        _ => None,
    }
}

/// `database/lockdown`, or the agent's name for something that it allows itself (`allow-localhost-ingress`).
fn short_name(policy: &Policy) -> Option<String> {
    let labelled = |key: &str| {
        let value = |label: &String| Some(label.split_once(key)?.1.to_owned());
        policy.labels.iter().find_map(value)
    };
    let or_label = |given: &String, key: &str| {
        if given.is_empty() { labelled(key) } else { Some(given.clone()) }
    };
    let name = or_label(&policy.name, "io.cilium.k8s.policy.name=");
    let namespace = or_label(&policy.namespace, "io.cilium.k8s.policy.namespace=");
    match (namespace, name) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (None, Some(name)) => Some(name),
        (_, None) => labelled("io.cilium.policy.derived-from="),
    }
}

#[cfg(test)]
mod tests;
