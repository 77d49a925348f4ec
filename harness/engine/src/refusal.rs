//! Why the API server or the agent refuses an object, as data.

use std::borrow::Cow;

use verdikt_scenario::place::Position;

/// One reason to refuse an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub kind: RefusalKind,
    /// Which part of the object it is about.
    pub part: RefusedPart,
    /// The reason, close to the text of who refuses it.
    pub message: String,
    /// Where in the object's file.
    pub position: Position,
}

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedPart {
    /// Its kind, version and metadata, which the loader checks as well.
    Identity,
    /// Everything else.
    Specification,
}

/// What is wrong with an object that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The API server serves no such kind in this version of its API.
    NotServed,
    /// The API server does not know the field.
    UnknownField {
        /// Its path.
        path: String,
        /// The field that was probably meant.
        meant: Option<&'static str>,
    },
    /// The word does not exist.
    UnknownWord {
        /// The one that was probably meant.
        meant: Option<&'static str>,
    },
    /// A value of another type in place of a text.
    NotText,
    /// A rule without any item.
    NoDirection,
    /// Kinds of peers in one item that exclude each other, or that exclude ports.
    Combination,
    /// ICMP types and ports in one item.
    IcmpsBesidePorts,
    /// HTTP rules at a port that is not only TCP.
    L7WithoutTcp,
    /// A namespaced policy that selects nodes.
    NodesOfNamespace,
    /// A kind of object that the cluster's Cilium does not read.
    NotEnforced,
    /// A `NetworkPolicy` where Cilium is configured to read none.
    NetworkPolicyOff,
    /// Nodes as peers, if Cilium does not know the labels of nodes.
    NodeLabelsOff,
    /// The agent crashes when it reads the object.
    Crash,
    /// An invalid value.
    InvalidValue,
}

impl RefusalKind {
    /// What the author can do about it, if that is the same for every object.
    pub fn help(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::UnknownField { meant: Some(meant), .. } | Self::UnknownWord { meant: Some(meant) } => {
                return Some(format!("did you mean `{meant}`?").into());
            }
            Self::NoDirection => {
                "an empty list is not a default deny: write `ingress: [{}]` and `egress: [{}]` to isolate and allow nothing"
            }
            Self::UnknownField { meant: None, .. } => {
                "correct the name of the field; without strict validation it would be dropped silently"
            }
            Self::Combination => "give each kind of peer a list item of its own; items are alternatives",
            Self::IcmpsBesidePorts => "give `icmps` and `toPorts` a list item of their own each",
            Self::L7WithoutTcp => "write `protocol: TCP` at the port",
            Self::NodesOfNamespace => {
                "make it a CiliumClusterwideNetworkPolicy, or use an `endpointSelector`"
            }
            Self::NotText => "write the value in quotes",
            Self::NodeLabelsOff => {
                "set `nodeSelectorLabels: true` in the values of Cilium, and say so in the settings"
            }
            Self::NotEnforced => {
                "use Cilium 1.20 with `k8sClusterNetworkPolicy.enabled: true`, and say so under `settings` of the topology"
            }
            Self::NetworkPolicyOff => {
                "leave `k8sNetworkPolicy.enabled` out of the values of Cilium, or write it as a CiliumNetworkPolicy"
            }
            Self::Crash => "correct the value: every agent that reads this object crashes",
            Self::NotServed | Self::InvalidValue | Self::UnknownWord { meant: None } => return None,
        }))
    }
}
