//! Names, address blocks, ports and requests in policies, clause by clause.

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Port, Protocol};

/// A block of addresses with its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) cidr: String,
    pub(super) except: Vec<String>,
    pub(super) place: Place,
}

/// A DNS name, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) is_pattern: bool,
    pub(super) place: Place,
}

/// A port by number or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PolicyPort {
    Number(Protocol, Port),
    Name(String),
}

/// A request that an HTTP rule mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleRequest {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
}

/// One item of `ingress` or `egress`, as far as it suggests attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clause {
    /// The namespace of its policy; none if the policy is clusterwide.
    pub(super) namespace: Option<NamespaceName>,
    pub(super) is_ingress: bool,
    pub(super) ports: Vec<PolicyPort>,
    pub(super) blocks: Vec<Block>,
    pub(super) names: Vec<Name>,
    /// Names in DNS rules.
    pub(super) queries: Vec<Name>,
    pub(super) http: Vec<RuleRequest>,
    pub(super) entities: Vec<String>,
}

/// The clauses of some policies, in their order.
pub(super) fn clauses(policies: &[Manifest]) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for policy in policies {
        let specs = policy.root.get("specs").map_or(&[][..], YamlNode::elements);
        let namespace = policy.object().namespace.and_then(|namespace| namespace.parse().ok());
        for spec in policy.root.get("spec").into_iter().chain(specs) {
            for (section, is_ingress) in
                [("ingress", true), ("ingressDeny", true), ("egress", false), ("egressDeny", false)]
            {
                for item in elements(spec, section) {
                    clauses.push(Clause { namespace: namespace.clone(), is_ingress, ..clause(policy, item) });
                }
            }
            // A CIDR group counts wherever it is used.
            let blocks = texts(spec, "externalCIDRs").map(|node| block(policy, node)).collect();
            clauses.push(Clause { blocks, ..Clause::default() });
        }
    }
    clauses.retain(|clause| {
        *clause
            != Clause {
                namespace: clause.namespace.clone(),
                is_ingress: clause.is_ingress,
                ..Clause::default()
            }
    });
    clauses
}

fn clause(policy: &Manifest, item: &YamlNode) -> Clause {
    let mut clause = Clause::default();
    for word in ["toCIDR", "fromCIDR"] {
        clause.blocks.extend(texts(item, word).map(|node| block(policy, node)));
    }
    let sets = ["toCIDRSet", "fromCIDRSet"].into_iter().flat_map(|word| elements(item, word));
    let peers = ["to", "from"].into_iter().flat_map(|word| elements(item, word));
    for set in sets.chain(peers.filter_map(|peer| peer.get("ipBlock"))) {
        if let Some(cidr) = set.get("cidr") {
            let except = texts(set, "except").filter_map(YamlNode::text).map(str::to_owned).collect();
            clause.blocks.push(Block { except, ..block(policy, cidr) });
        }
    }
    clause.names.extend(elements(item, "toFQDNs").iter().filter_map(|selector| name(policy, selector)));
    for word in ["toEntities", "fromEntities"] {
        clause.entities.extend(texts(item, word).filter_map(YamlNode::text).map(str::to_owned));
    }
    for to_ports in elements(item, "toPorts") {
        clause.ports.extend(elements(to_ports, "ports").iter().flat_map(port));
        let rules = |word: &str| to_ports.at(&["rules", word]).map_or(&[][..], YamlNode::elements).iter();
        clause.queries.extend(rules("dns").filter_map(|selector| name(policy, selector)));
        let text = |rule: &YamlNode, key: &str| rule.get(key).and_then(YamlNode::text).map(str::to_owned);
        let http =
            rules("http").map(|rule| RuleRequest { method: text(rule, "method"), path: text(rule, "path") });
        clause.http.extend(http);
    }
    clause.ports.extend(elements(item, "ports").iter().flat_map(port));
    clause
}

fn elements<'a>(node: &'a YamlNode, key: &str) -> &'a [YamlNode] {
    node.get(key).map_or(&[][..], YamlNode::elements)
}

fn texts<'a>(node: &'a YamlNode, key: &str) -> impl Iterator<Item = &'a YamlNode> {
    elements(node, key).iter().filter(|node| node.text().is_some())
}

fn block(policy: &Manifest, cidr: &YamlNode) -> Block {
    let text = cidr.text().unwrap_or_default().to_owned();
    Block { cidr: text, except: Vec::new(), place: policy.place(cidr.position) }
}

fn name(policy: &Manifest, selector: &YamlNode) -> Option<Name> {
    let of = |key: &str, is_pattern| {
        let node = selector.get(key)?;
        let text = node.text()?.trim_end_matches('.').to_lowercase();
        Some(Name { text, is_pattern, place: policy.place(node.position) })
    };
    of("matchName", false).or_else(|| of("matchPattern", true))
}

/// The port of a rule; TCP if it names no protocol.
fn port(node: &YamlNode) -> Vec<PolicyPort> {
    let protocols = match node.get("protocol").and_then(YamlNode::text).map(str::to_uppercase).as_deref() {
        Some("UDP") => vec![Protocol::Udp],
        Some("SCTP" | "ICMP" | "ICMPV6") => Vec::new(),
        _ => vec![Protocol::Tcp],
    };
    let number = match node.get("port").map(|port| &port.value) {
        Some(Value::Integer(number)) => u16::try_from(*number).ok().and_then(Port::new),
        Some(Value::Text(text)) => match text.parse() {
            Ok(number) => Some(number),
            Err(_) => return vec![PolicyPort::Name(text.to_string())],
        },
        _ => None,
    };
    let numbers = number.into_iter();
    numbers
        .flat_map(|number| protocols.iter().map(move |protocol| PolicyPort::Number(*protocol, number)))
        .collect()
}
