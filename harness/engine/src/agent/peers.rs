//! The peers of a rule's item.

use verdikt_scenario::document::Node;

use super::selectors::{Keys, imply_peer, selector};
use super::{Context, cidr, element_text, list, proxy, refusal};
use crate::admission::Refusal;
use crate::rule::{Direction, Effect, Entity, Gap, Peer, PeerMatcher, Peers};
use crate::selector::Selector;

/// The fields that name peers, in the order in which the agent looks for two of them: ingress word, egress word.
const KINDS: [(&str, &str); 8] = [
    ("fromEndpoints", "toEndpoints"),
    ("fromCIDR", "toCIDR"),
    ("fromCIDRSet", "toCIDRSet"),
    ("fromEntities", "toEntities"),
    ("", "toServices"),
    ("", "toFQDNs"),
    ("fromGroups", "toGroups"),
    ("fromNodes", "toNodes"),
];

/// Whom an item is about.
#[derive(Debug)]
pub(super) struct ItemPeers {
    /// The peers; `Any` where the item names none.
    pub(super) peers: Peers,
    /// Whether it names none, so that without ports it is about nothing at all.
    pub(super) unnamed: bool,
    /// What every peer chosen by its labels must fulfil as well.
    pub(super) requires: Vec<Selector>,
    /// What is not modelled.
    pub(super) gap: Option<Gap>,
}

/// Reads the peers of an item of `ingress`, `egress`, `ingressDeny` or `egressDeny`.
pub(super) fn peers(
    item: &Node,
    direction: Direction,
    effect: Effect,
    subject_is_init: bool,
    context: &Context<'_>,
) -> Result<ItemPeers, Refusal> {
    refuse_two_kinds(item, direction)?;
    let mut found = Vec::new();
    let mut nobody = false;
    let mut gap = None;
    for kind in KINDS {
        let field = word(kind, direction);
        if field.is_empty() {
            continue;
        }
        let Some(elements) = list(item, field)? else { continue };
        if elements.is_empty() {
            // Present and empty is nobody, but only for these kinds; the others count as absent.
            nobody |= matches!(kind.1, "toEndpoints" | "toNodes" | "toEntities" | "toCIDR" | "toCIDRSet");
        }
        for (index, element) in elements.iter().enumerate() {
            let path = (field, index);
            let mut add = |matcher| found.push(Peer { matcher, path, position: element.position });
            match kind.1 {
                "toEndpoints" => {
                    let mut selector = selector(element, Keys::WithSource)?;
                    let local_cluster = context.behaviour.peers_are_of_the_local_cluster;
                    imply_peer(&mut selector, context.namespace, subject_is_init, local_cluster);
                    add(PeerMatcher::Selector(selector));
                }
                "toCIDR" => add(cidr::prefix(element, field)?),
                "toCIDRSet" => add(cidr::set(element, context)?),
                "toEntities" => add(PeerMatcher::Entity(entity(element, field)?)),
                "toFQDNs" if effect == Effect::Allow => {
                    add(PeerMatcher::Name(proxy::name(element, context)?));
                }
                // The services of deny rules are never looked up.
                "toServices" if effect == Effect::Allow => {
                    context.surroundings.service_peers(element, context.behaviour)?.into_iter().for_each(add);
                }
                "toGroups" => gap = Some(Gap::Peers("groups of a cloud provider")),
                "toNodes" => {
                    return Err(refusal(
                        element,
                        format!("{field} needs node selector labels to be enabled"),
                    ));
                }
                _ => {}
            }
        }
    }
    let requires = requires(item, direction, |selector| {
        imply_peer(
            selector,
            context.namespace,
            subject_is_init,
            context.behaviour.peers_are_of_the_local_cluster,
        );
    })?;
    if !requires.is_empty() && !context.behaviour.requires {
        return Err(refusal(item, "FromRequires and ToRequires are no longer supported"));
    }
    let unnamed = found.is_empty() && !nobody;
    let peers = match (nobody, unnamed) {
        (true, _) => Peers::OneOf(Vec::new()),
        (false, true) => Peers::Any,
        (false, false) => Peers::OneOf(found),
    };
    Ok(ItemPeers { peers, unnamed, requires, gap })
}

/// Reads `fromRequires` or `toRequires`.
fn requires(
    item: &Node,
    direction: Direction,
    imply: impl Fn(&mut Selector),
) -> Result<Vec<Selector>, Refusal> {
    let field = word(("fromRequires", "toRequires"), direction);
    let read = |element: &Node| {
        let mut selector = selector(element, Keys::WithSource)?;
        imply(&mut selector);
        Ok(selector)
    };
    list(item, field)?.unwrap_or_default().iter().map(read).collect()
}

fn word(kind: (&'static str, &'static str), direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => kind.0,
        Direction::Egress => kind.1,
    }
}

/// An item can name peers of one kind only.
fn refuse_two_kinds(item: &Node, direction: Direction) -> Result<(), Refusal> {
    let mut first: Option<&str> = None;
    for kind in KINDS {
        let field = word(kind, direction);
        if item.get(field).is_none_or(|node| node.elements().is_empty()) {
            continue;
        }
        if let Some(first) = first {
            let (first, second) = (capitalized(first), capitalized(field));
            return Err(refusal(item, format!("combining {first} and {second} is not supported yet")));
        }
        first = Some(field);
    }
    Ok(())
}

fn capitalized(field: &str) -> String {
    let mut characters = field.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}

fn entity(node: &Node, field: &str) -> Result<Entity, Refusal> {
    let text = element_text(node, field)?;
    let known = Entity::WORDS.iter().find(|(word, _)| *word == text).map(|(_, entity)| *entity);
    known.ok_or_else(|| refusal(node, format!("unsupported entity: {text}")))
}
