//! Secrets with which policies end TLS and begin it again.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use verdikt_scenario::document::YamlNode;

use crate::field::{self, Unusable};

/// The type that Kubernetes has for a certificate with its key.
const TLS: &str = "kubernetes.io/tls";
/// The type of a secret that says none.
const OPAQUE: &str = "Opaque";
/// What Cilium's agent reads of a secret, unless a policy names other items.
const ITEMS: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// Whether a policy can refer to a secret for TLS: a certificate with its key, or authorities.
pub(crate) fn is_for_tls(root: &YamlNode) -> Result<bool, Unusable> {
    let kind = field::optional_text(root, &["type"])?.filter(|kind| !kind.is_empty()).unwrap_or(OPAQUE);
    let has_item = || {
        let maps = ["data", "stringData"].iter().filter_map(|key| root.get(key));
        maps.flat_map(YamlNode::entries).any(|entry| ITEMS.contains(&&*entry.key))
    };
    Ok(kind == TLS || kind == OPAQUE && has_item())
}
