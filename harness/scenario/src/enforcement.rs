//! The enforcement of policies.

/// How policies are enforced in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enforcement {
    /// Which endpoints are isolated.
    pub mode: EnforcementMode,
    /// Whether denials are only reported.
    pub audit: bool,
}

/// Cilium's `enable-policy`.
/// <https://docs.cilium.io/en/stable/security/policy/intro/#policy-enforcement-modes>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnforcementMode {
    /// An endpoint is isolated in a direction once a rule of that direction selects it.
    #[default]
    Default,
    /// Every endpoint is isolated.
    Always,
    /// Nothing is enforced.
    Never,
}
