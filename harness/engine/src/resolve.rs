//! Resolves the services and CIDR groups that policies refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{DNS_LABELS, DNS_SERVICE, Labels, Service, TlsSecret, Topology};

use crate::behaviour::Behaviour;
use crate::identity::Identity;
use crate::label::{Label, LabelSource, NAMESPACE};
use crate::refusal::Refusal;
use crate::rule::{PeerMatcher, TlsSecrets};
use crate::selector::{Operator, Requirement, Selector};

/// The services of a topology and the CIDR groups among its manifests.
#[derive(Debug)]
pub(crate) struct ResolutionContext<'a> {
    topology: &'a Topology,
    /// The service of the DNS server, if the topology does not describe it.
    dns: Option<(NamespacedName, Service)>,
    groups: CidrGroups,
}

/// The `CiliumCIDRGroup` objects in force, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct CidrGroups(BTreeMap<String, CidrGroup>);

/// A `CiliumCIDRGroup`.
#[derive(Clone, Debug)]
struct CidrGroup {
    labels: Labels,
    prefixes: Vec<IpNet>,
}

impl CidrGroups {
    /// Reads `CiliumCIDRGroup` objects.
    pub(crate) fn read<'n>(objects: impl Iterator<Item = &'n YamlNode>) -> Self {
        let groups = objects.filter_map(|object| {
            let name = object.at(&["metadata", "name"])?.text()?.to_owned();
            let labels = object.at(&["metadata", "labels"]).map_or(&[][..], YamlNode::entries);
            let labels = labels
                .iter()
                .filter_map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned())));
            let prefixes = object.at(&["spec", "externalCIDRs"]).map_or(&[][..], YamlNode::elements);
            let prefixes = prefixes.iter().filter_map(|prefix| prefix.text()?.parse::<IpNet>().ok());
            Some((
                name,
                CidrGroup { labels: labels.collect(), prefixes: prefixes.map(|p| p.trunc()).collect() },
            ))
        });
        Self(groups.collect())
    }

    /// Every prefix of every group.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.0.values().flat_map(|group| &group.prefixes).copied()
    }

    /// The labels of an address: those of every group with a prefix that contains it. If several give one key a
    /// value, all count, or in older versions only that of the narrowest prefix.
    pub(crate) fn labels_of(&self, address: IpAddr, behaviour: &Behaviour) -> Vec<Label> {
        let mut values: BTreeMap<&str, (u8, BTreeSet<&str>)> = BTreeMap::new();
        for group in self.0.values() {
            let within = group.prefixes.iter().filter(|prefix| prefix.contains(&address));
            let Some(length) = within.map(IpNet::prefix_len).max() else { continue };
            for (key, value) in &group.labels {
                let (narrowest, held) = values.entry(key).or_default();
                if behaviour.cidr_group_values_add_up {
                    held.insert(value);
                } else if length >= *narrowest {
                    (*narrowest, *held) = (length, BTreeSet::from([value.as_str()]));
                }
            }
        }
        let labels = values.into_iter().flat_map(|(key, (_, values))| {
            values.into_iter().map(move |value| Label {
                key: key.into(),
                source: LabelSource::CidrGroup,
                value: value.into(),
            })
        });
        labels.collect()
    }
}

