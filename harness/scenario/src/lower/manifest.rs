//! Checks what every manifest must have: kind, version, name and namespace.
//!
//! The engine checks what a policy means and whether it is valid.

pub(crate) mod class;

use std::collections::BTreeMap;

use super::mistake::{Mistake, Mistakes};
use super::suggest::{listed, nearest};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Value, YamlNode};
use crate::name::{NamespaceName, ObjectName};
use crate::place::{Place, Position};
use crate::policy::{Manifest, ObjectRef, PolicyKind};

fn text_at<'a>(root: &'a YamlNode, key: &str) -> Option<&'a str> {
    root.get(key).and_then(YamlNode::text)
}

/// The manifests of a document: itself, or the items of a `List` or of a list of policies. A list of which kubectl
/// applies nothing stays whole. <https://kubernetes.io/docs/reference/using-api/api-concepts/#collections>
pub(crate) fn expand(root: YamlNode, file: &std::sync::Arc<str>) -> Vec<Manifest> {
    let items_are = items_are(&root);
    let is_list = items_are.is_some()
        || text_at(&root, "kind") == Some("List") && text_at(&root, "apiVersion") == Some("v1");
    if !is_list || refused_items(&root).is_some() {
        return vec![Manifest { file: file.clone(), root }];
    }
    let Value::Map(entries) = root.value else { return Vec::new() };
    let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value.value);
    let Some(Value::List(items)) = items else { return Vec::new() };
    let typed = items.into_iter().map(|item| typed(item, items_are.as_ref()));
    typed.map(|root| Manifest { file: file.clone(), root }).collect()
}

/// Why kubectl applies nothing of a list.
fn refused_items(root: &YamlNode) -> Option<(Position, Mistake)> {
    let kind = text_at(root, "kind").unwrap_or("List");
    let Some(items) = root.get("items").filter(|items| matches!(items.value, Value::List(_))) else {
        let position = root.position_near(&["items"]);
        return Some((position, Mistake::new(format!("the `items` of a `{kind}` must be a list"))));
    };
    items.elements().iter().find_map(|item| {
        let what = match &item.value {
            Value::Map(_) if item.get("items").is_some() => "is a list itself",
            Value::Map(_) => return None,
            _ => "is not an object",
        };
        let mistake = Mistake::new(format!("kubectl applies nothing of this `{kind}`: this item {what}"));
        Some((
            item.position,
            mistake.help("put every object into one list, or into a document of its own".to_owned()),
        ))
    })
}

/// The version and kind of the items of a list of policies, such as a `NetworkPolicyList`.
fn items_are(root: &YamlNode) -> Option<[Entry; 2]> {
    let kind = text_at(root, "kind")?.strip_suffix("List")?;
    let known: PolicyKind = kind.parse().ok()?;
    let entry = |key: &str| root.entries().iter().find(|entry| entry.key == key).cloned();
    let mut of_items = entry("kind")?;
    of_items.value.value = Value::Text(known.name().into());
    Some([entry("apiVersion")?, of_items])
}

/// An item of a list, with the version and kind that the list implies if it has none itself.
fn typed(mut item: YamlNode, are: Option<&[Entry; 2]>) -> YamlNode {
    if let (Some(are), Value::Map(entries)) = (are, &mut item.value)
        && !entries.iter().any(|entry| matches!(entry.key.as_str(), "kind" | "apiVersion"))
    {
        entries.extend_from_slice(are);
    }
    item
}

/// Checks kind, version, name and namespace of manifests.
pub(crate) fn check_all(manifests: &[Manifest], mistakes: &mut Mistakes) {
    for manifest in manifests {
        check(manifest, mistakes);
    }
}

