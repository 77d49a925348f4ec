//! Predictions: what the engine says of one attempt, with the rules behind it.

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
    /// Every check on the way of the attempt, in order, up to the one that ends it.
    pub checks: Vec<Check>,
}

impl Prediction {
    /// Why the engine abstains, if it does: completes "does not know …".
    pub fn gap(&self) -> Option<&str> {
        if self.answer != Answer::Abstain {
            return None;
        }
        self.checks.iter().rev().find_map(|check| match &check.decision {
            Decision::Unknown { gap, .. } | Decision::Chance { gap } => Some(gap.as_str()),
            _ => None,
        })
    }

    /// Whether the result is random, so that no observation is a verdict.
    pub fn is_chance(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.decision, Decision::Chance { .. }))
    }
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It passes.
    Allow,
    /// It is denied at this point.
    Deny(EnforcementPoint),
    /// A policy denies it at this point, and audit mode lets it pass.
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
    /// The enforcement point.
    pub point: EnforcementPoint,
    /// The endpoint whose policy is asked: the source at egress, the destination at ingress.
    pub endpoint: Endpoint,
    /// The question, to be read after the endpoint: `to tcp database/redis:6379`, `from client, tcp port 80`, `query
    /// api.example.test`, `GET /api`.
    pub question: String,
    /// What the policies decide there.
    pub decision: Decision,
}

/// What the policies of an endpoint in one direction, or a proxy, decide about an attempt, with the rules behind it. Rules are
/// shared: a table has many more decisions than there are rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// No policy isolates the endpoint in this direction: everything passes.
    NotIsolated,
    /// These rules pass it on to the next tier.
    PassedOn {
        /// The rules.
        by: Vec<Arc<RuleRef>>,
    },
    /// These rules allow it, each on its own; the first one decides.
    Allowed {
        /// The rules.
        by: Vec<Arc<RuleRef>>,
    },
    /// The node's own traffic to its pods passes without a rule.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/policy/#known-missing-features>
    LocalHost,
    /// A pod that reaches itself, through a service or by its own address, is subject to no policy.
    Itself {
        /// The service that it goes through, if any.
        through: Option<NamespacedName>,
    },
    /// Neither end is an endpoint that policies select: both are nodes, or outside the cluster.
    OutsideCluster,
    /// An explicit deny rule.
    Denied {
        /// The rules that deny it; the first decides.
        by: Vec<Arc<RuleRef>>,
    },
    /// No rule allows it, and the endpoint is isolated.
    NoRuleAllows {
        /// The rules whose presence isolates the endpoint in this direction (or, at a proxy, the rules that
        /// send the traffic there).
        isolated_by: Arc<[Arc<RuleRef>]>,
        /// The rule that came nearest to allowing it.
        nearest: Option<Box<Miss>>,
    },
    /// The HTTP proxy answers with a redirect before it evaluates any rule.
    Redirected {
        /// The plain form of the path, to which the client is sent.
        to: String,
        /// The rules that send the traffic to the proxy.
        by: Arc<[Arc<RuleRef>]>,
    },
    /// A certificate is not trusted, at a proxy that terminates TLS by these rules.
    NotTrusted {
        /// Who does not trust which certificate, and why: completes "fails: …".
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
    /// The result is random, on a cluster as well: one attempt says nothing about the next.
    Chance {
        /// What is random: completes "does not know …".
        gap: String,
    },
}

/// A rule that does not allow the attempt, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Miss {
    /// The rule.
    pub rule: Arc<RuleRef>,
    /// Why not, as a sentence fragment: `peer: its label app is frontend, not backend`.
    pub on: String,
}

/// A reference to one rule of one policy object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// The object.
    pub object: ObjectRef,
    /// The path of the rule in the object: `spec.ingress[0].toPorts[1].ports[0]`.
    pub path: String,
    /// Where the rule is written.
    pub place: Place,
    /// Its precedence, for a rule of a `ClusterNetworkPolicy`.
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
