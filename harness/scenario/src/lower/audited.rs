//! Pods in audit mode on their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::mistake::{Mistake, Mistakes};
use super::suggest::did_you_mean;
use super::topology::TopologyDraft;
use crate::file::StepFile;
use crate::name::NamespacedName;
use crate::topology::{Endpoint, Topology};

/// The pods that a step audits.
pub(super) fn lower(
    step: &StepFile,
    file: &Arc<str>,
    draft: &TopologyDraft,
    mistakes: &mut Mistakes,
) -> BTreeSet<Endpoint> {
    let written = step.audit.iter().filter(|name| !draft.broken.contains(&name.value));
    let pods =
        written.filter_map(|name| mistakes.keep(file, name.position, pod(&name.value, &draft.topology)));
    pods.collect()
}

/// A pod that has an endpoint of its own.
fn pod(text: &str, topology: &Topology) -> Result<Endpoint, Mistake> {
    let name = text.parse::<NamespacedName>()?;
    let Some(pod) = topology.pods.get(&name) else {
        let known: Vec<String> = topology.pods.keys().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(text, "the pods are", &known);
        return Err(Mistake::new(format!("no pod is called `{name}` at this step")).help(help));
    };
    if pod.host_network.is_some() || pod.cluster.is_some() {
        let mistake = Mistake::new(format!("`{name}` has no endpoint of this cluster that could be audited"));
        return Err(mistake.help("leave it out".to_owned()));
    }
    Ok(Endpoint::Pod(name))
}
