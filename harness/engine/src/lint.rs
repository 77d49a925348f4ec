//! Lints: policies that are legal but almost surely not what was meant, with one file for each kind of warning.
//!
//! A warning has a place and says what to do. Sound policies cause none; a lint that cannot be sure is silent.
//! Whatever depends on something that the files do not say is a hint.

mod api_server_port;
mod baseline_opens;
mod cidr_for_node;
mod cidr_for_pods;
mod clusterwide_peer;
mod covered;
mod deny_isolates;
mod deny_stops_probes;
mod dns_one_label;
mod dns_peer_namespace;
mod dns_rules_replaced;
mod egress_cuts_dns;
mod equal_priorities;
mod filtered_label;
mod foreign_namespace;
mod fqdn_of_pods;
mod fqdn_without_dns;
mod hidden_client;
mod host_network_pods;
mod http_method;
mod http_on_tls_port;
mod http_path;
mod ignored;
mod isolates_dns;
mod misread_value;
mod names_share_address;
mod needs_setting;
mod negative_peer;
mod nodes_beside_cidr;
mod pass_lags;
mod policy_types;
mod redirected_address;
mod selects_nothing;
mod service_port;
mod takes_gateway;
mod unsaid_api_server;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::place::{Place, Position};
use verdikt_scenario::policy::{Manifest, PolicyKind};
use verdikt_scenario::settings::Settings;
use verdikt_scenario::topology::{Endpoint, Topology};

pub use self::egress_cuts_dns::CODE as EGRESS_CUTS_DNS;
use crate::alike::AlikeEndpoints;
use crate::identity::Identity;
use crate::model::{LearnedNames, ManifestSummary, ModelOptions, PolicyModel};
use crate::refused_objects::{self, RefusedObject};
use crate::rule::{EntryOrigin, Peer, Rule, RuleEntry, Subject};
use crate::selector::{Operator, Requirement, Selector};

/// Every lint. The order does not matter, because warnings are sorted by their places.
const LINTS: &[fn(&LintContext<'_>) -> Vec<Diagnostic>] = &[
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
    hidden_client::lint,
    http_method::lint,
    policy_types::lint,
    api_server_port::lint,
    dns_peer_namespace::lint,
    filtered_label::lint,
    http_on_tls_port::lint,
    takes_gateway::lint,
    unsaid_api_server::lint,
    cidr_for_node::lint,
    covered::lint,
    deny_stops_probes::lint,
    host_network_pods::lint,
    http_path::lint,
    isolates_dns::lint,
    names_share_address::lint,
    negative_peer::lint,
    nodes_beside_cidr::lint,
    needs_setting::lint,
    misread_value::lint,
    baseline_opens::lint,
    equal_priorities::lint,
    dns_rules_replaced::lint,
    pass_lags::lint,
    redirected_address::lint,
];

/// The problems found in some policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Objects that are refused, once for each reason, in the order of the objects. They are mistakes, because
    /// nothing of such an object is in force.
    pub refusals: Vec<RefusedObject>,
    /// What is legal but almost surely wrong, in the order of the places.
    pub warnings: Vec<Diagnostic>,
}

/// What a lint reads: the manifests as they are written, or the rules of the model. Refused objects have no rules, so
/// lints over the manifests use [`Self::accepted`] unless the warning helps there too.
struct LintContext<'a> {
    /// The topology, if there is one; a plain folder of policies has none.
    topology: Option<&'a Topology>,
    manifests: &'a [Manifest],
    options: &'a ModelOptions,
    /// Whether the settings of Cilium are known.
    knows_settings: bool,
    /// The policies compiled over the topology, or over an empty one.
    model: &'a PolicyModel<'a>,
    /// The endpoints of the model by their identities.
    alike: Vec<AlikeEndpoints<'a>>,
    /// The pods in the network of a node, each with the identity that it would have in a network of its own.
    host_network_pods: Vec<(&'a NamespacedName, Identity)>,
}

