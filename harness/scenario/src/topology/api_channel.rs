//! Channels of the network policy API.

/// Which definitions of the network policy API an API server has.
/// <https://network-policy-api.sigs.k8s.io/versioning/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiChannel {
    /// All fields.
    #[default]
    Experimental,
    /// Without nodes and domain names.
    Standard,
}
