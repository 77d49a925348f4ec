//! What the policies of one endpoint decide in one direction, without the rules behind it.

/// What happens to traffic, or to a request, that no rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnMiss {
    /// It passes: nothing isolates the endpoint.
    #[default]
    Pass,
    /// It passes, because it is the node's own traffic.
    PassFromLocalHost,
    /// It is denied.
    Deny,
}

/// What the policies of one endpoint decide in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecisionKind {
    /// Nothing is enforced there.
    #[default]
    NotEnforced,
    /// It passes; to a proxy first where `redirected`.
    Allow {
        /// Whether a proxy decides further.
        redirected: bool,
    },
    /// It is the node's own traffic to its pod, and passes without a rule.
    LocalHost,
    /// An explicit deny.
    Denied,
    /// Nothing allows it.
    NoRuleAllows,
    /// The engine does not know.
    Unknown,
    /// The agent cannot compute the endpoint's policy.
    Conflict,
}

impl DecisionKind {
    /// Whether the traffic is dropped.
    pub fn denies(self) -> bool {
        matches!(self, Self::Denied | Self::NoRuleAllows)
    }
}
