//! Finds Hubble Relay and the certificate authority for connections to it.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::forward::{self, PodPort};

/// The label of its pods, and the name and number of its port.
const LABEL: &str = "k8s-app=hubble-relay";
const PORT_NAME: &str = "grpc";
const PORT: u16 = 4245;
/// The Secret with its server certificate.
const CERTIFICATES: &str = "hubble-relay-server-certs";
/// A name that its server certificate is valid for: the certificate is for `*.hubble-relay.cilium.io`.
/// <https://docs.cilium.io/en/stable/observability/hubble/configuration/tls/>
pub const SERVER_NAME: &str = "verdikt.hubble-relay.cilium.io";

/// A running Relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where it listens.
    pub port: PodPort,
    /// The certificate authority of its certificate, in PEM; none if it does not use TLS.
    pub authority: Option<String>,
}

/// Why Relay cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The API server does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No pod of it is ready.
    #[error(
        "no pod of Hubble Relay is ready in {namespace}: enable it (`hubble.relay.enabled=true`), or look at the Deployment {namespace}/hubble-relay"
    )]
    Absent {
        /// The namespace of Cilium.
        namespace: String,
    },
    /// It uses TLS, and its certificate authority cannot be read.
    #[error(
        "cannot read the certificate authority of Hubble Relay, which uses TLS: {reason}; allow `get` of the Secret {namespace}/{CERTIFICATES}, or switch TLS off (`hubble.relay.tls.server.enabled=false`)"
    )]
    Authority {
        /// The namespace of Cilium.
        namespace: String,
        /// Why not.
        reason: String,
    },
    /// It requires a client certificate.
    #[error(
        "cannot use Hubble Relay: it requires a client certificate, and verdikt has none; switch that off (`hubble.relay.tls.server.mtls=false`)"
    )]
    Mutual,
}

/// Finds Relay in the namespace of Cilium.
pub async fn find(connection: &ApiConnection, namespace: &str) -> Result<Relay, RelayError> {
    let port = forward::find(connection, namespace, LABEL, PORT_NAME, PORT).await?;
    let port = port.ok_or_else(|| RelayError::Absent { namespace: namespace.to_owned() })?;
    let configs: Api<ConfigMap> = Api::namespaced(connection.client().clone(), namespace);
    let what = format!("read the ConfigMap {namespace}/hubble-relay-config");
    let config = connection.ask(&what, configs.get_opt("hubble-relay-config")).await?;
    let config: String = config.and_then(|config| config.data).unwrap_or_default().into_values().collect();
    if !has(&config, "tls-relay-server-cert-file") {
        return Ok(Relay { port, authority: None });
    }
    if has(&config, "tls-relay-client-ca-files") {
        return Err(RelayError::Mutual);
    }
    let authority = authority(connection, namespace)
        .await
        .map_err(|reason| RelayError::Authority { namespace: namespace.to_owned(), reason })?;
    Ok(Relay { port, authority: Some(authority) })
}

/// Whether Relay's configuration, which is YAML, has a key.
fn has(config: &str, key: &str) -> bool {
    config.lines().any(|line| line.trim_start().starts_with(key))
}

async fn authority(connection: &ApiConnection, namespace: &str) -> Result<String, String> {
    let secrets: Api<Secret> = Api::namespaced(connection.client().clone(), namespace);
    let what = format!("read the Secret {namespace}/{CERTIFICATES}");
    let secret = connection.ask(&what, secrets.get(CERTIFICATES)).await.map_err(|error| match error {
        // clusters/rbac.yaml grants no other secret.
        ApiError::Forbidden { reason, .. } => reason,
        error => error.to_string(),
    })?;
    let pem = secret.data.unwrap_or_default().remove("ca.crt").map(|bytes| String::from_utf8(bytes.0));
    match pem {
        Some(Ok(pem)) => Ok(pem),
        _ => Err(format!("the Secret {namespace}/{CERTIFICATES} has no `ca.crt`")),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{FixtureAnswer, absent, list, server, status};

    /// Finds Relay with this configuration, pods and secret; what is found, as text.
    async fn check(config: &'static str, pods: Value, secret: fn() -> FixtureAnswer) -> String {
        let (connection, _) = server(move |asked| {
            if asked.path.contains("/pods") {
                list(&pods)
            } else if asked.path.contains("/configmaps/") {
                FixtureAnswer::Json(200, json!({"metadata": {}, "data": {"config.yaml": config}}))
            } else {
                secret()
            }
        });
        match find(&connection, "kube-system").await {
            Ok(relay) => format!("{}:{} {:?}", relay.port.pod, relay.port.port, relay.authority),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn relay_is_found_with_what_it_needs() {
        let pods = || {
            let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
            json!([{"metadata": {"name": "relay-1"}, "spec": {"containers": []}, "status": ready}])
        };
        let tls = "cluster-name: default\n    tls-relay-server-cert-file: /tls/server.crt";
        let mutual = "tls-relay-server-cert-file: /tls/server.crt\ntls-relay-client-ca-files: /tls/ca.crt";
        let forbidden =
            || status(403, "Forbidden", "secrets is forbidden: User \"u\" cannot get resource \"secrets\"");
        let pem = || FixtureAnswer::Json(200, json!({"metadata": {}, "data": {"ca.crt": "cGVt"}}));
        let mut text = String::new();
        for found in [
            check("disable-server-tls: true", pods(), absent).await,
            check(tls, pods(), pem).await,
            check(tls, pods(), forbidden).await,
            check(tls, pods(), || FixtureAnswer::Json(200, json!({"metadata": {}}))).await,
            check(mutual, pods(), pem).await,
            check("", json!([]), absent).await,
        ] {
            writeln!(text, "{found}").unwrap();
        }
        insta::assert_snapshot!(text, @r#"
        relay-1:4245 None
        relay-1:4245 Some("pem")
        cannot read the certificate authority of Hubble Relay, which uses TLS: secrets is forbidden: User "u" cannot get resource "secrets"; allow `get` of the Secret kube-system/hubble-relay-server-certs, or switch TLS off (`hubble.relay.tls.server.enabled=false`)
        cannot read the certificate authority of Hubble Relay, which uses TLS: the Secret kube-system/hubble-relay-server-certs has no `ca.crt`; allow `get` of the Secret kube-system/hubble-relay-server-certs, or switch TLS off (`hubble.relay.tls.server.enabled=false`)
        cannot use Hubble Relay: it requires a client certificate, and verdikt has none; switch that off (`hubble.relay.tls.server.mtls=false`)
        no pod of Hubble Relay is ready in kube-system: enable it (`hubble.relay.enabled=true`), or look at the Deployment kube-system/hubble-relay
        "#);
    }
}
