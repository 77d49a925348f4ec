//! Finds out whether services of type `LoadBalancer` get an address.

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::ListParams;
use tracing::debug;

use super::NodeFacts;
use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::objects::{self, ResourceKind, clusterwide, namespaced};

/// The address pools of Cilium's LB IPAM and `MetalLB`, in every version of their APIs.
/// <https://docs.cilium.io/en/stable/network/lb-ipam/> <https://metallb.io/configuration/>
const POOLS: &[ResourceKind] = &[
    clusterwide("CiliumLoadBalancerIPPool", "cilium.io", "v2", "ciliumloadbalancerippools"),
    clusterwide("CiliumLoadBalancerIPPool", "cilium.io", "v2alpha1", "ciliumloadbalancerippools"),
    namespaced("IPAddressPool", "metallb.io", "v1beta1", "ipaddresspools"),
];

/// Whether services of type `LoadBalancer` get an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalancing {
    /// They may.
    #[default]
    Possible,
    /// Nothing in the cluster is known to assign addresses.
    Absent,
}

/// Looks for something that assigns addresses: an address pool, a cloud provider, or a service that already has an
/// address. What the credentials do not allow to read counts as present.
pub(super) async fn load_balancing<'a>(
    connection: &ApiConnection,
    mut nodes: impl Iterator<Item = &'a NodeFacts>,
) -> Result<LoadBalancing, ApiError> {
    if nodes.any(|node| node.machine.is_some()) {
        return Ok(LoadBalancing::Possible);
    }
    let services: Api<Service> = Api::all(connection.client().clone());
    let everything = ListParams::default();
    let services = connection.ask("list the services of the cluster", services.list(&everything)).await?;
    if services.items.iter().any(has_address) {
        return Ok(LoadBalancing::Possible);
    }
    for pool in POOLS.iter().copied() {
        match objects::select(connection, pool, None, None, |_| true).await {
            Ok(found) if found.is_empty() => {}
            Ok(_) => return Ok(LoadBalancing::Possible),
            Err(error) if error.is_absent() => {}
            Err(error @ ApiError::Forbidden { .. }) => {
                debug!(%error, "what gives addresses to services is not known");
                return Ok(LoadBalancing::Possible);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(LoadBalancing::Absent)
}

/// Whether a load balancer has given a service an address.
fn has_address(service: &Service) -> bool {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    status.and_then(|balancer| balancer.ingress.as_ref()).is_some_and(|given| !given.is_empty())
}
