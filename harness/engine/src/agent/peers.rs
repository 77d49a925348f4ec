//! The peers of a rule's item.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::loader::nearest;

use super::selectors::{ImpliedNamespace, Keys, imply_node, imply_peer, selector};
use super::{ParseContext, cidr, element_text, list, proxy, refusal, refusal_of};
use crate::label::LabelSource;
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{Direction, Effect, EmptyPeers, Entity, Gap, Peer, PeerField, PeerMatcher, Peers};
use crate::selector::{Operator, Requirement, Selector};

/// The peers of an item.
#[derive(Debug)]
pub(super) struct ItemPeers {
    /// The peers; `Any` if the item names none.
    pub(super) peers: Peers,
    /// Whether it names none, so that without ports it matches nothing.
    pub(super) unnamed: bool,
    /// Requirements on every peer that is selected by labels.
    pub(super) requires: Vec<Selector>,
    /// The part that is not modelled.
    pub(super) gap: Option<Gap>,
}

/// Reads the peers of the items of one list.
#[derive(Clone, Copy)]
pub(super) struct PeerReader<'a> {
    pub(super) direction: Direction,
    pub(super) effect: Effect,
    /// Whether the subject is a starting pod, whose namespace is unknown.
    pub(super) subject_is_init: bool,
    pub(super) context: &'a ParseContext<'a>,
}

impl PeerReader<'_> {
    /// Reads the peers of an item of `ingress`, `egress`, `ingressDeny` or `egressDeny`.
    pub(super) fn read(&self, item: &YamlNode) -> Result<ItemPeers, Refusal> {
        refuse_two_kinds(item, self.direction, self.context)?;
        let mut found = Vec::new();
        let mut nobody = false;
        let mut gap = None;
        for field in PeerField::of_cilium() {
            let Some(word) = field.word(self.direction) else { continue };
            let Some(elements) = list(item, word)? else { continue };
            nobody |= elements.is_empty() && field.when_empty() == EmptyPeers::Nobody;
            if field == PeerField::Groups && !elements.is_empty() {
                gap = Some(Gap::Peers("groups of a cloud provider"));
            }
            for (index, element) in elements.iter().enumerate() {
                let add = |matcher| found.push(Peer { matcher, field, index, position: element.position });
                self.read_element(field, word, element, add)?;
            }
        }
        let requires = self.read_requires(item)?;
        if !requires.is_empty() && !self.context.behaviour.requires {
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

    /// Reads one element of a field that names peers.
    fn read_element(
        &self,
        field: PeerField,
        word: &str,
        element: &YamlNode,
        mut add: impl FnMut(PeerMatcher),
    ) -> Result<(), Refusal> {
        let context = self.context;
        let allows = self.effect == Effect::Allow;
        match field {
            PeerField::Endpoints => {
                let selector = self.read_selector(element)?;
                let is_world = !allows && is_world_of_both(&selector, context);
                add(if is_world {
                    PeerMatcher::Entity(Entity::World)
                } else {
                    PeerMatcher::Selector(selector)
                });
            }
            PeerField::Cidr => add(cidr::prefix(element, word)?),
            PeerField::CidrSet => add(cidr::set(element, context)?),
            PeerField::Entities => add(PeerMatcher::Entity(entity(element, word)?)),
            PeerField::Fqdns if allows => add(PeerMatcher::Name(proxy::name(element, context)?)),
            // The services of deny rules are never resolved.
            PeerField::Services if allows => {
                let read = |node: &YamlNode| selector(node, Keys::WithSource, context.behaviour);
                let peers = context.surroundings.service_peers(element, context.behaviour, read)?;
                peers.into_iter().for_each(add);
            }
            PeerField::Nodes if !context.settings.node_selector_labels => {
                let message = format!("{word} can only be applied when node selector labels are enabled");
                return Err(refusal_of(RefusalKind::NodeLabelsOff, element, message));
            }
            PeerField::Nodes => {
                let mut selector = selector(element, Keys::WithSource, context.behaviour)?;
                imply_node(&mut selector, context.behaviour);
                add(PeerMatcher::Selector(selector));
            }
            PeerField::Groups | PeerField::Fqdns | PeerField::Services | PeerField::Peers => {}
        }
        Ok(())
    }

    /// Reads a selector of peers, with its implied requirements.
    fn read_selector(&self, element: &YamlNode) -> Result<Selector, Refusal> {
        let ParseContext { behaviour, namespace, .. } = *self.context;
        let mut selector = selector(element, Keys::WithSource, behaviour)?;
        let namespace = match namespace {
            Some(namespace) => ImpliedNamespace::OfPolicy(namespace),
            None if self.subject_is_init => ImpliedNamespace::None,
            None => ImpliedNamespace::Any,
        };
        imply_peer(&mut selector, namespace, behaviour);
        Ok(selector)
    }

    /// Reads `fromRequires` or `toRequires`.
    fn read_requires(&self, item: &YamlNode) -> Result<Vec<Selector>, Refusal> {
        let field = match self.direction {
            Direction::Ingress => "fromRequires",
            Direction::Egress => "toRequires",
        };
        let elements = list(item, field)?.unwrap_or_default();
        elements.iter().map(|element| self.read_selector(element)).collect()
    }
}

/// Whether a selector selects only the world, by a label that the world has only in a cluster of one address family.
fn is_world_of_both(selector: &Selector, context: &ParseContext<'_>) -> bool {
    let is_world = |requirement: &Requirement| {
        (requirement.source, requirement.key.as_str()) == (Some(LabelSource::Reserved), "world")
            && matches!(requirement.operator, Operator::In(_) | Operator::Exists)
    };
    context.behaviour.world_label_is_of_both_families
        && context.dual_stack
        && matches!(selector.requirements.as_slice(), [only] if is_world(only))
}

/// An item can name peers of one kind only.
fn refuse_two_kinds(
    item: &YamlNode,
    direction: Direction,
    context: &ParseContext<'_>,
) -> Result<(), Refusal> {
    let mut first: Option<&str> = None;
    for (kind, field) in PeerField::of_cilium().filter_map(|field| Some((field, field.word(direction)?))) {
        let elements = item.get(field).map_or(&[][..], YamlNode::elements);
        // A group that does not exist leaves nothing in place of its name.
        let is_empty = |node: &YamlNode| {
            let name = node.get("cidrGroupRef").and_then(YamlNode::text);
            name.is_some_and(|name| context.surroundings.cidr_group(name).is_empty())
        };
        let expands = kind == PeerField::CidrSet && context.behaviour.cidr_groups_are_expanded;
        if elements.is_empty() || expands && elements.iter().all(is_empty) {
            continue;
        }
        if let Some(first) = first {
            let (first, second) = (capitalized(first), capitalized(field));
            let message = format!("combining {first} and {second} is not supported yet");
            return Err(refusal_of(RefusalKind::Combination, item, message));
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

fn entity(node: &YamlNode, field: &str) -> Result<Entity, Refusal> {
    let text = element_text(node, field)?;
    let known = Entity::WORDS.iter().find(|(word, _)| *word == text).map(|(_, entity)| *entity);
    known.ok_or_else(|| {
        let meant = nearest(text, Entity::WORDS.iter().map(|(word, _)| *word));
        refusal_of(RefusalKind::UnknownWord { meant }, node, format!("unsupported entity: {text}"))
    })
}