impl<'a> ResolutionContext<'a> {
    /// The secret of a name, if the cluster has it.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Option<NamespacedName> {
        let mut secrets = self.topology.secrets.keys();
        secrets.find(|secret| secret.namespace.as_str() == namespace && secret.name.as_str() == name).cloned()
    }

    /// Whether secrets contain what the proxy needs, as far as their content is known.
    pub(crate) fn are_complete(&self, secrets: &TlsSecrets) -> bool {
        let held = |name: &NamespacedName| {
            self.topology.secrets.get(name).filter(|held| **held != TlsSecret::default())
        };
        let of_servers = secrets.authorities.as_ref().and_then(held);
        held(&secrets.certificate).is_none_or(|held| held.certificate.is_some() && held.key.is_some())
            && of_servers.is_none_or(|held| held.authorities.is_some())
    }

    /// Collects what policies may refer to.
    pub(crate) fn new(topology: &'a Topology, groups: CidrGroups) -> Self {
        Self { topology, dns: implicit_dns_service(topology), groups }
    }

    fn services(&self) -> impl Iterator<Item = (&NamespacedName, &Service)> {
        let implicit = self.dns.iter().map(|(name, service)| (name, service));
        self.topology.services.iter().chain(implicit)
    }

    /// The prefixes of a CIDR group; none if there is no such group.
    pub(crate) fn cidr_group(&self, name: &str) -> Vec<IpNet> {
        self.groups.0.get(name).map_or_else(Vec::new, |group| group.prefixes.clone())
    }

    /// What an element of `toServices` means: the pods that a service selects (their ports do not matter), or the
    /// addresses behind a service without a selector. `read` reads the selector of a service selector.
    /// <https://docs.cilium.io/en/stable/security/policy/language/#services-based>
    pub(crate) fn service_peers(
        &self,
        element: &YamlNode,
        behaviour: &Behaviour,
        read: impl Fn(&YamlNode) -> Result<Selector, Refusal>,
    ) -> Result<Vec<PeerMatcher>, Refusal> {
        let mut matchers = Vec::new();
        if let Some(reference) = element.get("k8sService") {
            let wanted = reference.get("serviceName").and_then(YamlNode::text).unwrap_or_default();
            let namespace = reference.get("namespace").and_then(YamlNode::text).unwrap_or_default();
            for (name, service) in self.services() {
                // Without a namespace the name means the service in every namespace, not only the policy's own.
                if name.name.as_str() == wanted
                    && (namespace.is_empty() || name.namespace.as_str() == namespace)
                {
                    matchers.extend(self.behind(name, service, behaviour));
                }
            }
        }
        if let Some(reference) = element.get("k8sServiceSelector") {
            let namespace = reference.get("namespace").and_then(YamlNode::text).unwrap_or_default();
            let selector = match reference.get("selector") {
                Some(node) => read(node)?,
                None => Selector::default(),
            };
            let is_plain = !selector.requirements.is_empty()
                && !selector.has_key(|requirement| requirement.source.is_some());
            let understood = is_plain || !behaviour.plain_service_selectors;
            for (name, service) in self.services().filter(|_| understood) {
                let here = namespace.is_empty() || name.namespace.as_str() == namespace;
                if here && selects(&selector, &service.labels) {
                    matchers.extend(self.behind(name, service, behaviour));
                }
            }
        }
        Ok(matchers)
    }

    fn behind(&self, name: &NamespacedName, service: &Service, behaviour: &Behaviour) -> Vec<PeerMatcher> {
        match &service.selects {
            Some(labels) if behaviour.services_with_selector => {
                let wanted = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                let requirements = wanted
                    .chain([(NAMESPACE, name.namespace.as_str())])
                    .map(|(key, value)| Requirement::implied(key, Operator::equals(value)));
                vec![PeerMatcher::Selector(Selector { requirements: requirements.collect() })]
            }
            Some(_) => Vec::new(),
            None => {
                let topology = self.topology;
                let addresses = service.backends.iter().filter_map(|name| match topology.world.get(name) {
                    Some(host) => Some(host.address),
                    None => topology.nodes.get(name)?.address,
                });
                let within: Vec<IpNet> = addresses.map(IpNet::from).collect();
                if service.backends.is_empty() {
                    Vec::new()
                } else {
                    vec![PeerMatcher::Cidr { within, except: Vec::new() }]
                }
            }
        }
    }
}

/// The service in front of the cluster's DNS server, as kubeadm labels it; none where the topology has its own.
/// <https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/>
fn implicit_dns_service(topology: &Topology) -> Option<(NamespacedName, Service)> {
    let name: NamespacedName = DNS_SERVICE.parse().ok()?;
    if topology.services.contains_key(&name) {
        return None;
    }
    let owned = |labels: &[(&str, &str)]| {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Labels>()
    };
    let mut labels = owned(&DNS_LABELS);
    labels.extend(owned(&[("kubernetes.io/cluster-service", "true"), ("kubernetes.io/name", "CoreDNS")]));
    let selects = Some(owned(&DNS_LABELS));
    Some((name, Service { labels, selects, ..Service::default() }))
}

/// Whether a selector matches labels of any source.
fn selects(selector: &Selector, labels: &Labels) -> bool {
    let labels = labels.iter().map(|(key, value)| Label::kubernetes(key, value)).collect();
    let identity = Identity { labels, ..Identity::default() };
    let mut selector = selector.clone();
    selector.requirements.iter_mut().for_each(|requirement| requirement.source = None);
    selector.selects(&identity)
}
