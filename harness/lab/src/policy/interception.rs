//! What the HTTP proxy shows where it ends TLS, and whom it trusts where it begins it again.

use std::net::IpAddr;

use verdikt_engine::decide::Traffic;
use verdikt_engine::rule::Direction;
use verdikt_probes::servers::{certificate_of_secret, trust_of_proxy};
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{WireCertificate, WireTrust};

use super::PolicyVersion;

/// What a proxy that ends TLS shows to clients, and by what it judges servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interception {
    /// The certificate that clients see.
    pub shown: WireCertificate,
    /// Whom it trusts as a client of the server; none where it goes on in plain.
    pub trusts: Option<WireTrust>,
}

impl PolicyVersion {
    /// With what the HTTP proxy ends the TLS of a connection; none if it does not.
    pub fn tls_interception(
        &self,
        subject: &Endpoint,
        direction: Direction,
        peer: IpAddr,
        traffic: Traffic,
    ) -> Option<Interception> {
        let secrets = self.model.tls_interception(subject, direction, &self.identity(peer), traffic)?;
        let topology = self.model.topology();
        Some(Interception {
            shown: certificate_of_secret(topology, &secrets.certificate),
            trusts: secrets.authorities.map(|authorities| trust_of_proxy(topology, &authorities)),
        })
    }
}
