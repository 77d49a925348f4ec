//! Pods that reach themselves through a service: Cilium replaces the source address of such a client.

use std::net::{IpAddr, SocketAddr};

use crate::backend::BackendEvent;

/// Restores the true source address of an arrival, if a pod reached its own server.
pub(super) fn with_true_client(event: BackendEvent, own_service_clients: &[IpAddr]) -> BackendEvent {
    match event {
        BackendEvent::Arrived { protocol, peer, server, number }
            if own_service_clients.contains(&peer.ip()) =>
        {
            let own = server.iter().find(|server| server.is_ipv4() == peer.is_ipv4());
            let peer = own.map_or(peer, |own| SocketAddr::new(own.ip(), peer.port()));
            BackendEvent::Arrived { protocol, peer, server, number }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_reaches_itself_is_its_own_client() {
        let clients = ["169.254.42.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        let check = |peer: &str, expected: &str| {
            let server = ["10.244.0.9:80", "[fd00::9]:80"].map(|socket| socket.parse().unwrap()).to_vec();
            let arrived = |peer: &str| BackendEvent::Arrived {
                protocol: None,
                peer: peer.parse().unwrap(),
                server: server.clone(),
                number: None,
            };
            assert_eq!(with_true_client(arrived(peer), &clients), arrived(expected), "{peer}");
        };
        check("169.254.42.1:40001", "10.244.0.9:40001");
        check("[fe80::1]:40001", "[fd00::9]:40001");
        check("10.244.0.8:40001", "10.244.0.8:40001");
    }
}
