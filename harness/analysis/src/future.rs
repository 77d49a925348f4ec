//! Pods that do not exist yet: one for each combination of labels, service account and port names that the policies
//! of a model distinguish.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use verdikt_engine::label::{
    CLUSTER, LabelSource, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT, is_identity_relevant,
};
use verdikt_engine::model::PolicyModel;
use verdikt_engine::rule::{PeerMatcher, Peers, PortMatcher, Subject};
use verdikt_engine::selector::{Operator, Requirement, Selector};
use verdikt_scenario::name::{NamespaceName, PortName};
use verdikt_scenario::topology::{Labels, Pod, Port, Served, ServedProtocol};

use crate::sides::matchers;

/// A pod that could be created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FuturePod {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its labels: those in policies.
    pub labels: Labels,
    /// Its service account, if policies depend on it.
    pub service_account: Option<String>,
    /// Its declared ports, if policies depend on their names.
    pub port_names: Vec<(String, u16)>,
}

impl FuturePod {
    /// The pod.
    pub(crate) fn pod(&self) -> Pod {
        let serves = self.port_names.iter().flat_map(|(name, port)| {
            let name: Option<PortName> = name.parse().ok();
            let port = Port::new(*port);
            [ServedProtocol::Tcp, ServedProtocol::Udp, ServedProtocol::Sctp]
                .into_iter()
                .filter_map(move |protocol| Some(Served { protocol, port: port?, name: name.clone() }))
        });
        Pod {
            labels: self.labels.clone(),
            service_account: self.service_account.clone(),
            serves: serves.collect(),
            ..Pod::default()
        }
    }

    /// How much text it takes to describe.
    pub(crate) fn size(&self) -> usize {
        self.labels.len() + usize::from(self.service_account.is_some()) + self.port_names.len()
    }
}

impl fmt::Display for FuturePod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a future pod in {}", self.namespace)?;
        let mut parts: Vec<String> =
            self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        parts.extend(self.service_account.iter().map(|account| format!("service account {account}")));
        parts.extend(self.port_names.iter().map(|(name, port)| format!("port {port} called {name}")));
        if parts.is_empty() {
            f.write_str(" without labels")
        } else {
            write!(f, " with {}", parts.join(", "))
        }
    }
}

/// A value that no policy contains.
const OTHER: &str = "something-else";

/// The number of a port name in policies; any number would do.
const NAMED_PORT: u16 = 40_000;

/// The largest number of pods of a namespace that are considered.
const MOST: usize = 20_000;

/// The pods of a namespace that could be created with these labels, one for each group that policies distinguish;
/// none if there are too many.
pub(crate) fn future_pods(
    model: &PolicyModel<'_>,
    namespace: &NamespaceName,
    fixed: &Labels,
) -> Option<Vec<FuturePod>> {
    let ToldApart { wanted, port_names } = told_apart(model, namespace);
    let mut pods = vec![FuturePod {
        namespace: namespace.clone(),
        labels: fixed.clone(),
        service_account: None,
        port_names: Vec::new(),
    }];
    for (key, values) in wanted.iter().filter(|(key, _)| !fixed.contains_key(*key)) {
        let with = |pod: &FuturePod, value: &str| {
            let mut pod = pod.clone();
            if key == SERVICE_ACCOUNT {
                pod.service_account = Some(value.to_owned());
            } else {
                pod.labels.insert(key.clone(), value.to_owned());
            }
            pod
        };
        let more = pods
            .iter()
            .flat_map(|pod| values.iter().map(String::as_str).chain([OTHER]).map(|value| with(pod, value)));
        let more: Vec<FuturePod> = more.take(MOST + 1).collect();
        pods.extend(more);
        if pods.len() > MOST {
            return None;
        }
    }
    if !port_names.is_empty() {
        let port_names: Vec<(String, u16)> = port_names.into_iter().zip(NAMED_PORT..).collect();
        let more = pods.iter().map(|pod| FuturePod { port_names: port_names.clone(), ..pod.clone() });
        let more: Vec<FuturePod> = more.collect();
        pods.extend(more);
    }
    Some(pods)
}

/// What policies use to distinguish pods of a namespace.
struct ToldApart {
    /// The values in policies, by the key of the label.
    wanted: BTreeMap<String, BTreeSet<String>>,
    port_names: BTreeSet<String>,
}

fn told_apart(model: &PolicyModel<'_>, namespace: &NamespaceName) -> ToldApart {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let bare = model.future_pod(namespace, &Pod::default());
    let mut port_names = BTreeSet::new();
    for rule in model.rules() {
        let selected = match &rule.subject {
            Subject::Endpoints(selector) => add(&mut wanted, selector, &bare),
            Subject::Nodes(_) => false,
        };
        for entry in &rule.entries {
            if let Peers::OneOf(peers) = &entry.peers {
                for peer in peers {
                    if let PeerMatcher::Selector(selector) = &peer.matcher {
                        add(&mut wanted, selector, &bare);
                    }
                }
            }
            for selector in &entry.requires {
                add(&mut wanted, selector, &bare);
            }
            // Port names in the egress rules of others may be ports of this pod as well.
            let by_name = matchers(entry).filter_map(|matcher| match matcher {
                PortMatcher::Name { name, .. } => Some(name.clone()),
                _ => None,
            });
            if selected || entry.direction == verdikt_engine::rule::Direction::Egress {
                port_names.extend(by_name);
            }
        }
    }
    ToldApart { wanted, port_names }
}

/// Adds the labels that a selector requires of pods, if it may select any pod in the namespace of a pod without
/// labels. Returns whether it may.
fn add(
    wanted: &mut BTreeMap<String, BTreeSet<String>>,
    selector: &Selector,
    bare: &verdikt_engine::model_endpoint::ModelEndpoint,
) -> bool {
    let may = selector
        .requirements
        .iter()
        .all(|requirement| is_own(requirement) || requirement.holds(bare.identity()));
    if may {
        for requirement in selector.requirements.iter().filter(|requirement| is_own(requirement)) {
            let values = wanted.entry(requirement.key.to_string()).or_default();
            if let Operator::In(named) | Operator::NotIn(named) = &requirement.operator {
                values.extend(named.iter().map(ToString::to_string));
            }
        }
    }
    may
}

/// Whether a requirement is about something that a pod's author decides: its labels and its service account.
fn is_own(requirement: &Requirement) -> bool {
    let key = requirement.key.as_str();
    let of_kubernetes = matches!(requirement.source, None | Some(LabelSource::Kubernetes));
    let of_cilium = [NAMESPACE, CLUSTER].contains(&key) || key.starts_with(NAMESPACE_LABELS);
    of_kubernetes && !of_cilium && (key == SERVICE_ACCOUNT || is_identity_relevant(key, true))
}
