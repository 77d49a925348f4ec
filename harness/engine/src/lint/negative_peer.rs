//! Peers that are only described by what they are not.

use std::net::{IpAddr, Ipv4Addr};

use verdikt_scenario::diagnostic::Diagnostic;

use super::LintContext;
use crate::identity::Identity;
use crate::label::{LabelSource, NAMESPACE, NAMESPACE_LABELS};
use crate::rule::{Effect, PeerMatcher, Peers};
use crate::selector::{Operator, Requirement, Selector};

const CODE: &str = "negative-peer";

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let world = Identity::world(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Vec::new());
    let mut warnings = Vec::new();
    for (_, entry) in context.entries().filter(|(_, entry)| entry.effect == Effect::Allow) {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers.iter().filter(|peer| !peer.field.leads_through_services()) {
            let PeerMatcher::Selector(selector) = &peer.matcher else { continue };
            if !is_negative(selector) {
                continue;
            }
            let place = context.place(entry, peer.position);
            if selector.selects(&world) {
                let message = "this peer is everything without these labels: in this version of Cilium nodes and hosts \
                               outside too";
                let help = "add a requirement that only pods fulfil, such as the label of a namespace";
                warnings.push(Diagnostic::warning(place, CODE, message).help(help));
            } else if is_of_every_namespace(selector) {
                let message = "this peer is any pod of any namespace without these labels, those of kube-system included";
                let help = "name what may connect, or narrow the namespaces";
                warnings.push(Diagnostic::hint(place, CODE, message).help(help));
            }
        }
    }
    warnings
}

fn written(selector: &Selector) -> impl Iterator<Item = &Requirement> {
    selector.requirements.iter().filter(|requirement| !requirement.implied)
}

/// Whether all requirements exclude something.
fn is_negative(selector: &Selector) -> bool {
    let negative = |requirement: &Requirement| {
        matches!(requirement.operator, Operator::NotIn(_) | Operator::DoesNotExist)
            && !matches!(
                requirement.source,
                Some(LabelSource::Reserved | LabelSource::Cidr | LabelSource::CidrGroup)
            )
    };
    written(selector).next().is_some() && written(selector).all(negative)
}

/// Whether it has labels of pods, and none of their namespaces.
fn is_of_every_namespace(selector: &Selector) -> bool {
    let confined = |requirement: &Requirement| {
        requirement.key == NAMESPACE && requirement.operator != Operator::Exists
            || requirement.key.starts_with(NAMESPACE_LABELS)
    };
    !selector.requirements.iter().any(confined)
}
