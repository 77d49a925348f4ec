//! Whether a document of a folder is a policy, was meant to be one, or is none of verdikt's business.
//!
//! What is passed over is not checked, so whatever looks like a policy and cannot be read as one is a mistake.

use super::{KINDS, position, text_at};
use crate::document::{Node, Value};
use crate::lower::mistake::Mistake;
use crate::lower::suggest::nearest;
use crate::place::Position;

/// What a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A policy of a kind verdikt knows, though perhaps of a version it does not.
    Policy,
    /// Probably meant to be one.
    Unclear(Position, Mistake),
    /// A policy of a kind that verdikt does not evaluate.
    NotEvaluated(Position, String),
    /// Something else.
    Other,
}

/// The kinds of `cilium.io` that are no network policies.
/// <https://github.com/cilium/cilium/tree/main/pkg/k8s/apis/cilium.io>
const OTHERS_OF_CILIUM: [&str; 22] = [
    "CiliumBGPAdvertisement",
    "CiliumBGPClusterConfig",
    "CiliumBGPNodeConfig",
    "CiliumBGPNodeConfigOverride",
    "CiliumBGPPeerConfig",
    "CiliumBGPPeeringPolicy",
    "CiliumClusterwideEnvoyConfig",
    "CiliumEgressGatewayPolicy",
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
];

/// The kinds of `networking.k8s.io` that are no network policies.
const OTHERS_OF_KUBERNETES: [&str; 4] = ["Ingress", "IngressClass", "IPAddress", "ServiceCIDR"];

/// Policies of the whole cluster, which most clusters with Cilium do not enforce.
/// <https://network-policy-api.sigs.k8s.io/>
const ADMIN_GROUP: &str = "policy.networking.k8s.io";

/// The groups of the policies verdikt knows.
const GROUPS: [&str; 2] = ["cilium.io", "networking.k8s.io"];

/// Says what a document is.
pub(crate) fn classify(root: &Node) -> Class {
    let group = text_at(root, "apiVersion").map(|version| version.split('/').next().unwrap_or_default());
    let unclear = |key: &str, mistake: Mistake| Class::Unclear(position(root, &[key]), mistake);
    let Some(kind) = text_at(root, "kind") else {
        let looks_like_one = ["endpointSelector", "podSelector", "nodeSelector"]
            .iter()
            .any(|selector| root.at(&["spec", selector]).is_some());
        if group.is_some_and(|group| GROUPS.contains(&group)) || (group.is_none() && looks_like_one) {
            return unclear("kind", Mistake::new("the object has no `kind`"));
        }
        return Class::Other;
    };
    if KINDS.iter().any(|known| known.name == kind) {
        return Class::Policy;
    }
    if kind == "List" {
        return list(root, &unclear);
    }
    if group == Some(ADMIN_GROUP) {
        return Class::NotEvaluated(position(root, &["kind"]), kind.to_owned());
    }
    if OTHERS_OF_CILIUM.contains(&kind) || OTHERS_OF_KUBERNETES.contains(&kind) {
        return Class::Other;
    }
    let no_kind = || Mistake::new(format!("`{kind}` is no kind of policy verdikt knows"));
    if kind.strip_suffix("List").is_some_and(|of| KINDS.iter().any(|known| known.name == of)) {
        let help = "write each item as a document of its own, or all as a `List` of `v1`".to_owned();
        return unclear("kind", no_kind().help(help));
    }
    let near = nearest(kind, KINDS.iter().map(|known| known.name));
    let ours = kind.to_lowercase().starts_with("cilium")
        || group.is_none_or(|group| GROUPS.iter().any(|known| strsim::osa_distance(known, group) <= 2));
    match near {
        // Other projects have kinds with similar names; a slip of a letter or two is none of them.
        Some(near) if ours || is_a_slip(kind, near) => {
            unclear("kind", no_kind().help(format!("did you mean `{near}`?")))
        }
        _ if group.is_some_and(|group| GROUPS.contains(&group)) || kind.starts_with("Cilium") => {
            let help = "correct the kind; objects of other kinds are passed over, and not checked".to_owned();
            unclear("kind", no_kind().help(help))
        }
        _ => Class::Other,
    }
}

fn is_a_slip(kind: &str, near: &str) -> bool {
    kind.eq_ignore_ascii_case(near) || strsim::osa_distance(kind, near) <= 2
}

/// A list that was not taken apart.
fn list(root: &Node, unclear: &dyn Fn(&str, Mistake) -> Class) -> Class {
    if text_at(root, "apiVersion") != Some("v1") {
        let mistake = Mistake::new("a `List` has `apiVersion: v1`");
        return unclear("apiVersion", mistake.help("without it, nothing in the list is applied".to_owned()));
    }
    match root.get("items") {
        Some(Node { value: Value::List(_), .. }) | None => Class::Other,
        Some(_) => unclear("items", Mistake::new("the `items` of a `List` must be a list")),
    }
}
