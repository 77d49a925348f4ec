//! The peers of a rule.

use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_scenario::document::YamlNode;

use super::super::{ParseContext, element_text, list, refusal, refusal_of};
use super::selectors;
use crate::behaviour::LONGEST_NAME;
use crate::dns::NamePattern;
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{Direction, Effect, Peer, PeerField, PeerMatcher, Peers, Ports};

/// The peers of a rule.
pub(super) struct RulePeers<'a> {
    /// The known peers.
    pub(super) peers: Peers,
    /// Every name of `domainNames`, with the first peer that has that field and its index.
    pub(super) domains: Option<(usize, &'a YamlNode, Vec<NamePattern>)>,
    /// Whether there is a peer of a kind that the agent does not know.
    pub(super) has_unknown: bool,
}

/// Reads the peers of a rule.
pub(super) fn read_peers<'a>(
    item: &'a YamlNode,
    direction: Direction,
    effect: Effect,
    ports: &Ports,
    context: &ParseContext<'_>,
) -> Result<RulePeers<'a>, Refusal> {
    let field = if direction == Direction::Ingress { "from" } else { "to" };
    let elements = list(item, field)?.unwrap_or_default();
    let mut reader = ClusterPeerReader {
        effect,
        context,
        found: Vec::new(),
        domains: None,
        names_nobody: false,
        has_unknown: false,
    };
    for (index, element) in elements.iter().enumerate() {
        reader.read(index, element, direction)?;
    }
    let ClusterPeerReader { found, domains, names_nobody, has_unknown, .. } = reader;
    let peers = match (elements.is_empty(), found.is_empty()) {
        (true, _) => Peers::Any,
        // An empty list leaves a rule without peers; with ports, the rule then applies to every peer.
        (false, true) if names_nobody && *ports != Ports::All => Peers::Any,
        _ => Peers::OneOf(found),
    };
    Ok(RulePeers { peers, domains, has_unknown })
}

struct ClusterPeerReader<'a, 'c> {
    effect: Effect,
    context: &'c ParseContext<'c>,
    found: Vec<Peer>,
    domains: Option<(usize, &'a YamlNode, Vec<NamePattern>)>,
    /// Whether there is an empty list of networks or names.
    names_nobody: bool,
    has_unknown: bool,
}

impl<'a> ClusterPeerReader<'a, '_> {
    /// Reads a peer, by the first of its fields that the agent checks.
    fn read(&mut self, index: usize, element: &'a YamlNode, direction: Direction) -> Result<(), Refusal> {
        let of_egress = |key: &str| element.get(key).filter(|_| direction == Direction::Egress);
        let mut add = |matcher| {
            self.found.push(Peer { matcher, field: PeerField::Peers, index, position: element.position });
        };
        if let Some(pods) = element.get("pods") {
            add(PeerMatcher::Selector(selectors::peer_of_pods(pods, self.context.behaviour)?));
        } else if let Some(namespaces) = element.get("namespaces") {
            add(PeerMatcher::Selector(selectors::of_namespaces(namespaces)?));
        } else if let Some(nodes) = of_egress("nodes") {
            if !self.context.settings.node_selector_labels {
                let message = "egress.to.nodes is not supported since node selector labels are disabled";
                return Err(refusal_of(RefusalKind::NodeLabelsOff, nodes, message));
            }
            add(PeerMatcher::Selector(selectors::of_nodes(nodes)?));
        } else if let Some(networks) = of_egress("networks") {
            let within = networks.elements().iter().map(network).collect::<Result<Vec<_>, _>>()?;
            if within.is_empty() {
                self.names_nobody = true;
            } else {
                add(PeerMatcher::Cidr { within, except: Vec::new() });
            }
        } else if let Some(names) = of_egress("domainNames") {
            self.read_domains(index, names)?;
        } else {
            self.has_unknown = true;
        }
        Ok(())
    }

    fn read_domains(&mut self, index: usize, node: &'a YamlNode) -> Result<(), Refusal> {
        if self.effect != Effect::Allow {
            let message = "egress.to.domainNames is only supported for egress.action=Accept";
            return Err(refusal_of(RefusalKind::Combination, node, message));
        }
        if !self.context.settings.l7_proxy {
            let message = "egress.to.domainNames is not supported since the L7 proxy is not enabled";
            return Err(refusal(node, message));
        }
        let (_, _, names) = self.domains.get_or_insert_with(|| (index, node, Vec::new()));
        self.names_nobody |= node.elements().is_empty();
        for element in node.elements() {
            let name = domain(element, self.context)?;
            names.push(name.clone());
            let matcher = PeerMatcher::Name(name);
            self.found.push(Peer { matcher, field: PeerField::Peers, index, position: element.position });
        }
        Ok(())
    }
}

/// An element of `networks`: a prefix, whose host bits are ignored, or one address.
fn network(node: &YamlNode) -> Result<IpNet, Refusal> {
    let text = element_text(node, "networks")?;
    let prefix = match text.split_once('/') {
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
        Some((address, length)) => read_prefix(address, length),
    };
    let crash = || refusal_of(RefusalKind::Crash, node, format!("panic: {text:?} is not a CIDR"));
    prefix.map(|prefix| prefix.trunc()).ok_or_else(crash)
}

/// A prefix without leading zeros in address and length.
fn read_prefix(address: &str, length: &str) -> Option<IpNet> {
    let is_plain = length == "0" || !length.starts_with(['0', '+']);
    let length = length.parse().ok().filter(|_| is_plain)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

/// An element of `domainNames`. Its first star stands for one or more labels.
fn domain(node: &YamlNode, context: &ParseContext<'_>) -> Result<NamePattern, Refusal> {
    let text = element_text(node, "domainNames")?;
    let is_pattern = text.starts_with('*');
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c) || is_pattern && c == b'*';
    if !text.bytes().all(legal) {
        let field = if is_pattern { "MatchPattern" } else { "MatchName" };
        let message = format!(
            "Invalid characters in {field}: {text:?}. Only 0-9, a-z, A-Z and . and - characters are allowed"
        );
        return Err(refusal(node, message));
    }
    // A star that stands for several labels is one character longer.
    if text.len() + usize::from(text.starts_with("*.")) > LONGEST_NAME {
        return Err(refusal(node, format!("a name or pattern can have at most {LONGEST_NAME} characters")));
    }
    Ok(NamePattern::domain(text, context.behaviour))
}
