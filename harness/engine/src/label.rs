//! Labels as Cilium knows them: a source, a key and a value.

use std::fmt;

use compact_str::CompactString;
use verdikt_scenario::settings::LabelRule;

/// The source of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelSource {
    /// Kubernetes: labels of pods and namespaces, and what Cilium adds to them.
    Kubernetes,
    /// Cilium itself: `reserved:host`, `reserved:world`, …
    Reserved,
    /// Prefixes, matched by containment.
    Cidr,
    /// CIDR groups, whose labels their addresses have.
    CidrGroup,
    /// Nodes, whose labels Cilium knows if policies can select nodes.
    Node,
    /// Any other source. No endpoint that verdikt models has one.
    Other,
}

/// A label of an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Its key.
    pub key: CompactString,
    /// Its source.
    pub source: LabelSource,
    /// Its value.
    pub value: CompactString,
}

impl Label {
    /// A label from Kubernetes.
    pub fn kubernetes(key: impl Into<CompactString>, value: impl Into<CompactString>) -> Self {
        Self { key: key.into(), source: LabelSource::Kubernetes, value: value.into() }
    }

    /// A label of Cilium's own.
    pub fn reserved(key: &str) -> Self {
        Self { key: key.into(), source: LabelSource::Reserved, value: CompactString::default() }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.source, self.value.is_empty()) {
            (LabelSource::Reserved, _) => write!(f, "reserved:{}", self.key),
            (_, true) => f.write_str(&self.key),
            (_, false) => write!(f, "{}={}", self.key, self.value),
        }
    }
}

/// The label that holds a pod's namespace.
pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// The prefix of a namespace's label in the identities of its pods.
pub const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
/// The label that holds a pod's cluster.
pub const CLUSTER: &str = "io.cilium.k8s.policy.cluster";
/// The label that holds a pod's service account.
pub const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";

/// The name of the one cluster of a topology.
pub const CLUSTER_NAME: &str = "default";

/// Whether a label of a pod is part of its identity, by Cilium's default label filter: the longest matching prefix
/// decides, and other labels are kept.
/// <https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>
pub fn is_identity_relevant(key: &str, topology_labels: bool) -> bool {
    enters_identity(key, topology_labels, &[])
}

/// The same with rules of the cluster besides Cilium's. If one of them includes something, labels that no rule names
/// are left out.
pub fn enters_identity(key: &str, topology_labels: bool, rules: &[LabelRule]) -> bool {
    const INCLUDED: &[&str] = &[NAMESPACE, NAMESPACE_LABELS, "app.kubernetes.io", CLUSTER, SERVICE_ACCOUNT];
    const EXCLUDED: &[&str] = &[
        "io.kubernetes",
        "kubernetes.io",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "k8s.io",
        "pod-template-generation",
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "annotation",
        "etcd_node",
    ];
    let longest =
        |rules: &[&str]| rules.iter().filter(|rule| key.starts_with(**rule)).map(|rule| rule.len()).max();
    let beta = key.find("beta.kubernetes.io").map(|start| start + "beta.kubernetes.io".len());
    let topology = (!topology_labels && key.starts_with("topology.kubernetes.io")).then_some(22);
    let own = |excluded: bool| {
        let rules = rules.iter().filter(|rule| rule.excluded == excluded && key.starts_with(&rule.prefix));
        rules.map(|rule| rule.prefix.len()).max()
    };
    let included = longest(INCLUDED).max(own(false));
    let excluded = longest(EXCLUDED).max(beta).max(topology).max(own(true));
    let lists_all = rules.iter().any(|rule| !rule.excluded);
    if (included, excluded) == (None, None) { !lists_all } else { included >= excluded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter() {
        let check =
            |key: &str, expected: bool| assert_eq!(is_identity_relevant(key, false), expected, "{key}");
        check("app", true);
        check("app.kubernetes.io/name", true);
        check("k8s-app", true);
        check("pod-template-hash", false);
        check("kubernetes.io/arch", false);
        check("failure-domain.beta.kubernetes.io/zone", false);
        check("topology.kubernetes.io/zone", false);
        check("io.kubernetes.pod.namespace", true);
        assert!(is_identity_relevant("topology.kubernetes.io/zone", true));
    }

    #[test]
    fn rules_of_the_cluster() {
        let rule = |prefix: &str, excluded| LabelRule { prefix: prefix.to_owned(), excluded };
        let kept = |rules: &[LabelRule]| {
            let keys = ["app", "version", "pod-template-hash", "app.kubernetes.io/name"];
            keys.into_iter().filter(|key| enters_identity(key, false, rules)).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[rule("version", true)]), ["app", "app.kubernetes.io/name"]);
        assert_eq!(kept(&[rule("app", false)]), ["app", "app.kubernetes.io/name"]);
        assert_eq!(kept(&[rule("app", false), rule("app.kubernetes.io/name", true)]), ["app"]);
        assert_eq!(
            kept(&[rule("pod-template-hash", false)]),
            ["pod-template-hash", "app.kubernetes.io/name"]
        );
    }
}
