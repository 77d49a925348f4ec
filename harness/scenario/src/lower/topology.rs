//! Merges topology files into one topology: includes, names, addresses.

mod collisions;
mod dns;
mod host_ports;
mod pod_place;
mod redirects;
pub(crate) mod routes;
mod secrets;
mod service_reach;
pub(crate) mod services;
mod silent;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use self::collisions::collisions;
use self::secrets::Certificates;
use self::silent::SilenceKeys;
use self::world::world;
use super::mistake::{Mistake, Mistakes};
use super::served::{all_served, label_key, labels};
use super::suggest::did_you_mean;
use crate::file::{Located, LocatedMap, NamespaceFile, PartWord, PodFile, SettingWord, TopologyFile};
use crate::name::{HostName, NamespaceName, NamespacedName, is_dns_subdomain};
use crate::place::Position;
use crate::topology::{DNS_NAMESPACE, Dns, Endpoint, Labels, NAMESPACE_NAME_LABEL, Node, Pod, Topology};

/// The labels by which Kubernetes names the roles of a node.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane>
const NODE_ROLE_LABEL: &str = "node-role.kubernetes.io/";

/// The word for all sources that are not named, which therefore cannot be a name.
pub(crate) const OTHERS: &str = "others";

/// A topology file that a scenario uses: its own, or one it includes.
#[derive(Clone, Debug)]
pub(crate) struct TopologyPart {
    /// The file.
    pub(crate) file: Arc<str>,
    /// Its content.
    pub(crate) content: Arc<TopologyFile>,
    /// The content of its manifests.
    pub(crate) objects: Topology,
    /// The Helm values that its settings name.
    pub(crate) values: Option<ValuesFile>,
}

/// A file of Helm values.
#[derive(Clone, Debug)]
pub(crate) struct ValuesFile {
    /// The file.
    pub(crate) file: Arc<str>,
    /// Its content.
    pub(crate) values: LocatedMap<Located<SettingWord>>,
}

/// A key whose value wins over the same key of other files.
pub(crate) struct WinningKey<'a, V> {
    pub(crate) file: &'a Arc<str>,
    pub(crate) position: Position,
    pub(crate) value: &'a V,
}

/// A topology that is being built.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopologyDraft {
    /// What is understood so far.
    pub(crate) topology: Topology,
    /// Names, as written, of parts that are not fully understood: mistakes about them would only follow from others.
    pub(crate) broken: BTreeSet<String>,
    /// Where each endpoint is declared, by its name: the number of the file, and the place there.
    pub(crate) declared: BTreeMap<String, (usize, Position)>,
    /// The endpoints that have only one part in attempts, by their names.
    pub(crate) only: BTreeMap<String, PartWord>,
}

impl TopologyDraft {
    /// Every source of a table, in the order in which the files declare them.
    pub(crate) fn sources(&self) -> Vec<Endpoint> {
        let mut sources = self.topology.sources();
        sources.retain(|source| self.only.get(&source.to_string()) != Some(&PartWord::Target));
        // Endpoints that no file declares come last, in the order of the topology.
        let undeclared = (usize::MAX, Position::default());
        sources.sort_by_cached_key(|source| {
            self.declared.get(&source.to_string()).copied().unwrap_or(undeclared)
        });
        sources
    }

    /// Records where an endpoint is declared, and its part in attempts.
    fn declare(&mut self, name: &str, file: usize, position: Position, only: Option<PartWord>) {
        self.declared.entry(name.to_owned()).or_insert((file, position));
        match only {
            Some(part) => drop(self.only.insert(name.to_owned(), part)),
            None => drop(self.only.remove(name)),
        }
    }
}

/// The topology of the first step, from its parts in the order of rising precedence.
pub(crate) fn lower(parts: &[TopologyPart], mistakes: &mut Mistakes) -> TopologyDraft {
    let mut draft = TopologyDraft::default();
    for part in parts {
        take_objects(&part.objects, &mut draft.topology);
    }
    declarations(parts, &mut draft);
    namespaces(parts, &mut draft, mistakes);
    nodes(parts, &mut draft, mistakes);
    secrets::lower(parts, &mut draft, mistakes);
    for (name, winner) in winners(parts, |part| &part.pods) {
        pod(name, &winner, &mut draft, mistakes);
    }
    for endpoint in parts.iter().flat_map(|part| &part.content.cilium) {
        draft.topology.cilium.insert(endpoint.value.into());
    }
    world(parts, &mut draft, mistakes);
    collisions(parts, &draft, mistakes);
    for (name, winner) in winners(parts, |part| &part.services) {
        services::lower(name, &winner, &mut draft, mistakes);
    }
    let channel = parts.iter().rev().find_map(|part| part.content.network_policy_api);
    draft.topology.network_policy_api = channel.map(Into::into).unwrap_or_default();
    draft.topology.add_api_server_service();
    dns::lower(parts, &mut draft, mistakes);
    redirects::lower(parts, &mut draft, mistakes);
    routes::lower(parts, &mut draft, mistakes);
    draft
}

