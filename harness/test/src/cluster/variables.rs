//! Environment variables that control how a cluster is used.

/// Allows a cluster that is not a kind cluster.
pub(super) const YES: &str = "VERDIKT_YES";
/// Allows policies that apply to every pod of the cluster.
pub(super) const CLUSTERWIDE: &str = "VERDIKT_CLUSTERWIDE";
/// Where hosts outside the cluster are.
pub(super) const WORLD: &str = "VERDIKT_WORLD";
/// Their addresses, comma-separated.
pub(super) const WORLD_ADDRESSES: &str = "VERDIKT_WORLD_ADDRESSES";
/// The address among these at which the cluster's DNS server asks for their names.
pub(super) const WORLD_DNS: &str = "VERDIKT_WORLD_DNS";
/// The registry from which nodes pull the image of the probe.
pub(super) const REGISTRY: &str = "VERDIKT_REGISTRY";
/// The path of the probe program.
pub(super) const PROBE_PROGRAM: &str = "VERDIKT_PROBE";
