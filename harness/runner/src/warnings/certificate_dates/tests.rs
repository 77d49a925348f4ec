use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use verdikt_scenario::document;
use verdikt_scenario::loader::load;
use verdikt_scenario::topology::TlsSecret;

use super::*;

const SCENARIO: &str = "\
scenario: dates
about: A proxy that ends TLS and begins it again.
topology:
  namespaces: {shop: {}}
  secrets: [cilium-secrets/partner-tls, cilium-secrets/authorities, cilium-secrets/partner-own]
  pods: {shop/cart: {}}
  world: {partner: {address: 203.0.113.60, serves: [https 443], certificate: cilium-secrets/partner-own}}
steps:
- step: one
  policies: [partner]
  expect:
    https GET partner:443/: {allow: others}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: partner, namespace: shop}
spec:
  endpointSelector: {}
  egress:
  - toPorts:
    - ports: [{port: \"443\", protocol: TCP}]
      terminatingTLS: {secret: {namespace: cilium-secrets, name: partner-tls}}
      originatingTLS: {secret: {namespace: cilium-secrets, name: authorities}}
      rules: {http: [{method: GET}]}
";

/// What is said on a day, counted from the start of 1970. The certificates are those of a scenario of this repository, valid
/// for a hundred years from November 2026.
fn on(day: u64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    fs::write(&path, SCENARIO).unwrap();
    let mut loaded = load(&[path]);
    assert_eq!(loaded.diagnostics, []);
    let mut step = loaded.scenarios.remove(0).steps.remove(0);
    let manifests = "../../scenarios/situations/manifests/certificates.yaml";
    let manifests = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifests)).unwrap();
    let roots = document::parse(&manifests).unwrap();
    step.topology.secrets =
        roots.iter().filter(|root| root.get("stringData").is_some()).map(secret).collect();
    let now = Timestamp::since_1970(Duration::from_hours(24 * day)).unwrap();
    let found = certificate_dates(&step, now);
    let lines = found.iter().map(|it| format!("{}:{} {}", it.place.line, it.place.column, it.message));
    lines.collect::<Vec<_>>().join("\n")
}

fn secret(root: &YamlNode) -> (NamespacedName, TlsSecret) {
    let name = root.at(&["metadata", "name"]).and_then(YamlNode::text).unwrap();
    let item = |name: &str| root.at(&["stringData", name]).and_then(YamlNode::text).map(Into::into);
    let secret =
        TlsSecret { certificate: item("tls.crt"), key: item("tls.key"), authorities: item("ca.crt") };
    (format!("cilium-secrets/{name}").parse().unwrap(), secret)
}

#[test]
fn certificates_in_force() {
    assert_eq!(on(22_000), "");
}

#[test]
fn certificates_that_have_expired() {
    assert_snapshot!(on(80_000), @"
    22:32 a certificate of the secret cilium-secrets/partner-tls has expired on 2126-11-05
    23:32 a certificate of the secret cilium-secrets/authorities has expired on 2126-11-05
    23:32 a certificate of the secret cilium-secrets/partner-own has expired on 2126-11-05
    ");
}

#[test]
fn certificates_of_a_later_time() {
    assert_snapshot!(on(20_000), @"
    22:32 a certificate of the secret cilium-secrets/partner-tls is not valid before 2026-11-29
    23:32 a certificate of the secret cilium-secrets/authorities is not valid before 2026-11-29
    23:32 a certificate of the secret cilium-secrets/partner-own is not valid before 2026-11-29
    ");
}
