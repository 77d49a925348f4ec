//! TLS that the lab's proxy ends, as curl sees it: with the certificate of the scenario's own secret.

use std::process::Command;

use rstest::rstest;

use crate::playground::Lab;
use crate::project::Project;

const SECRETS: &str = include_str!("../../../../scenarios/situations/manifests/certificates.yaml");

const SCENARIO: &str = r#"scenario: interception
about: A client that trusts the company's authority asks a partner.
topology:
  namespaces: {shop: {}}
  manifests: [secrets.yaml]
  pods:
    shop/cart: {labels: {app: cart}}
  world:
    partner: {address: 203.0.113.60, serves: [https 443], certificate: cilium-secrets/partner-own}
steps:
- step: read only
  policies: [partner]
  expect:
    https GET partner:443/v1: {allow: others}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: partner, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
  - toCIDR: [203.0.113.60/32]
    toPorts:
    - ports: [{port: "443", protocol: TCP}]
      terminatingTLS: {secret: {namespace: cilium-secrets, name: partner-tls}}
      originatingTLS: {secret: {namespace: cilium-secrets, name: AUTHORITIES}}
      rules: {http: [{method: GET}]}
"#;

/// The first item of a name, without its indentation.
fn item(name: &str) -> String {
    let lines = SECRETS.lines().skip_while(|line| line.trim() != format!("{name}: |")).skip(1);
    let pem = lines.take_while(|line| line.starts_with("    ")).map(str::trim);
    pem.collect::<Vec<_>>().join("\n") + "\n"
}

#[rstest]
#[case::trusts_the_authority("trusts", "authorities", "partner.example.test", "ca.crt", (0, "200"))]
#[case::may_not_post("posts", "authorities", "partner.example.test", "ca.crt", (0, "403"))]
#[case::asks_another_name("another-name", "authorities", "other.example.test", "ca.crt", (60, "000"))]
#[case::trusts_the_server_alone("server-alone", "authorities", "partner.example.test", "tls.crt", (0, "200"))]
#[case::whose_server_the_proxy_does_not_trust(
    "untrusted-server",
    "partner-tls",
    "partner.example.test",
    "ca.crt",
    (0, "503")
)]
#[case::trusts_nobody("nobody", "authorities", "partner.example.test", "none", (60, "000"))]
fn curl(
    #[case] lab: &str,
    #[case] authorities: &str,
    #[case] name: &str,
    #[case] trusted: &str,
    #[case] expected: (i32, &str),
) {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let scenario = SCENARIO.replace("AUTHORITIES", authorities).replace("interception", lab);
    let files = [("s.yaml", scenario), ("secrets.yaml", SECRETS.to_owned()), ("trust.pem", item(trusted))];
    let project = Project::with(&files);
    let mut up = Lab::start(&project, &["s.yaml"]);
    up.until("Ctrl-C ends the lab");
    let trust = project.path("trust.pem");
    let resolve = format!("{name}:443:203.0.113.60");
    let url = format!("https://{name}/v1");
    let mut command =
        vec!["lab", "exec", "--lab", lab, "shop/cart", "--", "curl", "--silent", "--noproxy", "*"];
    command.extend([
        "--max-time",
        "10",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--resolve",
        &resolve,
    ]);
    if trusted != "none" {
        command.extend(["--cacert", trust.to_str().unwrap()]);
    }
    if lab == "posts" {
        command.extend(["--data", "x"]);
    }
    command.push(&url);
    let ran = project.verdikt(&command);
    assert_eq!((ran.code, ran.stdout.as_str()), expected, "{ran}");
}
