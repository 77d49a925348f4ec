//! A scenario that uses everything, and what becomes of it.

use std::fmt::Write as _;

use rstest::rstest;

use super::{Folder, GOOD};
use crate::scenario::Scenario;
use crate::schema::validator::SchemaValidator;

const EVERYTHING: &str = "\
scenario: everything
about: Every key of the format is used once.
cilium: '>=1.17'
topology:
  include: [topologies/base.yaml]
  namespaces:
    shop: {labels: {team: sales}}
    data: {}
  pods:
    shop/web: {labels: {app: web}, serves: [http 80 as web, dns 53], serviceAccount: front}
    data/redis: {labels: {app: redis}, serves: [tcp 6379]}
  services:
    shop/front: {selects: {app: web}, ports: {8080: web, 53/udp: 53}, labels: {tier: front}}
    shop/legacy: {backends: [api], ports: {80: 80}}
  world:
    client: {}
    another: {}
    api: {address: 192.0.2.1, names: [api.example.test], serves: [http 80]}
  nodes:
    host: {apiServer: true, serves: [tcp 6443]}
    worker: {}
  cilium: [ingress]
steps:
- step: open
  expect:
    tcp data/redis:6379: {allow: others}
- step: locked
  policies: [policies/lockdown.yaml, data/refused]
  labels:
    namespace shop: {team: null, open: 'yes'}
    pod data/redis: {tier: gold}
  pods:
    data/second: {labels: {app: redis}}
  remove: [old/gone]
  mode: audit
  fieldValidation: ignore
  rejected:
    policies/lockdown.yaml: {by: agent, saying: no rule}
    refused: {by: api-server, saying: at least one}
  expect:
    http GET shop/front:8080/a/b Host=x.test:
      allow: [shop/web, host]
      deny egress: others
    dns api.example.test:
      deny dns: client
      allow: others
    tcp data/redis:6379:
      deny ingress by data/lockdown: others
  differs:
  - cilium: '<1.19'
    because: it was so
    expect: {tcp data/redis:6379: {allow: [client, host]}}
    rejected: {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: refused, namespace: data}
spec: {}
";

const BASE: &str = "\
namespaces: {old: {}}
pods: {old/gone: {}, shop/web: {labels: {app: overridden}}}
cilium: [health]
";

const LOCKDOWN: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lockdown, namespace: data}
spec: {podSelector: {}}
";

