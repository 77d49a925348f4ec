//! The certificate that the HTTP proxy presents where it terminates TLS, and the authorities it trusts where it
//! originates TLS.

use std::net::IpAddr;

use verdikt_engine::decide::Traffic;
use verdikt_engine::rule::Direction;
use verdikt_probes::servers::{certificate_of_secret, trust_of_proxy};
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{WireCertificate, WireTrust};

use super::PolicyVersion;

/// The certificates of a proxy that terminates TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interception {
    /// The certificate that clients see.
    pub shown: WireCertificate,
    /// The authorities by which it verifies servers; none if it forwards without TLS.
    pub trusts: Option<WireTrust>,
}

impl PolicyVersion {
    /// The certificates with which the HTTP proxy terminates the TLS of a connection; none if it does not.
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