/// Finds policies that are refused, and those that are legal but almost surely wrong. Lints that need to know what a
/// policy is for are silent without a topology.
///
/// ```
/// use verdikt_engine::model::ModelOptions;
/// use verdikt_engine::lint::lint;
/// use verdikt_engine::refusal::RefusalKind;
/// use verdikt_scenario::document;
/// use verdikt_scenario::policy::Manifest;
///
/// let text = "
/// apiVersion: cilium.io/v2
/// kind: CiliumNetworkPolicy
/// metadata: {name: lockdown, namespace: shop}
/// spec: {endpointSelector: {}, ingress: []}
/// ";
/// let root = document::parse(text)?.remove(0);
/// let manifests = [Manifest { file: "lockdown.yaml".into(), root }];
/// let findings = lint(None, &manifests, &ModelOptions::default());
/// assert_eq!(findings.refusals[0].object, 0);
/// assert_eq!(findings.refusals[0].kind, RefusalKind::NoDirection);
/// # Ok::<(), verdikt_scenario::document::DocumentError>(())
/// ```
pub fn lint(topology: Option<&Topology>, manifests: &[Manifest], options: &ModelOptions) -> Findings {
    // A folder of policies has no settings, so those that it needs are assumed.
    let settings =
        Settings { cluster_network_policy: true, node_selector_labels: true, ..Settings::default() };
    let empty = Topology { settings, ..Topology::default() };
    let model = PolicyModel::new(topology.unwrap_or(&empty), manifests, options, &LearnedNames::default());
    all_findings(&LintContext::new(topology, &model, manifests, options))
}

/// The same for policies without a topology, if the settings of Cilium are known.
pub fn lint_under(settings: &Settings, manifests: &[Manifest], options: &ModelOptions) -> Findings {
    let empty = Topology { settings: settings.clone(), ..Topology::default() };
    let model = PolicyModel::new(&empty, manifests, options, &LearnedNames::default());
    let context = LintContext { knows_settings: true, ..LintContext::new(None, &model, manifests, options) };
    all_findings(&context)
}

fn all_findings(context: &LintContext<'_>) -> Findings {
    let mut warnings: Vec<Diagnostic> = LINTS.iter().flat_map(|lint| lint(context)).collect();
    warnings.sort();
    warnings.dedup();
    let refusals = refused_objects::refused_objects(context.manifests, *context.options, context.model);
    Findings { refusals, warnings }
}

impl<'a> LintContext<'a> {
    fn new(
        topology: Option<&'a Topology>,
        model: &'a PolicyModel<'a>,
        manifests: &'a [Manifest],
        options: &'a ModelOptions,
    ) -> Self {
        let knows_settings = topology.is_some();
        let alike = AlikeEndpoints::of_model(model);
        let host_network_pods = host_network_pods::host_network_pods(topology, model);
        Self { topology, manifests, options, knows_settings, model, alike, host_network_pods }
    }

    /// The manifests of objects that are not refused.
    fn accepted(&self) -> impl Iterator<Item = &Manifest> {
        let judged = self.manifests.iter().zip(self.model.acceptances());
        judged.filter(|(_, acceptance)| acceptance.refused().is_none()).map(|(manifest, _)| manifest)
    }

    /// Every entry with its rule.
    fn entries(&self) -> impl Iterator<Item = (&Rule, &RuleEntry)> {
        self.model.rules.iter().flat_map(|rule| rule.entries.iter().map(move |entry| (rule, entry)))
    }

    /// The place of a position in an entry's object.
    fn place(&self, entry: &RuleEntry, position: Position) -> Place {
        self.manifests[entry.origin.object].place(position)
    }

    /// The name of an entry's object.
    fn name(&self, entry: &RuleEntry) -> String {
        self.model.objects[entry.origin.object].reference.to_string()
    }

    /// The specification that something was read from.
    fn spec(&self, origin: &EntryOrigin) -> Option<&YamlNode> {
        let root = &self.manifests[origin.object].root;
        match origin.spec {
            None => root.get("spec"),
            Some(index) => root.get("specs")?.elements().get(index),
        }
    }

