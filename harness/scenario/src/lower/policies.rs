//! The policies of a step: entries resolved to manifests, and the expected refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ScenarioInput;
use super::manifest::{check, check_twice, namespace};
use super::mistake::{Mistake, Mistakes};
use super::suggest::{nearest, of_policies};
use super::topology::{TopologyDraft, known_namespace};
use crate::diagnostic::{Diagnostic, Severity};
use crate::file::{LocatedMap, RefusalFile, StepFile};
use crate::policy::Manifest;
use crate::scenario::ExpectedRefusal;

/// The entry of `policies` that a manifest comes from.
pub(crate) type PolicyOrigin = String;

/// The policies in force at a step.
pub(crate) struct StepPolicies {
    /// Every manifest with its entry.
    pub(crate) manifests: Vec<(Manifest, PolicyOrigin)>,
    /// The names of the manifests, as cells use them.
    pub(crate) names: BTreeSet<String>,
    /// Whether every entry was found, so that a missing name is really unknown.
    pub(crate) complete: bool,
}

/// Whether an entry of `policies` names a file or a folder.
pub(crate) fn is_path(entry: &str) -> bool {
    entry.ends_with('/') || is_policy_file(entry)
}

/// Whether a file contains manifests.
pub(crate) fn is_policy_file(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
}

/// Resolves the entries of a step.
pub(crate) fn in_force(
    input: &ScenarioInput<'_>,
    step: &StepFile,
    draft: &TopologyDraft,
    mistakes: &mut Mistakes,
) -> StepPolicies {
    let mut in_force = StepPolicies { manifests: Vec::new(), names: BTreeSet::new(), complete: true };
    let mut seen = BTreeSet::new();
    let by_name = by_name(input.inline);
    for entry in &step.policies {
        if !seen.insert(entry.value.as_str()) {
            let mistake = Mistake::new(format!("`{}` is in the list already", entry.value));
            mistakes.add(input.file, entry.position, mistake);
            continue;
        }
        let found = if is_path(&entry.value) {
            // What cannot be read has its diagnostic from the reader.
            input.entries.get(&entry.value).cloned()
        } else {
            mistakes
                .keep(input.file, entry.position, inline(input, &by_name, &entry.value))
                .map(|manifest| vec![manifest])
        };
        in_force.complete &= found.is_some();
        let found = found.into_iter().flatten().map(|manifest| (manifest, entry.value.clone()));
        in_force.manifests.extend(found);
    }
    for (manifest, _) in &in_force.manifests {
        check(manifest, mistakes);
        check_namespace(manifest, draft, mistakes);
    }
    check_twice(in_force.manifests.iter().map(|(manifest, _)| manifest), mistakes);
    in_force.names = in_force.manifests.iter().map(|(manifest, _)| manifest.object().short()).collect();
    in_force
}

