//! Policies as written: the raw manifest, its tree, and its place.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::YamlNode;
use crate::place::{Place, Position};

/// One document of a policy file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file that contains it.
    pub file: Arc<str>,
    /// The document.
    pub root: YamlNode,
}

impl Manifest {
    /// The place of a position in the manifest.
    pub fn place(&self, position: Position) -> Place {
        position.in_file(&self.file)
    }

    /// The object's kind, namespace and name, as far as the manifest has them.
    pub fn object(&self) -> ObjectRef {
        let text = |path: &[&str]| self.root.at(path).and_then(YamlNode::text).map(str::to_owned);
        ObjectRef {
            kind: text(&["kind"]).unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]),
            name: text(&["metadata", "name"]).unwrap_or_default(),
        }
    }
}

/// A kind of policy object, which a policy file may contain.
///
/// ```
/// use verdikt_scenario::policy::PolicyKind;
///
/// let kind: PolicyKind = "CiliumNetworkPolicy".parse()?;
/// assert_eq!((kind.group(), kind.plural()), ("cilium.io", "ciliumnetworkpolicies"));
/// assert!(kind.is_namespaced());
/// # Ok::<(), verdikt_scenario::policy::UnknownKind>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is called as in a manifest")]
pub enum PolicyKind {
    NetworkPolicy,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    CiliumCidrGroup,
    ClusterNetworkPolicy,
}

/// The names of a kind of policy in manifests and paths, and its scope.
struct KindRow {
    name: &'static str,
    group: &'static str,
    /// The API versions that serve it; new manifests should use the first.
    versions: &'static [&'static str],
    plural: &'static str,
    scope: Scope,
}

/// The scope of a kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Namespaced.
    Namespaced,
    /// Cluster-wide.
    Cluster,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::NetworkPolicy,
        Self::CiliumNetworkPolicy,
        Self::CiliumClusterwideNetworkPolicy,
        Self::CiliumCidrGroup,
        Self::ClusterNetworkPolicy,
    ];

    const fn row(self) -> KindRow {
        match self {
            Self::NetworkPolicy => KindRow {
                name: "NetworkPolicy",
                group: "networking.k8s.io",
                versions: &["v1"],
                plural: "networkpolicies",
                scope: Scope::Namespaced,
            },
            Self::CiliumNetworkPolicy => KindRow {
                name: "CiliumNetworkPolicy",
                group: "cilium.io",
                versions: &["v2"],
                plural: "ciliumnetworkpolicies",
                scope: Scope::Namespaced,
            },
            Self::CiliumClusterwideNetworkPolicy => KindRow {
                name: "CiliumClusterwideNetworkPolicy",
                group: "cilium.io",
                versions: &["v2"],
                plural: "ciliumclusterwidenetworkpolicies",
                scope: Scope::Cluster,
            },
            Self::CiliumCidrGroup => KindRow {
                name: "CiliumCIDRGroup",
                group: "cilium.io",
                versions: &["v2", "v2alpha1"],
                plural: "ciliumcidrgroups",
                scope: Scope::Cluster,
            },
            Self::ClusterNetworkPolicy => KindRow {
                name: "ClusterNetworkPolicy",
                group: "policy.networking.k8s.io",
                versions: &["v1alpha2"],
                plural: "clusternetworkpolicies",
                scope: Scope::Cluster,
            },
        }
    }

    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The API group.
    pub const fn group(self) -> &'static str {
        self.row().group
    }

    /// The versions of the group that serve it; new manifests should use the first.
    pub const fn versions(self) -> &'static [&'static str] {
        self.row().versions
    }

    /// The possible values of `apiVersion`, in the order of [`Self::versions`]: `cilium.io/v2`.
    pub fn api_versions(self) -> impl Iterator<Item = String> {
        self.versions().iter().map(move |version| format!("{}/{version}", self.group()))
    }

    /// Its name in paths of the API.
    pub const fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Whether its objects live in namespaces.
    pub const fn is_namespaced(self) -> bool {
        matches!(self.row().scope, Scope::Namespaced)
    }

    /// Whether it is a kind of Cilium.
    pub const fn is_of_cilium(self) -> bool {
        !matches!(self, Self::NetworkPolicy | Self::ClusterNetworkPolicy)
    }

    /// Whether it is a custom resource, and not built into the API server.
    pub const fn is_custom(self) -> bool {
        !matches!(self, Self::NetworkPolicy)
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is not a kind of policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of policy")]
pub struct UnknownKind(String);

impl FromStr for PolicyKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// An object's kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    /// The kind, such as `CiliumNetworkPolicy`.
    pub kind: String,
    /// The namespace; none for a clusterwide object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// The kind, if it is a kind of policy.
    pub fn policy_kind(&self) -> Option<PolicyKind> {
        self.kind.parse().ok()
    }

    /// `namespace/name`, or the name alone for a clusterwide object: what a cell's `by` names.
    pub fn short(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.kind, self.short()))
    }
}

/// Who refuses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refuser {
    /// The API server: `kubectl apply` fails.
    ApiServer,
    /// Cilium's agent: the object is stored, its `Valid` condition is false, and nothing of it is enforced.
    Agent,
}

impl fmt::Display for Refuser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ApiServer => "the API server",
            Self::Agent => "the agent",
        })
    }
}
