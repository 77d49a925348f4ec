//! Policies that are legal and almost surely not what was meant: one file for each kind of warning.
//!
//! A warning names the place and the mend. Sound policies cause none; where a lint cannot be sure, it is silent.

mod cidr_for_pods;
mod clusterwide_peer;
mod deny_isolates;
mod dns_one_label;
mod egress_cuts_dns;
mod foreign_namespace;
mod fqdn_of_pods;
mod fqdn_without_dns;
mod http_method;
mod ignored;
mod nearest;
mod policy_types;
mod refused;
mod selects_nothing;
mod service_port;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::Node;
use verdikt_scenario::place::{Place, Position};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::cluster::{Cluster, Learned, Options};
use crate::decide::is_managed;
use crate::rule::{Entry, Origin, Peer, Rule, Subject};
use crate::selector::{Operator, Requirement};

/// The code of warnings about objects that will be refused.
pub const REFUSED: &str = "refused";

/// What a lint looks at.
struct Ground<'a> {
    /// The topology, if there is one; a plain folder of policies has none.
    topology: Option<&'a Topology>,
    manifests: &'a [Manifest],
    options: &'a Options,
    /// The policies compiled over the topology, or over an empty one.
    cluster: &'a Cluster<'a>,
}

/// Warns of policies that are legal and almost surely wrong, in the order of their places. Lints that need to know
/// what a policy is for are silent without a topology.
pub fn lint(topology: Option<&Topology>, manifests: &[Manifest], options: &Options) -> Vec<Diagnostic> {
    let empty = Topology::default();
    let cluster = Cluster::new(topology.unwrap_or(&empty), manifests, options, &Learned::default());
    let ground = Ground { topology, manifests, options, cluster: &cluster };
    let lints: [fn(&Ground<'_>) -> Vec<Diagnostic>; 14] = [
        refused::lint,
        ignored::lint,
        selects_nothing::lint,
        foreign_namespace::lint,
        service_port::lint,
        fqdn_without_dns::lint,
        fqdn_of_pods::lint,
        dns_one_label::lint,
        cidr_for_pods::lint,
        clusterwide_peer::lint,
        egress_cuts_dns::lint,
        deny_isolates::lint,
        http_method::lint,
        policy_types::lint,
    ];
    let mut warnings: Vec<Diagnostic> = lints.iter().flat_map(|lint| lint(&ground)).collect();
    warnings.sort();
    warnings.dedup();
    warnings
}

impl Ground<'_> {
    /// Every entry with its rule.
    fn entries(&self) -> impl Iterator<Item = (&Rule, &Entry)> {
        self.cluster.rules.iter().flat_map(|rule| rule.entries.iter().map(move |entry| (rule, entry)))
    }

    /// Where something of an entry's object stands.
    fn place(&self, entry: &Entry, position: Position) -> Place {
        self.manifests[entry.origin.object].place(position)
    }

    /// The name of an entry's object.
    fn name(&self, entry: &Entry) -> String {
        self.cluster.objects[entry.origin.object].reference.to_string()
    }

    /// The specification that something was read from.
    fn spec(&self, origin: &Origin) -> Option<&Node> {
        let root = &self.manifests[origin.object].root;
        match origin.spec {
            None => root.get("spec"),
            Some(index) => root.get("specs")?.elements().get(index),
        }
    }

    /// The list item that an entry was read from; none where the entry comes of `policyTypes`.
    fn item(&self, origin: &Origin) -> Option<&Node> {
        self.spec(origin)?.get(origin.section.word())?.elements().get(origin.index)
    }

    /// The list element that a peer was read from.
    fn peer_node(&self, entry: &Entry, peer: &Peer) -> Option<&Node> {
        self.item(&entry.origin)?.get(peer.path.0)?.elements().get(peer.path.1)
    }

    /// The endpoints a rule selects, of those that have policies.
    fn selected(&self, rule: &Rule) -> Vec<&Endpoint> {
        let Subject::Endpoints(selector) = &rule.subject else { return Vec::new() };
        let subjects = self.cluster.subjects.iter();
        subjects
            .filter(|(endpoint, subject)| is_managed(endpoint) && selector.selects(&subject.identity))
            .map(|(endpoint, _)| endpoint)
            .collect()
    }
}

/// Whether a rule might select some of the endpoints another selects, judged by the selectors alone: unless a
/// requirement of one excludes one of the other.
fn may_share_endpoints(one: &Rule, other: &Rule) -> bool {
    match (&one.subject, &other.subject) {
        (Subject::Endpoints(one), Subject::Endpoints(other)) => !one
            .requirements
            .iter()
            .any(|requirement| other.has_key(|candidate| excludes(requirement, candidate))),
        _ => false,
    }
}

/// Whether no identity fulfils both requirements.
fn excludes(one: &Requirement, other: &Requirement) -> bool {
    let same_source = one.source == other.source || one.source.is_none() || other.source.is_none();
    let never_both = match (&one.operator, &other.operator) {
        (Operator::In(one), Operator::In(other)) => !one.iter().any(|value| other.contains(value)),
        (Operator::In(values), Operator::NotIn(excluded))
        | (Operator::NotIn(excluded), Operator::In(values)) => {
            values.iter().all(|value| excluded.contains(value))
        }
        (Operator::In(_) | Operator::Exists, Operator::DoesNotExist)
        | (Operator::DoesNotExist, Operator::In(_) | Operator::Exists) => true,
        _ => false,
    };
    same_source && one.key == other.key && never_both
}

/// The specifications of an object.
fn specs(object: &Node) -> impl Iterator<Item = &Node> {
    let specs = object.get("specs").map_or(&[][..], Node::elements);
    object.get("spec").into_iter().chain(specs)
}

/// Every value under a key, however deep.
fn values_under<'a>(node: &'a Node, key: &str, found: &mut Vec<&'a Node>) {
    for entry in node.entries() {
        if entry.key == key {
            found.push(&entry.value);
        }
        values_under(&entry.value, key, found);
    }
    node.elements().iter().for_each(|element| values_under(element, key, found));
}

/// The first of some endpoints, in words: `shop/web, shop/api and 3 more`.
fn listed(endpoints: &[&Endpoint]) -> String {
    let shown: Vec<String> = endpoints.iter().take(3).map(ToString::to_string).collect();
    match endpoints.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