fn summary(scenario: &Scenario) -> String {
    let mut text = format!("{} ({}) {}\n", scenario.name, scenario.cilium, scenario.about);
    for step in &scenario.steps {
        writeln!(text, "step {} {:?} {:?}", step.name, step.enforcement, step.field_validation).unwrap();
        for (name, labels) in &step.topology.namespaces {
            writeln!(text, "  namespace {name} {labels:?}").unwrap();
        }
        for (name, pod) in &step.topology.pods {
            writeln!(
                text,
                "  pod {name} {:?} {:?} serves {}",
                pod.labels,
                pod.service_account,
                pod.serves.len()
            )
            .unwrap();
        }
        for (name, service) in &step.topology.services {
            let ports: Vec<String> = service.ports.iter().map(|port| format!("{port:?}")).collect();
            let backends = step.topology.backends(name);
            let backends: Vec<String> = backends.iter().map(ToString::to_string).collect();
            writeln!(text, "  service {name} {} -> {}", ports.join(" "), backends.join(" ")).unwrap();
        }
        for (name, host) in &step.topology.world {
            writeln!(text, "  world {name} {}", host.address).unwrap();
        }
        for policy in &step.policies {
            writeln!(text, "  policy {} from {}", policy.object(), policy.file.rsplit('/').next().unwrap())
                .unwrap();
        }
        for refusal in &step.rejected {
            writeln!(text, "  rejected {} by {} saying {}", refusal.policy, refusal.by, refusal.saying)
                .unwrap();
        }
        for row in &step.table {
            let cells: Vec<String> = row
                .cells
                .iter()
                .map(|(source, cell)| {
                    format!("{source} {} @{}:{}", cell.expected, cell.place.line, cell.place.column)
                })
                .collect();
            writeln!(text, "  {} @{}\n    {}", row.attempt, row.place.line, cells.join("\n    ")).unwrap();
        }
        for difference in &step.differences {
            let cells = difference
                .cells
                .iter()
                .map(|(attempt, source, cell)| format!("{attempt} from {source}: {}", cell.expected));
            let cells: Vec<String> = cells.collect();
            let rejected = difference.rejected.as_ref().map(Vec::len);
            writeln!(
                text,
                "  {} because {}: {} {rejected:?}",
                difference.cilium,
                difference.because,
                cells.join("; ")
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn everything_is_understood() {
    let folder = Folder::new(&[
        ("s.yaml", EVERYTHING),
        ("topologies/base.yaml", BASE),
        ("policies/lockdown.yaml", LOCKDOWN),
    ]);
    let loaded = folder.load(&["s.yaml"]);
    assert_eq!(folder.lines(&loaded.diagnostics), "");
    insta::assert_snapshot!(summary(&loaded.scenarios[0]), @r#"
    everything (>=1.17) Every key of the format is used once.
    step open Enforcement { mode: Default, audit: false } Strict
      namespace data {"kubernetes.io/metadata.name": "data"}
      namespace kube-system {"kubernetes.io/metadata.name": "kube-system"}
      namespace old {"kubernetes.io/metadata.name": "old"}
      namespace shop {"kubernetes.io/metadata.name": "shop", "team": "sales"}
      pod data/redis {"app": "redis"} None serves 1
      pod old/gone {} None serves 0
      pod shop/web {"app": "web"} Some("front") serves 2
      service default/kubernetes ServicePort { port: 443, protocol: Tcp, target: Number(6443) } -> host
      service shop/front ServicePort { port: 8080, protocol: Tcp, target: Name(PortName("web")) } ServicePort { port: 53, protocol: Udp, target: Number(53) } -> shop/web
      service shop/legacy ServicePort { port: 80, protocol: Tcp, target: Number(80) } -> api
      world another 192.0.2.2
      world api 192.0.2.1
      world client 192.0.2.3
      tcp data/redis:6379 @26
        old/gone allow @26:34
        shop/web allow @26:34
        health allow @26:34
        client allow @26:34
        another allow @26:34
        api allow @26:34
        host allow @26:34
        worker allow @26:34
        ingress allow @26:34
    step locked Enforcement { mode: Default, audit: true } Ignore
      namespace data {"kubernetes.io/metadata.name": "data"}
      namespace kube-system {"kubernetes.io/metadata.name": "kube-system"}
      namespace old {"kubernetes.io/metadata.name": "old"}
      namespace shop {"kubernetes.io/metadata.name": "shop", "open": "yes"}
      pod data/redis {"app": "redis", "tier": "gold"} None serves 1
      pod data/second {"app": "redis"} None serves 0
      pod shop/web {"app": "web"} Some("front") serves 2
      service default/kubernetes ServicePort { port: 443, protocol: Tcp, target: Number(6443) } -> host
      service shop/front ServicePort { port: 8080, protocol: Tcp, target: Name(PortName("web")) } ServicePort { port: 53, protocol: Udp, target: Number(53) } -> shop/web
      service shop/legacy ServicePort { port: 80, protocol: Tcp, target: Number(80) } -> api
      world another 192.0.2.2
      world api 192.0.2.1
      world client 192.0.2.3
      policy NetworkPolicy data/lockdown from lockdown.yaml
      policy CiliumNetworkPolicy data/refused from s.yaml
      rejected 0 by the agent saying no rule
      rejected 1 by the API server saying at least one
      http GET shop/front:8080/a/b Host=x.test @41
        shop/web allow @42:15
        health deny egress @43:20
        data/redis deny egress @43:20
        client deny egress @43:20
        another deny egress @43:20
        api deny egress @43:20
        host allow @42:25
        worker deny egress @43:20
        ingress deny egress @43:20
        data/second deny egress @43:20
      dns api.example.test @44
        shop/web allow @46:14
        health allow @46:14
        data/redis allow @46:14
        client deny dns @45:17
        another allow @46:14
        api allow @46:14
        host allow @46:14
        worker allow @46:14
        ingress allow @46:14
        data/second allow @46:14
      tcp data/redis:6379 @47
        shop/web deny ingress by data/lockdown @48:38
        health deny ingress by data/lockdown @48:38
        client deny ingress by data/lockdown @48:38
        another deny ingress by data/lockdown @48:38
        api deny ingress by data/lockdown @48:38
        host deny ingress by data/lockdown @48:38
        worker deny ingress by data/lockdown @48:38
        ingress deny ingress by data/lockdown @48:38
        data/second deny ingress by data/lockdown @48:38
      <1.19 because it was so: tcp data/redis:6379 from client: allow; tcp data/redis:6379 from host: allow Some(0)
    "#);
}

#[rstest]
#[case::good(GOOD)]
#[case::everything(EVERYTHING)]
fn the_schema_accepts_what_the_loader_accepts(#[case] text: &str) {
    let first = text.split("---\n").next().unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(first).unwrap();
    assert_eq!(SchemaValidator::new().errors_of(&value), None);
}

#[test]
fn the_schema_refuses_a_misspelt_word() {
    let bad: serde_json::Value = serde_saphyr::from_str("{scenario: x, abuot: y}").unwrap();
    assert!(!SchemaValidator::new().is_valid(&bad));
}
