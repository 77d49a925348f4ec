//! Why an endpoint is not a peer, in the terms of the policy's author. An endpoint that is not a pod is named, with
//! the entity that policies have for it.

use ipnet::IpNet;
use verdikt_scenario::policy::PolicyKind;

use crate::identity::Identity;
use crate::label::{CLUSTER, NAMESPACE, NAMESPACE_LABELS};
use crate::rule::{Direction, Peer, PeerField, PeerMatcher};
use crate::selector::{Operator, Requirement, Selector};

/// The origin of a peer: kind of policy and direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    pub(crate) direction: Direction,
    /// The kind of the policy.
    pub(crate) kind: Option<PolicyKind>,
}

impl Author {
    fn writes_kubernetes(self) -> bool {
        self.kind == Some(PolicyKind::NetworkPolicy)
    }

    /// What to write to mean an entity.
    fn mend(self, entity: &str) -> String {
        let field = match self.direction {
            Direction::Ingress => "fromEntities",
            Direction::Egress => "toEntities",
        };
        if self.writes_kubernetes() {
            format!("no NetworkPolicy can name it: add a CiliumNetworkPolicy with `{field}: [{entity}]`")
        } else {
            format!("write `{field}: [{entity}]`")
        }
    }
}

/// Why an identity is not a peer.
pub(crate) fn peer_miss(peer: &Peer, identity: &Identity, author: Author) -> String {
    if let (PeerField::Nodes, PeerMatcher::Selector(selector)) = (peer.field, &peer.matcher) {
        return node_miss(selector, identity, author);
    }
    let by_labels = matches!(peer.matcher, PeerMatcher::Selector(_));
    match (&peer.matcher, known_as(identity)) {
        (
            PeerMatcher::Selector(_) | PeerMatcher::Cidr { .. } | PeerMatcher::Name(_),
            Some((what, entity)),
        ) => {
            let (unlike, mend) = (if by_labels { "labels" } else { "addresses" }, author.mend(entity));
            return format!(
                "peer: it is {what}, which policies know as `{entity}` and not by {unlike}; {mend}"
            );
        }
        (PeerMatcher::Selector(_), None) if identity.address.is_some() => {
            return format!(
                "peer: it is outside the cluster, where labels select nothing; {}",
                outside(author)
            );
        }
        _ => {}
    }
    match &peer.matcher {
        PeerMatcher::Selector(selector) => {
            let failed = selector.requirements.iter().filter(|requirement| !requirement.holds(identity));
            let mut failed: Vec<&Requirement> = failed.collect();
            // The cluster label means nothing to authors with a single cluster.
            if failed.len() > 1 {
                failed.retain(|requirement| !(requirement.implied && requirement.key == CLUSTER));
            }
            let wanted: Vec<String> =
                failed.iter().map(|requirement| requirement_miss(requirement, identity, author)).collect();
            format!("peer: {}", wanted.join(", "))
        }
        PeerMatcher::Entity(entity) => {
            format!("peer: it does not belong to the entity {}", entity.word())
        }
        PeerMatcher::Cidr { within, except } => cidr_miss(within, except, identity),
        PeerMatcher::CidrGroups { selector, except } => match excepted(except, identity) {
            Some(miss) => miss,
            None => format!("peer: no CIDR group with {selector} contains it"),
        },
        PeerMatcher::Name(pattern) => match (identity.address, identity.names.as_slice()) {
            (None, _) => format!("peer: toFQDNs `{pattern}` matches no endpoint of the cluster"),
            (Some(address), []) => {
                format!("peer: the DNS proxy has learned no name for {address}, so `{pattern}` cannot match")
            }
            (Some(address), names) => {
                format!("peer: {address} is known as {}, which `{pattern}` does not match", names.join(", "))
            }
        },
    }
}

/// Why an identity is not one of the nodes that `fromNodes` or `toNodes` selects.
fn node_miss(selector: &Selector, identity: &Identity, author: Author) -> String {
    if !identity.is_reserved("remote-node") {
        let word = PeerField::Nodes.word(author.direction).unwrap_or_default();
        return format!("peer: {word} selects only other nodes, by their labels");
    }
    let failed = selector.requirements.iter().filter(|requirement| !requirement.holds(identity));
    let wanted: Vec<String> =
        failed.map(|requirement| requirement_miss(requirement, identity, author)).collect();
    format!("peer: {}", wanted.join(", "))
}

fn cidr_miss(within: &[IpNet], except: &[IpNet], identity: &Identity) -> String {
    let Some(address) = identity.address else {
        return "peer: CIDR rules match no endpoint of the cluster".to_owned();
    };
    if let Some(miss) = excepted(except, identity) {
        return miss;
    }
    let listed: Vec<String> = within.iter().map(ToString::to_string).collect();
    let listed = if listed.is_empty() { "any prefix of the group".to_owned() } else { listed.join(" or ") };
    format!("peer: {address} is not inside {listed}")
}

fn excepted(except: &[IpNet], identity: &Identity) -> Option<String> {
    let address = identity.address?;
    let prefix = except.iter().find(|prefix| prefix.contains(&address))?;
    Some(format!("peer: {address} is excepted by {prefix}"))
}

/// The name of an endpoint that is neither a pod nor a host outside, and its entity in policies.
/// <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>
fn known_as(identity: &Identity) -> Option<(&'static str, &'static str)> {
    let known = [
        ("kube-apiserver", "the API server"),
        ("host", "the node that runs these pods"),
        ("remote-node", "another node"),
        ("ingress", "the gateway"),
        ("health", "the endpoint of Cilium's health checks"),
    ];
    // An API server outside the cluster has an address as well.
    let mut known = known.into_iter().filter(|_| identity.address.is_none());
    known.find(|(entity, _)| identity.is_reserved(entity)).map(|(entity, what)| (what, entity))
}

/// What to write to mean a peer outside.
fn outside(author: Author) -> &'static str {
    match (author.writes_kubernetes(), author.direction) {
        (true, _) => "write an `ipBlock`",
        (false, Direction::Ingress) => "write `fromCIDR` or `fromEntities: [world]`",
        (false, Direction::Egress) => "write `toFQDNs`, `toCIDR` or `toEntities: [world]`",
    }
}

/// A requirement that does not hold, and the actual label.
fn requirement_miss(requirement: &Requirement, identity: &Identity, author: Author) -> String {
    if author.writes_kubernetes() {
        if let (NAMESPACE, Operator::In(wanted)) = (requirement.key.as_str(), &requirement.operator) {
            let actual = identity.value(NAMESPACE).unwrap_or_default();
            let (wanted, implied) = (wanted.join(" or "), requirement.implied);
            let own = if implied { ", the policy's own," } else { "" };
            return format!("the namespace {wanted}{own} is wanted, it is in {actual}");
        }
        if let Some(key) = requirement.key.strip_prefix(NAMESPACE_LABELS) {
            let plain = Requirement { key: key.into(), ..requirement.clone() };
            let instead = match identity.value(&requirement.key) {
                Some(value) => format!("its namespace has {key}={value}"),
                None => format!("its namespace has no label {key}"),
            };
            return format!("a namespace with {plain} is wanted, {instead}");
        }
    }
    let implied = if requirement.implied { " (implied)" } else { "" };
    format!("{requirement}{implied} is wanted, {}", requirement.instead(identity))
}