/// Checks kind, version and name. [`namespace`] checks the namespace.
pub(crate) fn check(manifest: &Manifest, mistakes: &mut Mistakes) {
    let mut add = |position: Position, mistake: Mistake| mistakes.add(&manifest.file, position, mistake);
    let root = &manifest.root;
    if !matches!(root.value, Value::Map(_)) {
        let mistake = Mistake::new("this document is not a Kubernetes object");
        return add(
            root.position,
            mistake.help("an object is a mapping with `apiVersion` and `kind`".to_owned()),
        );
    }
    match (text_at(root, "kind"), text_at(root, "apiVersion")) {
        (Some(kind), Some(version)) => {
            if let Err((key, mistake)) = known(kind, version) {
                add(root.position_near(&[key]), mistake);
            }
        }
        (kind, version) => {
            for (key, _) in
                [("kind", kind), ("apiVersion", version)].iter().filter(|(_, text)| text.is_none())
            {
                add(root.position_near(&[key]), Mistake::new(format!("the object has no `{key}`")));
            }
        }
    }
    let name_position = root.position_near(&["metadata", "name"]);
    match root.at(&["metadata", "name"]) {
        None => add(name_position, Mistake::new("the object has no `metadata.name`")),
        Some(node) => match node.text() {
            None => add(
                name_position,
                Mistake::new("`metadata.name` is not text").help("write it in quotes".to_owned()),
            ),
            Some(text) => {
                if let Err(error) = text.parse::<ObjectName>() {
                    add(name_position, error.into());
                }
            }
        },
    }
    if let Some(node) = root.at(&["metadata", "namespace"]) {
        let clusterwide = manifest.object().policy_kind().filter(|kind| !kind.is_namespaced());
        if let Some(kind) = clusterwide {
            let mistake = Mistake::new(format!("a {kind} has no namespace"));
            add(node.position, mistake.help("leave `metadata.namespace` out".to_owned()));
        } else {
            match node.text().map(str::parse::<NamespaceName>) {
                None => add(node.position, Mistake::new("`metadata.namespace` is not text")),
                Some(Err(error)) => add(node.position, error.into()),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The mistake of a kind that no version of Cilium enforces.
pub(crate) fn never_enforced(kind: &str) -> Mistake {
    Mistake::new(format!("no version of Cilium enforces an object of the kind {kind}")).help(
        "write it as a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, which Cilium 1.20 enforces with \
         `k8sClusterNetworkPolicy.enabled: true`"
            .to_owned(),
    )
}

fn known(kind: &str, version: &str) -> Result<(), (&'static str, Mistake)> {
    if class::NEVER_ENFORCED.contains(&kind) {
        return Err(("kind", never_enforced(kind)));
    }
    let Ok(known) = kind.parse::<PolicyKind>() else {
        let names = || PolicyKind::ALL.into_iter().map(PolicyKind::name);
        let help = match nearest(kind, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("verdikt knows {}", listed(names())),
        };
        return Err((
            "kind",
            Mistake::new(format!("`{kind}` is not a kind of policy verdikt knows")).help(help),
        ));
    };
    let served: Vec<String> = known.api_versions().collect();
    if served.iter().any(|served| served == version) {
        return Ok(());
    }
    let help = format!("write {}", listed(served.iter().map(String::as_str)));
    Err(("apiVersion", Mistake::new(format!("there is no {kind} in `{version}`")).help(help)))
}

/// The namespace of a manifest whose kind has one: with its position, or the position where it is missing.
pub(crate) fn namespace(manifest: &Manifest) -> Option<Result<(NamespaceName, Position), Position>> {
    if !manifest.object().policy_kind()?.is_namespaced() {
        return None;
    }
    match manifest.root.at(&["metadata", "namespace"]) {
        None => Some(Err(manifest.root.position_near(&["metadata", "name"]))),
        Some(node) => Some(Ok((node.text()?.parse().ok()?, node.position))),
    }
}

/// Objects that occur twice in a set: the position of the second, and the first.
pub(crate) fn check_twice<'a>(manifests: impl IntoIterator<Item = &'a Manifest>, mistakes: &mut Mistakes) {
    for DuplicateManifest { first, second } in twice(manifests) {
        let mistake = Mistake::new(format!("{} occurs twice", second.object()));
        let help = format!("it is also at {}", name_place(first));
        mistakes.add(&second.file, second.root.position_near(&["metadata", "name"]), mistake.help(help));
    }
}

/// The same for the files of a folder, which may be alternatives: there it is a mistake only within one file.
pub(crate) fn check_twice_in_folder<'a>(
    manifests: impl IntoIterator<Item = &'a Manifest>,
    mistakes: &mut Mistakes,
) {
    for DuplicateManifest { first, second } in twice(manifests) {
        let message = format!("{} occurs twice", second.object());
        let place = name_place(second);
        mistakes.0.push(if first.file == second.file {
            Diagnostic::error(place, message).help(format!("it is also at {}", name_place(first)))
        } else {
            let help =
                format!("it is also at {}: of the two, the one applied last is in force", name_place(first));
            Diagnostic::hint(place, "twice", message).help(help)
        });
    }
}

/// Two manifests of the same object.
struct DuplicateManifest<'a> {
    first: &'a Manifest,
    second: &'a Manifest,
}

fn twice<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Vec<DuplicateManifest<'a>> {
    let mut seen: BTreeMap<ObjectRef, &Manifest> = BTreeMap::new();
    let mut found = Vec::new();
    for second in manifests {
        let object = second.object();
        if object.name.is_empty() {
            continue;
        }
        match seen.get(&object) {
            None => drop(seen.insert(object, second)),
            Some(first) => found.push(DuplicateManifest { first, second }),
        }
    }
    found
}

fn name_place(manifest: &Manifest) -> Place {
    manifest.place(manifest.root.position_near(&["metadata", "name"]))
}