/// Takes over the content of manifests; it wins over what is there already.
fn take_objects(objects: &Topology, into: &mut Topology) {
    let all = objects.clone();
    into.namespaces.extend(all.namespaces);
    into.pods.extend(all.pods);
    into.services.extend(all.services);
    into.world.extend(all.world);
    into.nodes.extend(all.nodes);
    into.cilium.extend(all.cilium);
    into.routes.extend(all.routes);
    into.redirects.extend(all.redirects);
    into.secrets.extend(all.secrets);
    if all.dns != Dns::default() {
        into.dns = all.dns;
    }
}

/// Records where the endpoints of all files are declared. The file that wins decides for each endpoint.
fn declarations(parts: &[TopologyPart], draft: &mut TopologyDraft) {
    for (file, part) in parts.iter().enumerate() {
        let TopologyFile { pods, world, nodes, cilium, .. } = &*part.content;
        for (name, pod) in pods {
            draft.declare(&name.value, file, name.position, pod.only);
        }
        for (name, host) in world {
            draft.declare(&name.value, file, name.position, host.only);
        }
        for (name, node) in nodes {
            draft.declare(&name.value, file, name.position, node.only);
        }
        for endpoint in cilium {
            let name = Endpoint::Cilium(endpoint.value.into()).to_string();
            draft.declare(&name, file, endpoint.position, None);
        }
    }
}

/// The value of every key from the file that wins.
pub(crate) fn winners<V>(
    parts: &[TopologyPart],
    table: fn(&TopologyFile) -> &LocatedMap<V>,
) -> BTreeMap<&str, WinningKey<'_, V>> {
    let mut winners = BTreeMap::new();
    for part in parts {
        for (key, value) in table(&part.content) {
            let winner = WinningKey { file: &part.file, position: key.position, value };
            winners.insert(key.value.as_str(), winner);
        }
    }
    winners
}

fn namespaces(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for (name, winner) in winners(parts, |part| &part.namespaces) {
        let WinningKey { file, position, value: NamespaceFile { labels: written } } = winner;
        let mut labels = labels(written, file, mistakes);
        for (key, _) in written.into_iter().filter(|(key, _)| key.value == NAMESPACE_NAME_LABEL) {
            mistakes.add(file, key.position, metadata_name_is_given());
        }
        match name.parse::<NamespaceName>() {
            Ok(name) => {
                labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_string());
                draft.topology.namespaces.insert(name, labels);
            }
            Err(error) => {
                mistakes.add(file, position, error.into());
                draft.broken.insert(name.to_owned());
            }
        }
    }
    // Every cluster has the namespace of its DNS server.
    if let Ok(name) = DNS_NAMESPACE.parse::<NamespaceName>() {
        let label = (NAMESPACE_NAME_LABEL.to_owned(), name.to_string());
        draft.topology.namespaces.entry(name).or_insert_with(|| Labels::from([label]));
    }
}

/// The label that no author may set.
pub(crate) fn metadata_name_is_given() -> Mistake {
    Mistake::new(format!("Kubernetes sets the label `{NAMESPACE_NAME_LABEL}` itself"))
        .help("leave it out".to_owned())
}

/// A mistake unless the topology has the namespace.
pub(crate) fn known_namespace(namespace: &NamespaceName, draft: &TopologyDraft) -> Result<(), Mistake> {
    if draft.topology.namespaces.contains_key(namespace) || draft.broken.contains(namespace.as_str()) {
        return Ok(());
    }
    let known: Vec<&str> = draft.topology.namespaces.keys().map(NamespaceName::as_str).collect();
    let help = super::suggest::nearest(namespace.as_str(), known.iter().copied()).map_or_else(
        || format!("declare it: `namespaces: {{{namespace}: {{}}}}`"),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Mistake::new(format!("namespace `{namespace}` is not in the topology")).help(help))
}

