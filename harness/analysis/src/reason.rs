//! The rules behind the decisions about traffic between two ends, interval by interval.

use std::fmt;
use std::sync::Arc;

use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::{ModelEndpoint, TrafficKind};
use verdikt_engine::rule::{Direction, RuleEntry};
use verdikt_scenario::prediction::{Decision, RuleRef};

use crate::access::{Access, AccessProfile, pieces};
use crate::sides::{access, spans};

/// What one side decides, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideReason {
    /// It is not isolated, or no policy is enforced there.
    Open,
    /// A pod reaches itself, which is subject to no policy.
    Itself,
    /// These rules allow it.
    Allowed(Vec<Arc<RuleRef>>),
    /// These rules pass it on, no later rule decides, and the end is not isolated.
    PassedOn(Vec<Arc<RuleRef>>),
    /// It is the node's own traffic to its pod.
    LocalHost,
    /// These rules deny it.
    Denied(Vec<Arc<RuleRef>>),
    /// No rule allows it, and these rules isolate the end.
    NothingAllows(Vec<Arc<RuleRef>>),
    /// The engine does not know; completes "does not know …".
    Unknown(String, Option<Arc<RuleRef>>),
}

impl SideReason {
    pub(crate) fn of(decision: Decision) -> Self {
        match decision {
            Decision::Itself { .. } => Self::Itself,
            Decision::NotIsolated | Decision::OutsideCluster => Self::Open,
            Decision::Allowed { by } => Self::Allowed(by),
            Decision::Redirected { by, .. } => Self::Allowed(by.to_vec()),
            Decision::PassedOn { by } => Self::PassedOn(by),
            Decision::LocalHost => Self::LocalHost,
            Decision::Denied { by } => Self::Denied(by),
            Decision::NotTrusted { by, .. } => Self::Denied(by.to_vec()),
            Decision::NoRuleAllows { isolated_by, .. } => Self::NothingAllows(isolated_by.to_vec()),
            Decision::Unknown { gap, rule } => Self::Unknown(gap, rule),
            Decision::Chance { gap } => Self::Unknown(gap, None),
        }
    }

    /// The rules behind it.
    pub fn rules(&self) -> &[Arc<RuleRef>] {
        match self {
            Self::Open | Self::Itself | Self::LocalHost => &[],
            Self::Allowed(rules)
            | Self::PassedOn(rules)
            | Self::Denied(rules)
            | Self::NothingAllows(rules) => rules,
            Self::Unknown(_, rule) => rule.as_slice(),
        }
    }
}

impl fmt::Display for SideReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("nothing isolates it"),
            Self::Itself => f.write_str("a pod that reaches itself meets no policy"),
            Self::LocalHost => f.write_str("the node reaches its own pods"),
            Self::Allowed(rules) => write!(f, "allowed by {}", listed(rules)),
            Self::PassedOn(rules) => write!(f, "passed on by {}, and nothing isolates it", listed(rules)),
            Self::Denied(rules) => write!(f, "denied by {}", listed(rules)),
            Self::NothingAllows(rules) if rules.is_empty() => f.write_str("no rule allows it"),
            Self::NothingAllows(rules) => write!(f, "no rule allows it, isolated by {}", listed(rules)),
            Self::Unknown(gap, _) => write!(f, "not known: {gap}"),
        }
    }
}

/// A rule with its place: `database/redis spec.ingress[0] redis.yaml:7`.
pub fn rule_text(rule: &RuleRef) -> String {
    format!("{} {} {}", rule.object.short(), rule.path, rule.place.line_of_file())
}

/// The largest number of rules in a sentence.
const MOST_RULES: usize = 3;

fn listed(rules: &[Arc<RuleRef>]) -> String {
    let named: Vec<String> = rules.iter().take(MOST_RULES).map(|rule| rule_text(rule)).collect();
    match rules.len().saturating_sub(MOST_RULES) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What happens to traffic, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// What happens to it.
    pub access: Access,
    /// The reason of the source's policy; empty if only the destination's denies.
    pub egress: SideReason,
    /// The reason of the destination's policy; empty if the source's denies.
    pub ingress: SideReason,
}

impl Reason {
    /// The side that decides; of traffic that passes, the side whose rules allow it.
    pub fn deciding(&self) -> Vec<(&'static str, &SideReason)> {
        let (egress, ingress) = (("egress", &self.egress), ("ingress", &self.ingress));
        match &self.access {
            Access::Deny(Direction::Egress) => vec![egress],
            Access::Deny(Direction::Ingress) => vec![ingress],
            Access::Unknown => {
                let unknown = |side: &(&str, &SideReason)| matches!(side.1, SideReason::Unknown(..));
                [egress, ingress].into_iter().filter(unknown).collect()
            }
            Access::Allow | Access::Proxy { .. } => {
                [egress, ingress].into_iter().filter(|(_, side)| **side != SideReason::Open).collect()
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides: Vec<String> =
            self.deciding().into_iter().map(|(word, side)| format!("{word}: {side}")).collect();
        if sides.is_empty() {
            return f.write_str("no policy isolates either end");
        }
        f.write_str(&sides.join("; "))
    }
}

/// What happens to traffic between two ends of a model, and why.
pub fn reasons(model: &PolicyModel<'_>, from: &ModelEndpoint, to: &ModelEndpoint) -> AccessProfile<Reason> {
    let entries = |model_endpoint: &ModelEndpoint, direction| -> Vec<&RuleEntry> {
        model_endpoint.entries(direction).iter().map(|index| model.entry_at(*index)).collect()
    };
    let (egress, ingress) = (entries(from, Direction::Egress), entries(to, Direction::Ingress));
    let mut profile = AccessProfile::empty();
    for transport in TrafficKind::ALL {
        let of_side = |entries, direction| spans(model, entries, transport, to.identity(), direction);
        let both = [of_side(&egress, Direction::Egress), of_side(&ingress, Direction::Ingress)].concat();
        for piece in pieces(transport, both.into_iter().flatten()) {
            profile.push(piece, reason(model, from, to, transport, piece.first));
        }
    }
    profile
}

fn reason(
    model: &PolicyModel<'_>,
    from: &ModelEndpoint,
    to: &ModelEndpoint,
    transport: TrafficKind,
    number: u16,
) -> Reason {
    let side = |subject: &ModelEndpoint, direction, peer: &Identity| {
        let traffic = transport.traffic(number);
        let judged = access(&model.decide_side(subject, direction, peer, traffic));
        (judged, SideReason::of(model.explain_side(subject, direction, peer, traffic)))
    };
    let (egress, egress_reason) = side(from, Direction::Egress, to.identity());
    let (ingress, ingress_reason) = side(to, Direction::Ingress, from.identity());
    let access = Access::of(&egress, &ingress);
    let (egress, ingress) = match access {
        Access::Deny(Direction::Egress) => (egress_reason, SideReason::Open),
        Access::Deny(Direction::Ingress) => (SideReason::Open, ingress_reason),
        Access::Allow | Access::Proxy { .. } | Access::Unknown => (egress_reason, ingress_reason),
    };
    Reason { access, egress, ingress }
}
