//! What one side comes to.

/// What happens to traffic, or to a request, that no rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnMiss {
    /// It passes: nothing isolates the endpoint.
    #[default]
    Pass,
    /// It passes, because it is the node's own.
    PassFromLocalHost,
    /// It is denied.
    Deny,
}

/// The verdict of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SideVerdict {
    /// Nothing is enforced there.
    #[default]
    NotEnforced,
    /// It passes; to a proxy first where `redirected`.
    Allow {
        /// Whether a proxy judges further.
        redirected: bool,
    },
    /// It is the node's own traffic to its pod, which passes without a rule.
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

impl SideVerdict {
    /// Whether the side drops the traffic.
    pub fn denies(self) -> bool {
        matches!(self, Self::Denied | Self::NoRuleAllows)
    }
}
