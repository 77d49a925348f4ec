//! What Hubble says, in one line each.

use std::fmt;

use verdikt_scenario::flow::{FlowEnd, FlowKind, ProxyRequest};
use verdikt_scenario::plain::Plain;

use super::{LossReason, LossWindow, ReportedFlow};

/// A flow in the order of `hubble observe`: time, node, ends, what judged, verdict.
impl fmt::Display for ReportedFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = &self.flow;
        let kind = match flow.kind {
            FlowKind::PolicyVerdict => "policy-verdict",
            FlowKind::Drop => "drop",
            FlowKind::Trace => "trace",
            FlowKind::Proxy => "proxy",
        };
        write!(f, "{:.6} {}: ", flow.at.as_secs_f64(), plain(&self.node))?;
        end(f, &flow.source, &self.source_names)?;
        write!(f, " {} ", if self.is_reply { "<-" } else { "->" })?;
        end(f, &flow.destination, &self.destination_names)?;
        write!(f, " {} {} {kind} {}", flow.protocol, flow.direction, flow.verdict)?;
        if let Some(reason) = &flow.drop_reason {
            write!(f, " ({})", plain(&reason.to_string()))?;
        }
        if flow.match_type != 0 {
            write!(f, " match {}", flow.match_type)?;
        }
        if !flow.policies.is_empty() {
            write!(f, " by {}", plain(&flow.policies.join(", ")))?;
        }
        flow.request.as_ref().map_or(Ok(()), |asked| request(f, asked))
    }
}

fn end(f: &mut fmt::Formatter<'_>, end: &FlowEnd, names: &[String]) -> fmt::Result {
    if let Some(endpoint) = &end.endpoint {
        write!(f, "{endpoint} ")?;
    } else if !names.is_empty() {
        write!(f, "{} ", plain(&names.join(",")))?;
    }
    match end.port {
        Some(_) => write!(f, "{}", end.socket())?,
        None => write!(f, "{}", end.address)?,
    }
    write!(f, " ({})", end.identity)
}

fn request(f: &mut fmt::Formatter<'_>, request: &ProxyRequest) -> fmt::Result {
    match request {
        ProxyRequest::Dns { name, kind, code, addresses, ttl } => {
            write!(f, " dns {} {}", plain(name), plain(kind))?;
            code.iter().try_for_each(|code| write!(f, " {code}"))?;
            addresses.iter().try_for_each(|address| write!(f, " {address}"))?;
            ttl.iter().try_for_each(|ttl| write!(f, " ttl {ttl}"))
        }
        ProxyRequest::Http { method, path, host, status } => {
            write!(f, " http {} {}{}", plain(method), plain(host), plain(path))?;
            status.iter().try_for_each(|status| write!(f, " {status}"))
        }
        ProxyRequest::Tls { server_name } => {
            f.write_str(" tls")?;
            server_name.iter().try_for_each(|name| write!(f, " {}", plain(name)))
        }
    }
}

/// What others wrote, in one line: it goes to terminals.
fn plain(text: &str) -> Plain {
    Plain::line(text)
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelRing => f.pad("the kernel wrote events faster than the agent read them"),
            Self::AgentQueue => f.pad("the agent could not keep up with its events"),
            Self::AgentRing => f.pad("the agent's ring was overwritten before it was read"),
            Self::Unsaid => f.pad("Hubble does not say how"),
            Self::Unreadable(what) => f.pad(&format!("Hubble sent {what}")),
            Self::Cut(why) | Self::NodeAway(why) => f.pad(why),
        }
    }
}

impl fmt::Display for LossWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = match self.count {
            None => "events".to_owned(),
            Some(1) => "1 event".to_owned(),
            Some(count) => format!("{count} events"),
        };
        let node = if self.node.is_empty() { String::new() } else { format!(" of {}", self.node) };
        let (from, to) = (self.from.as_secs_f64(), self.to.as_secs_f64());
        write!(f, "{events}{node} may be missing, {from:.3} s to {to:.3} s: {}", self.reason)
    }
}
