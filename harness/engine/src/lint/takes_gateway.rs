//! A clusterwide policy whose subject includes endpoints that Cilium runs itself: the gateway and the health
//! endpoint.
//!
//! <https://docs.cilium.io/en/stable/network/servicemesh/ingress-and-network-policy/>

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint};

use super::LintContext;
use crate::identity::Identity;
use crate::label::LabelSource;
use crate::rule::{Direction, Effect, Entity, PeerMatcher, Peers, RuleEntry, Subject};

const CODE: &str = "takes-gateway";
const HELP: &str = "select pods alone, `endpointSelector: {matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, \
                    operator: Exists}]}`, or allow what the gateway needs in a policy for `reserved:ingress`";

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let gateway = Identity::cilium(CiliumEndpoint::Ingress);
    let mut warnings = Vec::new();
    for rule in context.model.rules.iter() {
        let (Subject::Endpoints(selector), Some(first)) = (&rule.subject, rule.entries.first()) else {
            continue;
        };
        let clusterwide = context.model.objects[first.origin.object].kind()
            == Some(PolicyKind::CiliumClusterwideNetworkPolicy);
        // An author who names it means it.
        let named = selector.has_key(|requirement| requirement.source == Some(LabelSource::Reserved));
        if !clusterwide || named || !selector.selects(&gateway) {
            continue;
        }
        let cut = [(Direction::Ingress, "allows no client outside"), (Direction::Egress, "may reach no pod")];
        let cut = cut.into_iter().filter(|(direction, _)| {
            rule.entries.iter().any(|entry| entry.isolates && entry.direction == *direction)
                && !is_served(context, *direction)
        });
        let effects: Vec<&str> = cut.map(|(_, effect)| effect).collect();
        if effects.is_empty() {
            continue;
        }
        let message = format!(
            "this selects Cilium's own endpoints too: the gateway (`reserved:ingress`), which then answers 403 because it \
             {}, and the health checks",
            effects.join(" and ")
        );
        let spec = context.spec(&first.origin);
        let node = spec.and_then(|spec| spec.get("endpointSelector"));
        let position = node.map_or(first.origin.position, |node| node.position);
        warnings.push(Diagnostic::warning(context.place(first, position), CODE, message).help(HELP));
    }
    warnings
}

/// Whether some rule lets the gateway work in a direction: clients outside at ingress, pods at egress.
fn is_served(context: &LintContext<'_>, direction: Direction) -> bool {
    let gateway = Endpoint::Cilium(CiliumEndpoint::Ingress);
    let Some(state) = context.model.subjects.get(&gateway) else { return false };
    let mut entries = state.side(direction).entries.iter().map(|index| context.model.entry(*index));
    entries.any(|entry| entry.effect == Effect::Allow && serves(entry))
}

fn serves(entry: &RuleEntry) -> bool {
    let nothing = matches!(&entry.ports, crate::rule::Ports::OneOf(ports) if ports.is_empty());
    let serves = |matcher: &PeerMatcher| match matcher {
        PeerMatcher::Entity(Entity::All | Entity::World | Entity::WorldIpv4 | Entity::WorldIpv6) => true,
        PeerMatcher::Entity(Entity::Cluster) => entry.direction == Direction::Egress,
        PeerMatcher::Cidr { .. } | PeerMatcher::CidrGroups { .. } => entry.direction == Direction::Ingress,
        PeerMatcher::Selector(selector) => {
            entry.direction == Direction::Egress && selector.requirements.iter().all(|r| r.implied)
        }
        PeerMatcher::Entity(_) | PeerMatcher::Name(_) => false,
    };
    !nothing
        && match &entry.peers {
            Peers::Any => true,
            Peers::OneOf(peers) => peers.iter().any(|peer| serves(&peer.matcher)),
        }
}