    /// The list item that an entry was read from; none if the entry comes from `policyTypes`.
    fn item(&self, origin: &EntryOrigin) -> Option<&YamlNode> {
        self.spec(origin)?.get(origin.section.word())?.elements().get(origin.index)
    }

    /// The list element that a peer was read from.
    fn peer_node(&self, entry: &RuleEntry, peer: &Peer) -> Option<&YamlNode> {
        let word = peer.field.word(entry.direction)?;
        self.item(&entry.origin)?.get(word)?.elements().get(peer.index)
    }

    /// The endpoints that a rule selects, of those that have policies.
    fn selected(&self, rule: &Rule) -> Vec<&Endpoint> {
        let mut selected: Vec<&Endpoint> =
            self.selected_alike(rule).flat_map(|alike| alike.endpoints.iter().copied()).collect();
        selected.sort_unstable();
        selected
    }

    /// Whether a rule selects no endpoint that has policies.
    fn selects_nothing(&self, rule: &Rule) -> bool {
        self.selected_alike(rule).next().is_none()
    }

    fn selected_alike(&self, rule: &Rule) -> impl Iterator<Item = &AlikeEndpoints<'_>> {
        let selector = match &rule.subject {
            Subject::Endpoints(selector) => Some(selector),
            Subject::Nodes(_) => None,
        };
        let managed = self.alike.iter().filter(|alike| alike.state.is_managed);
        managed.filter(move |alike| selector.is_some_and(|it| it.selects(&alike.state.identity)))
    }

    /// Whether a selector matches any endpoint.
    fn selects_any(&self, selector: &Selector) -> bool {
        self.alike.iter().any(|alike| selector.selects(&alike.state.identity))
    }
}

impl LintContext<'_> {
    /// Whether a rule might select some of the endpoints that another selects, by their selectors: unless their
    /// requirements exclude each other. The namespace of an object without one depends on its folder, so objects of
    /// different folders are not compared.
    fn may_share_endpoints(&self, one: &Rule, other: &Rule) -> bool {
        self.may_be_neighbours(one, other) && selectors_may_meet(one, other)
    }

    /// Whether two rules may be in force in the same namespace.
    fn may_be_neighbours(&self, one: &Rule, other: &Rule) -> bool {
        let (Some(one), Some(other)) = (self.object_of(one), self.object_of(other)) else { return true };
        let namespaced = |object: &ManifestSummary| object.kind().is_some_and(PolicyKind::is_namespaced);
        let is_nameless = |object: &ManifestSummary| object.reference.namespace.is_none();
        let open = namespaced(one) && namespaced(other) && (is_nameless(one) || is_nameless(other));
        !open || folder(one) == folder(other)
    }

    fn object_of(&self, rule: &Rule) -> Option<&ManifestSummary> {
        rule.entries.first().map(|entry| &self.model.objects[entry.origin.object])
    }
}

/// The folder of an object's file.
fn folder(object: &ManifestSummary) -> Option<&str> {
    object.file.rsplit_once('/').map(|(folder, _)| folder)
}

/// Whether the selectors of two rules can match the same identity.
fn selectors_may_meet(one: &Rule, other: &Rule) -> bool {
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
fn specs(object: &YamlNode) -> impl Iterator<Item = &YamlNode> {
    let specs = object.get("specs").map_or(&[][..], YamlNode::elements);
    object.get("spec").into_iter().chain(specs)
}

/// Every value under a key, however deep.
fn values_under<'a>(node: &'a YamlNode, key: &str, found: &mut Vec<&'a YamlNode>) {
    for entry in node.entries() {
        if entry.key == key {
            found.push(&entry.value);
        }
        values_under(&entry.value, key, found);
    }
    node.elements().iter().for_each(|element| values_under(element, key, found));
}

/// The first of some endpoints, as text: `shop/web, shop/api and 3 more`.
fn listed(endpoints: &[&Endpoint]) -> String {
    let shown: Vec<String> = endpoints.iter().take(3).map(ToString::to_string).collect();
    match endpoints.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
