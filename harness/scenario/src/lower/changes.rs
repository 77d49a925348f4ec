//! Changes of a step to the topology: pods removed, pods added, labels.

use std::sync::Arc;

use super::mistake::{Mistake, Mistakes};
use super::served::{label_key, label_value};
use super::suggest::did_you_mean;
use super::topology::{TopologyDraft, WinningKey, known_namespace, metadata_name_is_given, pod};
use crate::file::{Located, LocatedMap, StepFile};
use crate::name::{NamespaceName, NamespacedName};
use crate::topology::{Labels, NAMESPACE_NAME_LABEL, Topology};

/// Applies the changes of a step: removals, then additions, then labels.
pub(crate) fn apply(step: &StepFile, file: &Arc<str>, draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for removed in &step.remove {
        let known = pod_name(&removed.value, draft);
        let Some(name) = known else { continue };
        if let Some(name) = mistakes.keep(file, removed.position, name) {
            draft.topology.pods.remove(&name);
        }
    }
    for (name, value) in &step.pods {
        let exists =
            name.value.parse().is_ok_and(|name: NamespacedName| draft.topology.pods.contains_key(&name));
        if exists {
            let mistake = Mistake::new(format!("pod `{}` exists already", name.value));
            mistakes.add(
                file,
                name.position,
                mistake.help("name it under `remove` if it is replaced".to_owned()),
            );
            continue;
        }
        pod(&name.value, &WinningKey { file, position: name.position, value }, draft, mistakes);
    }
    for (whose, changes) in &step.labels {
        match labels_of(&whose.value, draft) {
            Ok(Some(labels)) => change(labels, changes, &whose.value, file, mistakes),
            Ok(None) => {}
            Err(mistake) => mistakes.add(file, whose.position, mistake),
        }
    }
}

/// A pod that exists; none if a mistake about it is recorded already.
fn pod_name(text: &str, draft: &TopologyDraft) -> Option<Result<NamespacedName, Mistake>> {
    if let Ok(name) = text.parse::<NamespacedName>()
        && draft.topology.pods.contains_key(&name)
    {
        return Some(Ok(name));
    }
    if draft.broken.contains(text) {
        return None;
    }
    let pods: Vec<String> = draft.topology.pods.keys().map(ToString::to_string).collect();
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    let mistake = Mistake::new(format!("no pod is called `{text}` at this step"));
    Some(Err(mistake.help(did_you_mean(text, "the pods are", &pods))))
}

fn labels_of<'a>(whose: &str, draft: &'a mut TopologyDraft) -> Result<Option<&'a mut Labels>, Mistake> {
    match whose.split_once(' ') {
        Some(("namespace", name)) => {
            let name = name.trim().parse::<NamespaceName>()?;
            known_namespace(&name, draft)?;
            Ok(draft.topology.namespaces.get_mut(&name))
        }
        Some(("pod", name)) => match pod_name(name.trim(), draft) {
            None => Ok(None),
            Some(name) => {
                let Topology { pods, .. } = &mut draft.topology;
                Ok(pods.get_mut(&name?).map(|pod| &mut pod.labels))
            }
        },
        _ => {
            let mistake = Mistake::new(format!("`{whose}` does not say whose labels change"));
            Err(mistake.help("write `namespace NAME` or `pod NAMESPACE/NAME`".to_owned()))
        }
    }
}

fn change(
    labels: &mut Labels,
    changes: &LocatedMap<Located<Option<String>>>,
    whose: &str,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) {
    for (key, value) in changes {
        if key.value == NAMESPACE_NAME_LABEL && whose.starts_with("namespace") {
            mistakes.add(file, key.position, metadata_name_is_given());
            continue;
        }
        if mistakes.keep(file, key.position, label_key(&key.value)).is_none() {
            continue;
        }
        match &value.value {
            Some(text) => {
                if mistakes.keep(file, value.position, label_value(text)).is_some() {
                    labels.insert(key.value.clone(), text.clone());
                }
            }
            None => {
                if labels.remove(&key.value).is_none() {
                    let known: Vec<&str> = labels.keys().map(String::as_str).collect();
                    let mistake = Mistake::new(format!("{whose} has no label `{}` to remove", key.value));
                    let help = did_you_mean(&key.value, "its labels are", &known);
                    mistakes.add(file, key.position, mistake.help(help));
                }
            }
        }
    }
}