/// Adds a pod; also one that a step adds.
pub(crate) fn pod(
    name: &str,
    winner: &WinningKey<'_, PodFile>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    let WinningKey { file, position, value } = winner;
    let labels = labels(&value.labels, file, mistakes);
    let (serves, understood) = all_served(&value.serves, file, mistakes);
    if !understood {
        draft.broken.insert(name.to_owned());
    }
    let account = value.service_account.as_ref().filter(|account| {
        let good = is_dns_subdomain(&account.value);
        if !good {
            let message = format!("`{}` is not the name of a service account", account.value);
            mistakes.add(file, account.position, Mistake::new(message));
        }
        good
    });
    match name.parse::<NamespacedName>() {
        Ok(name) => {
            mistakes.keep(file, *position, known_namespace(&name.namespace, draft));
            // Pods that steps add come after those of all files.
            draft.declare(&name.to_string(), usize::MAX - 1, *position, value.only);
            let service_account = account.map(|account| account.value.clone());
            let place = pod_place::lower(value, file, draft, mistakes);
            // A pod keeps what its manifest says and the topology file does not.
            let of_manifest = draft.topology.pods.remove(&name).unwrap_or_default();
            let mut pod = Pod {
                labels: if value.labels.0.is_empty() { of_manifest.labels } else { labels },
                service_account: service_account.or(of_manifest.service_account),
                serves: if value.serves.is_empty() { of_manifest.serves } else { serves },
                host_network: place.host_network.or(of_manifest.host_network),
                cluster: place.cluster.or(of_manifest.cluster),
                host_ports: of_manifest.host_ports,
            };
            if !value.host_ports.0.is_empty() {
                pod.host_ports = host_ports::lower(&name, &pod, value, file, draft, mistakes);
            }
            let silence = SilenceKeys { written: value.silent.as_ref(), only: value.only, file };
            let endpoint = Endpoint::Pod(name.clone());
            silent::declare(endpoint.clone(), &silence, draft, mistakes);
            let certificates =
                Certificates { certificate: value.certificate.as_ref(), trusts: value.trusts.as_ref(), file };
            secrets::declare(&endpoint, &pod.serves, &certificates, draft, mistakes);
            draft.topology.pods.insert(name, pod);
        }
        Err(error) => {
            mistakes.add(file, *position, error.into());
            draft.broken.insert(name.to_owned());
        }
    }
}

fn nodes(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, WinningKey { file, position, value }) in winners(parts, |part| &part.nodes) {
        let (serves, understood) = all_served(&value.serves, file, mistakes);
        if !understood {
            draft.broken.insert(name.to_owned());
        }
        let address = value.address.as_ref().and_then(|written| {
            let address = mistakes.keep(file, written.position, address(&written.value))?;
            if let Some(owner) = owners.insert(address, name) {
                let message = format!("`{owner}` has the address {address} already");
                mistakes.add(file, written.position, Mistake::new(message));
            }
            Some(address)
        });
        let mut labels = labels(&value.labels, file, mistakes);
        for role in &value.roles {
            let label = format!("{NODE_ROLE_LABEL}{}", role.value);
            if mistakes.keep(file, role.position, label_key(&label)).is_some() {
                labels.insert(label, String::new());
            }
        }
        if let Some(name) = host_name(name, file, position, draft, mistakes) {
            let api_server = value.api_server;
            draft.topology.nodes.insert(name, Node { api_server, address, labels, serves });
        }
    }
}

fn host_name(
    name: &str,
    file: &Arc<str>,
    position: Position,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) -> Option<HostName> {
    let parsed = match name.parse::<HostName>() {
        Ok(_) if name == OTHERS => {
            Err(Mistake::new("`others` stands for every source not named, and is not a name"))
        }
        Ok(name) => Ok(name),
        Err(error) => Err(error.into()),
    };
    let kept = mistakes.keep(file, position, parsed);
    if kept.is_none() {
        draft.broken.insert(name.to_owned());
    }
    kept
}

pub(super) fn address(text: &str) -> Result<IpAddr, Mistake> {
    let bad = || Mistake::new(format!("`{text}` is not the address of a host"));
    let Ok(address) = text.parse::<IpAddr>() else {
        let help = if text.contains('/') {
            "write an address, not a range"
        } else {
            "write an address: `203.0.113.7`"
        };
        let help = help.to_owned();
        return Err(bad().help(help));
    };
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Err(
            bad().help("unspecified, loopback and multicast addresses belong to no single host".to_owned())
        );
    }
    Ok(address)
}

/// A host outside the cluster or a node that the topology has.
pub(crate) fn known_backend(text: &str, draft: &TopologyDraft) -> Result<HostName, Mistake> {
    if text.parse().is_ok_and(|name| draft.topology.pods.contains_key(&name)) {
        let mistake =
            Mistake::new(format!("`{text}` is a pod, and pods stand behind a service by their labels"));
        return Err(mistake.help("write `selects: {app: web}` with its labels".to_owned()));
    }
    let name = text.parse::<HostName>()?;
    let Topology { world, nodes, .. } = &draft.topology;
    if world.contains_key(&name) || nodes.contains_key(&name) {
        return Ok(name);
    }
    let hosts: Vec<&str> = world.keys().chain(nodes.keys()).map(HostName::as_str).collect();
    let help = did_you_mean(text, "the hosts outside the cluster and the nodes are", &hosts);
    Err(Mistake::new(format!("`{text}` is neither a host outside the cluster nor a node")).help(help))
}
