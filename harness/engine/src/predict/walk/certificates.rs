//! The certificates on the way of an attempt inside TLS that a proxy terminates.

use std::sync::Arc;

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint, RuleRef};
use verdikt_scenario::topology::Endpoint;

use super::super::server_name;
use super::{AttemptWalk, ProxyQuestion, WalkSide};
use crate::certificates::{CertificateFault, asked_of, client_takes, proxy_takes};
use crate::decide::Matches;
use crate::model::PolicyModel;
use crate::rule::{Direction, TlsSecrets};

/// A proxy that has yet to check the certificate of the server.
pub(super) struct PendingTls {
    /// The endpoint whose policy sends the connection there.
    subject: Endpoint,
    /// The secret with the authorities that it trusts.
    authorities: NamespacedName,
    /// The rules that make it terminate TLS.
    rules: Arc<[Arc<RuleRef>]>,
}

impl AttemptWalk<'_> {
    /// Whether the client goes on with a proxy for this question: it trusts the certificate, if one is presented.
    pub(super) fn passes_certificate(
        &mut self,
        side: &WalkSide<'_>,
        question: ProxyQuestion<'_>,
        matches: &Matches<'_>,
    ) -> bool {
        if let (ProxyQuestion::Https(_, authority), Some(secrets)) =
            (question, PolicyModel::interception(matches))
        {
            self.show_certificate(side, &secrets, authority, matches);
        }
        !self.has_ended()
    }

    /// Presents the certificate of a proxy that terminates TLS to its client, which is the proxy of the source if
    /// that originates TLS.
    fn show_certificate(
        &mut self,
        side: &WalkSide<'_>,
        secrets: &TlsSecrets,
        authority: Option<&str>,
        matches: &Matches<'_>,
    ) {
        let rules = self.model.redirecting(matches);
        if let Some(before) = self.pending_tls.take() {
            self.judge_server(&before, &secrets.certificate);
        } else {
            let topology = &self.model.topology;
            let address = match side.direction {
                Direction::Egress => side.peer.address,
                Direction::Ingress => side.subject.identity.address,
            };
            let asked = asked_of(server_name(authority), address);
            let taken = client_takes(topology, self.source, &secrets.certificate, asked.as_ref());
            if let Err(why) = taken {
                let client = self.source.clone();
                self.mistrust(client, None, &secrets.certificate, why, Arc::clone(&rules));
            }
        }
        self.pending_tls = secrets.authorities.clone().map(|authorities| PendingTls {
            subject: side.endpoint.clone(),
            authorities,
            rules,
        });
    }

    /// Has a proxy that originates TLS check the certificate of the server itself.
    pub(super) fn meet_server(&mut self, server: &Endpoint) {
        let Some(pending) = self.pending_tls.take().filter(|_| !self.has_ended()) else { return };
        if let Some(shown) = self.model.topology.certificate_of(server).cloned() {
            self.judge_server(&pending, &shown);
        }
    }

    fn judge_server(&mut self, proxy: &PendingTls, shown: &NamespacedName) {
        if let Err(why) = proxy_takes(&self.model.topology, &proxy.authorities, shown) {
            let by = Some(&proxy.authorities);
            self.mistrust(proxy.subject.clone(), by, shown, why, Arc::clone(&proxy.rules));
        }
    }

    fn mistrust(
        &mut self,
        endpoint: Endpoint,
        proxy: Option<&NamespacedName>,
        shown: &NamespacedName,
        why: CertificateFault,
        by: Arc<[Arc<RuleRef>]>,
    ) {
        let who = match proxy {
            Some(authorities) => format!("the proxy, with the authorities of the secret {authorities},"),
            None => endpoint.to_string(),
        };
        let reason = format!("{who} does not trust the certificate of the secret {shown}: {why}");
        let text = format!("TLS with the certificate of {shown}");
        self.note(EnforcementPoint::Tls, endpoint, text, Decision::NotTrusted { reason: reason.into(), by });
        self.trace.end = Some(Answer::Deny(EnforcementPoint::Tls));
    }
}
