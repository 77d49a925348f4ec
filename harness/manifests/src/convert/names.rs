//! The names of workloads: pods of a controller have its name, and of kinds that share a name one keeps it.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::{HostName, NamespaceName, NamespacedName};
use verdikt_scenario::objects::WorkloadPlace;
use verdikt_scenario::topology::{LOCAL_NODE, Pod, Port, Protocol};

use super::{FoundWorkload, ManifestReader, twice};
use crate::node::node_name;
use crate::workload::rank;

impl ManifestReader<'_> {
    /// Names every workload, and adds it to the topology.
    pub(super) fn name_workloads(&mut self) {
        let mut found = std::mem::take(&mut self.workloads);
        let there: BTreeSet<(NamespaceName, String, String)> = found
            .iter()
            .map(|found| (found.name.namespace.clone(), found.kind.to_owned(), found.name.name.to_string()))
            .collect();
        found.retain(|found| {
            found.controller.is_none_or(|(kind, name)| {
                !there.contains(&(found.name.namespace.clone(), kind.to_owned(), name.to_owned()))
            })
        });
        // The sort is stable: of the same kind the first stays first.
        found.sort_by_key(|found| rank(found.kind));
        let mut places: BTreeMap<NamespacedName, WorkloadPlace> = BTreeMap::new();
        for found in found {
            self.name_workload(found, &mut places);
        }
        self.objects.places.workloads = places;
    }

    /// The node of a workload: the one that it names, or the node of all pods.
    fn node_of(&self, named: Option<&str>) -> Option<HostName> {
        let named = named.and_then(|name| node_name(name).parse().ok());
        let known = named.filter(|name| self.objects.topology.nodes.contains_key(name));
        known.or_else(|| LOCAL_NODE.parse().ok())
    }

    fn name_workload(
        &mut self,
        found: FoundWorkload<'_>,
        places: &mut BTreeMap<NamespacedName, WorkloadPlace>,
    ) {
        let FoundWorkload { kind, mut name, place, workload, .. } = found;
        if let Some(first) = places.get(&name) {
            let renamed = with_kind(&name, kind);
            let same = if first.kind == kind {
                Some(first)
            } else {
                renamed.as_ref().and_then(|name| places.get(name))
            };
            if let Some(same) = same {
                let help = twice(&same.place);
                return self.mistake(place, format!("{kind} {name} occurs twice"), Some(help));
            }
            let Some(renamed) = renamed else {
                let help = Some(format!(
                    "it is also that of {} at {}: give one of them another name",
                    first.kind, first.place
                ));
                return self.mistake(
                    place,
                    format!("{kind} {name} shares its name with another workload"),
                    help,
                );
            };
            let message =
                format!("{kind} {name} is called `{renamed}` here, because {} has that name too", first.kind);
            self.objects.diagnostics.push(Diagnostic::warning(place.clone(), "shared-name", message));
            name = renamed;
        }
        places.insert(name.clone(), WorkloadPlace { kind: kind.to_owned(), place: place.clone() });
        let mut pod = workload.pod;
        if workload.host_network {
            pod.host_network = self.node_of(workload.node_name.as_deref());
            self.objects.host_network.insert(name.clone(), place);
        }
        self.leave_to_first(&mut pod);
        self.objects.topology.pods.insert(name, pod);
    }

    /// Removes ports of the node from a pod if another pod has them already: such pods are on different nodes.
    fn leave_to_first(&mut self, pod: &mut Pod) {
        let others = self.objects.topology.pods.values().flat_map(|other| &other.host_ports);
        let taken: BTreeSet<(Protocol, Port)> = others.map(|led| (led.protocol, led.port)).collect();
        let before = pod.host_ports.len();
        pod.host_ports.retain(|led| !taken.contains(&(led.protocol, led.port)));
        for _ in pod.host_ports.len()..before {
            self.count("hostPort (that another pod has too, on another node)".to_owned());
        }
    }
}

/// The name of a workload whose name another kind has already, with its kind appended.
fn with_kind(name: &NamespacedName, kind: &str) -> Option<NamespacedName> {
    let renamed = format!("{}-{}", name.name, kind.to_lowercase()).parse().ok()?;
    Some(NamespacedName { namespace: name.namespace.clone(), name: renamed })
}