/// Manifests by the last part of their names, which every form of a name ends in.
fn by_name(manifests: &[Manifest]) -> BTreeMap<String, Vec<&Manifest>> {
    let mut named: BTreeMap<String, Vec<&Manifest>> = BTreeMap::new();
    for manifest in manifests {
        named.entry(last_part(&manifest.object().name).to_owned()).or_default().push(manifest);
    }
    named
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn check_namespace(manifest: &Manifest, draft: &TopologyDraft, mistakes: &mut Mistakes) {
    match namespace(manifest) {
        None => {}
        Some(Ok((name, position))) => {
            mistakes.keep(&manifest.file, position, known_namespace(&name, draft));
        }
        Some(Err(position)) => {
            let mistake = Mistake::new(format!("{} has no `metadata.namespace`", manifest.object()));
            mistakes.add(
                &manifest.file,
                position,
                mistake.help(
                    "name its namespace, or once for all of them: `topology: {namespace: NAME}`".to_owned(),
                ),
            );
        }
    }
}

/// Whether a name that an author writes means the object.
fn is_called(manifest: &Manifest, name: &str) -> bool {
    let object = manifest.object();
    object.short() == name || object.name == name
}

fn inline(
    input: &ScenarioInput<'_>,
    by_name: &BTreeMap<String, Vec<&Manifest>>,
    name: &str,
) -> Result<Manifest, Mistake> {
    let named = by_name.get(last_part(name)).map_or(&[][..], Vec::as_slice);
    let matching: Vec<&Manifest> =
        named.iter().copied().filter(|manifest| is_called(manifest, name)).collect();
    match matching[..] {
        [only] => Ok(only.clone()),
        [] => {
            let mistake = Mistake::new(format!("no manifest called `{name}` follows in this file"));
            let known: Vec<String> = input.inline.iter().map(|manifest| manifest.object().short()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = nearest(name, known.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "files end in .yaml, .yml or .json, and folders in `/`".to_owned(),
            };
            Err(mistake.help(help))
        }
        [first, ..] if matching.iter().all(|manifest| manifest.object() == first.object()) => {
            Ok(first.clone())
        }
        _ => {
            let exact: Vec<&&Manifest> =
                matching.iter().filter(|manifest| manifest.object().short() == name).collect();
            if let [only] = exact[..] {
                return Ok((*only).clone());
            }
            let names: Vec<String> = matching.iter().map(|manifest| manifest.object().to_string()).collect();
            let message = format!("`{name}` may be {}", names.join(" or "));
            Err(Mistake::new(message)
                .help("write `namespace/name`, or move one of them to a file".to_owned()))
        }
    }
}

/// The refusals that a step expects.
pub(crate) fn refusals(
    table: &LocatedMap<RefusalFile>,
    in_force: &StepPolicies,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> Vec<ExpectedRefusal> {
    let mut refusals: Vec<ExpectedRefusal> = Vec::new();
    for (key, refusal) in table {
        if refusal.saying.value.trim().is_empty() {
            let mistake = Mistake::new("`saying` is empty, but every refusal has a message");
            mistakes.add(file, refusal.saying.position, mistake);
        }
        let policy = match rejected_policy(&key.value, in_force) {
            Ok(policy) => policy,
            Err(mistake) => {
                if let Some(mistake) = mistake {
                    mistakes.add(file, key.position, mistake);
                }
                continue;
            }
        };
        if refusals.iter().any(|other| other.policy == policy) {
            let mistake = Mistake::new(format!("`{}` is expected to be refused already", key.value));
            mistakes.add(file, key.position, mistake);
            continue;
        }
        let saying = refusal.saying.value.clone();
        let place = key.position.in_file(file);
        refusals.push(ExpectedRefusal { policy, by: refusal.by.into(), saying, place });
    }
    refusals
}

/// The policy of a step that a key of `rejected` names. No mistake if it may be one that could not be read.
fn rejected_policy(key: &str, in_force: &StepPolicies) -> Result<usize, Option<Mistake>> {
    let indexed = || in_force.manifests.iter().enumerate();
    let by_entry: Vec<usize> =
        indexed().filter(|(_, (_, origin))| is_path(key) && origin == key).map(|(i, _)| i).collect();
    let by_name = |exact: bool| -> Vec<usize> {
        let called = |manifest: &Manifest| {
            if exact { manifest.object().short() == key } else { is_called(manifest, key) }
        };
        indexed().filter(|(_, (manifest, _))| called(manifest)).map(|(index, _)| index).collect()
    };
    let found = [by_entry, by_name(true), by_name(false)].into_iter().find(|found| !found.is_empty());
    match found.as_deref() {
        Some([only]) => Ok(*only),
        Some(several) => {
            let names: Vec<String> =
                several.iter().map(|index| in_force.manifests[*index].0.object().to_string()).collect();
            let mistake = Mistake::new(format!("`{key}` may be {}", names.join(" or ")));
            Err(Some(mistake.help("write `namespace/name`, or a file with only this object".to_owned())))
        }
        None if !in_force.complete => Err(None),
        None => {
            let known: Vec<String> = indexed().map(|(_, (manifest, _))| manifest.object().short()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let mistake = Mistake::new(format!("no policy of this step is called `{key}`"));
            Err(Some(mistake.help(of_policies(key, &known))))
        }
    }
}

/// Warns about manifests in the scenario file that no step applies, unless a mistake may be the reason.
pub(crate) fn check_unused(input: &ScenarioInput<'_>, mistakes: &mut Mistakes) {
    if mistakes.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return;
    }
    let entries = input.content.steps.value.iter().flat_map(|step| &step.value.policies);
    let entries: BTreeSet<&str> = entries.map(|entry| entry.value.as_str()).collect();
    for manifest in input.inline {
        let object = manifest.object();
        let is_named =
            [object.short(), object.name.clone()].iter().any(|name| entries.contains(name.as_str()));
        if !object.name.is_empty() && !is_named {
            let place = manifest.place(manifest.root.position);
            let warning =
                Diagnostic::warning(place, "unused-manifest", format!("no step puts {object} in force"));
            mistakes.0.push(warning.help("name it under `policies` of a step, or remove it"));
        }
    }
}
