//! The order in which rules decide: by tier, then by priority.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tier of policies; an earlier tier decides first.
/// <https://network-policy-api.sigs.k8s.io/reference/spec/>
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Tier {
    /// A `ClusterNetworkPolicy` that no other policy can overrule.
    Admin,
    /// Every policy other than a `ClusterNetworkPolicy`.
    #[default]
    Normal,
    /// A `ClusterNetworkPolicy` for what no other policy decides.
    Baseline,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "Admin",
            Self::Normal => "Normal",
            Self::Baseline => "Baseline",
        })
    }
}

/// The position of a rule in the order of all rules; the lowest decides first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Precedence {
    /// Its tier.
    pub tier: Tier,
    /// The priority of its object and its index there, in hundredths: rule 2 of priority 5 has 502. All rules of the
    /// tier Normal have 0.
    pub hundredths: i64,
}

impl Precedence {
    /// The precedence of a rule, from the priority of its object and its index in its list.
    pub fn of(tier: Tier, priority: i64, index: usize) -> Self {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        Self { tier, hundredths: priority.saturating_mul(100).saturating_add(index) }
    }
}

impl fmt::Display for Precedence {
    /// Formats it as `Admin, priority 5`; a rule after the first is `Admin, priority 5.02`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tier == Tier::Normal {
            return self.tier.fmt(f);
        }
        let (priority, index) = (self.hundredths.div_euclid(100), self.hundredths.rem_euclid(100));
        write!(f, "{}, priority {priority}", self.tier)?;
        if index == 0 { Ok(()) } else { write!(f, ".{index:02}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_objects_with_one_priority_interleave() {
        let second = Precedence::of(Tier::Admin, 5, 1);
        assert_eq!(second, Precedence { tier: Tier::Admin, hundredths: 501 });
        assert!(Precedence::of(Tier::Admin, 5, 0) < second && second < Precedence::of(Tier::Admin, 6, 0));
        assert!(Precedence::of(Tier::Admin, 1000, 24) < Precedence::default());
        assert!(Precedence::default() < Precedence::of(Tier::Baseline, 0, 0));
    }

    #[test]
    fn precedence_reads_as_in_the_object() {
        let text = |tier, priority, index| Precedence::of(tier, priority, index).to_string();
        assert_eq!(text(Tier::Admin, 5, 0), "Admin, priority 5");
        assert_eq!(text(Tier::Baseline, 0, 2), "Baseline, priority 0.02");
    }
}
