//! Decides whether a document of a folder is a policy, was meant to be one, or is something else.
//!
//! What is skipped is not checked, so anything that looks like a policy and cannot be read as one is a mistake.

use super::{refused_items, text_at};
use crate::document::YamlNode;
use crate::lower::mistake::Mistake;
use crate::lower::suggest::nearest;
use crate::place::Position;
use crate::policy::PolicyKind;

/// The class of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DocumentClass {
    /// A policy of a kind that verdikt knows, perhaps of an unknown version.
    Policy,
    /// Probably meant to be a policy.
    Unclear(Position, Mistake),
    /// A policy of a kind that Cilium does not enforce.
    NotEnforced(Position, String),
    /// Something else.
    Other,
}

/// The kinds of `cilium.io` that are not network policies: of Cilium, and of Tetragon.
/// <https://github.com/cilium/cilium/tree/main/pkg/k8s/apis/cilium.io>,
/// <https://github.com/cilium/tetragon/tree/main/pkg/k8s/apis/cilium.io>
const OTHERS_OF_CILIUM: &[&str] = &[
    "CiliumBGPAdvertisement",
    "CiliumBGPClusterConfig",
    "CiliumBGPNodeConfig",
    "CiliumBGPNodeConfigOverride",
    "CiliumBGPPeerConfig",
    "CiliumBGPPeeringPolicy",
    "CiliumClusterwideEnvoyConfig",
    "CiliumEgressGatewayPolicy",
    "CiliumEgressNATPolicy",
    "CiliumEndpoint",
    "CiliumEndpointSlice",
    "CiliumEnvoyConfig",
    "CiliumExternalWorkload",
    "CiliumGatewayClassConfig",
    "CiliumIdentity",
    "CiliumL2AnnouncementPolicy",
    "CiliumLoadBalancerIPPool",
    "CiliumLocalRedirectPolicy",
    "CiliumNode",
    "CiliumNodeConfig",
    "CiliumPodIPPool",
    "CiliumVTEPConfig",
    "CiliumVTEPPolicy",
    "PodInfo",
    "TracingPolicy",
    "TracingPolicyNamespaced",
];

/// The kinds of `networking.k8s.io` that are not network policies.
const OTHERS_OF_KUBERNETES: [&str; 4] = ["IPAddress", "Ingress", "IngressClass", "ServiceCIDR"];

/// The kinds before `ClusterNetworkPolicy`, which no version of Cilium enforces.
/// <https://network-policy-api.sigs.k8s.io/>
pub(super) const NEVER_ENFORCED: [&str; 2] = ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"];

/// The group of these kinds.
const ADMIN_GROUP: &str = "policy.networking.k8s.io";

/// The groups of the policies verdikt knows.
const GROUPS: [&str; 3] = ["cilium.io", "networking.k8s.io", ADMIN_GROUP];

/// Classifies a document.
pub(crate) fn classify(root: &YamlNode) -> DocumentClass {
    let group = text_at(root, "apiVersion").map(|version| version.split('/').next().unwrap_or_default());
    let unclear = |key: &str, mistake: Mistake| DocumentClass::Unclear(root.position_near(&[key]), mistake);
    let Some(kind) = text_at(root, "kind") else {
        if group.is_some_and(|group| GROUPS.contains(&group))
            || (group.is_none() && looks_like_a_policy(root))
        {
            return unclear("kind", Mistake::new("the object has no `kind`"));
        }
        return DocumentClass::Other;
    };
    if is_policy(kind) {
        // Calico, Antrea and others have a `NetworkPolicy` of their own.
        return if group.is_some_and(is_of_others) { DocumentClass::Other } else { DocumentClass::Policy };
    }
    if kind == "List" {
        return list(root, &unclear);
    }
    if kind.strip_suffix("List").is_some_and(is_policy) {
        return whole_list(root);
    }
    if group == Some(ADMIN_GROUP) && NEVER_ENFORCED.contains(&kind) {
        return DocumentClass::NotEnforced(root.position_near(&["kind"]), kind.to_owned());
    }
    if OTHERS_OF_CILIUM.contains(&kind)
        || OTHERS_OF_KUBERNETES.contains(&kind)
        || group.is_some_and(is_of_others) && !is_ours_by_name(kind)
    {
        return DocumentClass::Other;
    }
    let no_kind = || Mistake::new(format!("`{kind}` is not a kind of policy verdikt knows"));
    let near = nearest(kind, PolicyKind::ALL.into_iter().map(PolicyKind::name));
    match near {
        // Other projects have kinds with similar names; only a slip of a letter or two is a mistake.
        Some(near) if is_ours_by_name(kind) || group.is_none_or(is_ours) || is_a_slip(kind, near) => {
            unclear("kind", no_kind().help(format!("did you mean `{near}`?")))
        }
        _ if looks_like_a_policy(root) && group.is_some_and(|group| GROUPS.contains(&group)) => {
            let help = "correct the kind; objects of other kinds are skipped, and not checked".to_owned();
            unclear("kind", no_kind().help(help))
        }
        _ => DocumentClass::Other,
    }
}

/// Whether a document selects endpoints as policies do.
fn looks_like_a_policy(root: &YamlNode) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| root.at(&["spec", key]).is_some());
    has(&["endpointSelector", "podSelector"])
        || has(&["subject"]) && has(&["tier"])
        // Many other objects select nodes.
        || has(&["nodeSelector"]) && has(&["ingress", "ingressDeny", "egress", "egressDeny"])
}

/// Whether a group is one of the policies', perhaps misspelt.
fn is_ours(group: &str) -> bool {
    GROUPS.iter().any(|known| strsim::osa_distance(known, group) <= 2)
}

/// Whether a group belongs to neither Kubernetes nor Cilium: theirs have no dot, or end like Kubernetes' own.
fn is_of_others(group: &str) -> bool {
    group.contains('.') && !is_ours(group) && !group.ends_with("k8s.io")
}

fn is_ours_by_name(kind: &str) -> bool {
    kind.to_lowercase().starts_with("cilium")
}

fn is_policy(kind: &str) -> bool {
    kind.parse::<PolicyKind>().is_ok()
}

fn is_a_slip(kind: &str, near: &str) -> bool {
    kind.eq_ignore_ascii_case(near) || strsim::osa_distance(kind, near) <= 2
}

/// A list that was not split into its items.
fn list(root: &YamlNode, unclear: &dyn Fn(&str, Mistake) -> DocumentClass) -> DocumentClass {
    if text_at(root, "apiVersion") != Some("v1") {
        let mistake = Mistake::new("a `List` has `apiVersion: v1`");
        return unclear("apiVersion", mistake.help("without it, nothing in the list is applied".to_owned()));
    }
    whole_list(root)
}

/// A list that was not split because of what its items are.
fn whole_list(root: &YamlNode) -> DocumentClass {
    refused_items(root)
        .map_or(DocumentClass::Other, |(position, mistake)| DocumentClass::Unclear(position, mistake))
}
