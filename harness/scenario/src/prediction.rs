//! Predictions: what an engine says of one attempt, with the rules behind it.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::NamespacedName;
use crate::place::Place;
use crate::policy::ObjectRef;
use crate::precedence::Precedence;
use crate::topology::Endpoint;

/// What the engine says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// The answer.
    pub answer: Answer,
    /// Every check on the attempt's way, in the order it meets them, up to the one that ends it.
    pub checks: Vec<Check>,
}

impl Prediction {
    /// Why the engine abstains, if it does: completes "does not know …".
    pub fn gap(&self) -> Option<&str> {
        if self.answer != Answer::Abstain {
            return None;
        }
        self.checks.iter().rev().find_map(|check| match &check.finding {
            Finding::Unknown { gap, .. } | Finding::Chance { gap } => Some(gap.as_str()),
            _ => None,
        })
    }

    /// Whether chance decides, so that no observation is a verdict.
    pub fn is_chance(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.finding, Finding::Chance { .. }))
    }
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It passes.
    Allow,
    /// It is denied there.
    Deny(EnforcementPoint),
    /// A policy denies it there, and audit mode lets it pass.
    Audit(EnforcementPoint),
    /// The HTTP proxy sends the client to the plain form of its path, whatever the rules say.
    Redirect,
    /// The engine does not know; the last check says why.
    Abstain,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.pad("allow"),
            Self::Deny(point) => f.pad(&format!("deny {point}")),
            Self::Audit(point) => f.pad(&format!("audit {point}")),
            Self::Redirect => f.pad("redirect"),
            Self::Abstain => f.pad("abstains"),
        }
    }
}

/// Where an attempt can be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcementPoint {
    /// The egress policy of the source.
    Egress,
    /// The ingress policy of the destination.
    Ingress,
    /// The DNS proxy.
    Dns,
    /// The HTTP proxy.
    Http,
    /// The proxy that reads the server names of TLS.
    Tls,
}

impl fmt::Display for EnforcementPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Tls => "tls",
        })
    }
}

/// One policy check of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Where.
    pub point: EnforcementPoint,
    /// Whose policy is asked: the source's at egress, the destination's at ingress.
    pub endpoint: Endpoint,
    /// What is asked, to read after the endpoint: `to tcp database/redis:6379`, `from client, tcp port 80`,
    /// `query api.example.test`, `GET /api`.
    pub question: String,
    /// The finding.
    pub finding: Finding,
}

/// What a check found. Rules are shared: a table has many more findings than there are rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The endpoint has no policy of this kind, or none that isolates it: everything passes.
    NotIsolated,
    /// These rules leave it to the tiers after theirs.
    PassedOn {
        /// The rules.
        by: Vec<Arc<RuleRef>>,
    },
    /// These rules allow it, each sufficient alone; the first is the one that decides.
    Allowed {
        /// The rules.
        by: Vec<Arc<RuleRef>>,
    },
    /// The node's own traffic to its pods passes without a rule.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/policy/#known-missing-features>
    LocalHost,
    /// A pod that reaches itself, through a service or by its own address, meets no policy.
    Itself {
        /// The service that it goes through, if it does.
        through: Option<NamespacedName>,
    },
    /// Neither end is an endpoint that policies select: both are nodes, or outside the cluster.
    OutsideCluster,
    /// An explicit deny rule.
    Denied {
        /// The rules that deny it; the first decides.
        by: Vec<Arc<RuleRef>>,
    },
    /// Nothing allows it, and the endpoint is isolated.
    NoRuleAllows {
        /// The rules whose presence isolates the endpoint in this direction (or, at a proxy, the rules that
        /// send the traffic there).
        isolated_by: Arc<[Arc<RuleRef>]>,
        /// The rule that came nearest to allowing it.
        nearest: Option<Box<Miss>>,
    },
    /// The HTTP proxy answers with a redirect before it asks any rule.
    Redirected {
        /// The plain form of the path, to which the client is sent.
        to: String,
        /// The rules that send the traffic to the proxy.
        by: Arc<[Arc<RuleRef>]>,
    },
    /// A certificate is not taken, where these rules have the proxy end TLS and begin it again.
    NotTrusted {
        /// Who does not take which certificate, and why: completes "fails: …".
        reason: Box<str>,
        /// The rules.
        by: Arc<[Arc<RuleRef>]>,
    },
    /// The engine does not know, for this reason.
    Unknown {
        /// What is not modelled: completes "does not know …".
        gap: String,
        /// The rule concerned.
        rule: Option<Arc<RuleRef>>,
    },
    /// Chance decides, on a cluster as well: whatever is seen of one attempt tells nothing of the next.
    Chance {
        /// What chance decides: completes "does not know …".
        gap: String,
    },
}

/// A rule that allows nothing of this attempt, and on what it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Miss {
    /// The rule.
    pub rule: Arc<RuleRef>,
    /// On what it failed, as a sentence fragment: `peer: its label app is frontend, not backend`.
    pub on: String,
}

/// One rule of one policy object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// The object.
    pub object: ObjectRef,
    /// The rule inside it: `spec.ingress[0].toPorts[1].ports[0]`.
    pub path: String,
    /// Where that rule was written.
    pub place: Place,
    /// Where it stands in the order of all rules, for a rule of a `ClusterNetworkPolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precedence: Option<Precedence>,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.precedence {
            None => f.pad(&format!("{} {}", self.object, self.path)),
            Some(precedence) => f.pad(&format!("{} {} ({precedence})", self.object, self.path)),
        }
    }
}
