//! Predictions with their reasons: every check on an attempt's way, as a line.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use insta::assert_snapshot;
use rstest::rstest;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::attempt::{Attempt, Request, Target};
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::{Decision, Prediction, RuleRef};
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, Node, Pod, Port, Protocol, Service, ServicePort, TargetPort, Topology,
    WorldHost,
};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Two pods of `shop` behind one service, one pod of `bank`, a host with two names.
fn topology() -> Topology {
    let mut topology = Topology::default();
    for namespace in ["shop", "bank", "kube-system"] {
        topology.namespaces.insert(namespace.parse().unwrap(), BTreeMap::new());
    }
    for (name, pairs) in [
        ("shop/web", [("app", "web"), ("track", "stable")]),
        ("shop/canary", [("app", "web"), ("track", "canary")]),
        ("bank/ledger", [("app", "ledger"), ("track", "stable")]),
    ] {
        topology.pods.insert(name.parse().unwrap(), Pod { labels: labels(&pairs), ..Pod::default() });
    }
    let port = ServicePort {
        port: Port::new(80).unwrap(),
        protocol: Protocol::Tcp,
        target: TargetPort::Number(Port::new(8080).unwrap()),
    };
    let selects = Some(labels(&[("app", "web")]));
    let service = Service { selects, ports: vec![port], ..Service::default() };
    topology.services.insert("shop/front".parse().unwrap(), service);
    let host = WorldHost {
        address: "203.0.113.10".parse().unwrap(),
        names: ["api.example.test".parse().unwrap(), "www.example.test".parse().unwrap()].into(),
        serves: Vec::new(),
        aliases: [].into(),
        api_server: false,
    };
    topology.world.insert("api".parse().unwrap(), host);
    topology.nodes.insert("host".parse().unwrap(), Node::default());
    topology.nodes.insert("far".parse().unwrap(), Node::default());
    topology.nodes.insert("control".parse().unwrap(), Node { api_server: true, ..Node::default() });
    topology
}

fn endpoint(text: &str) -> Endpoint {
    match text {
        "host" | "far" | "control" => Endpoint::Node(text.parse().unwrap()),
        "ingress" => Endpoint::Cilium(CiliumEndpoint::Ingress),
        "api" => Endpoint::World(text.parse().unwrap()),
        _ => Endpoint::Pod(text.parse().unwrap()),
    }
}

/// Reads `tcp TARGET:PORT`, `http TARGET:PORT/PATH`, `dns NAME`.
fn attempt(text: &str) -> Attempt {
    let (word, rest) = text.split_once(' ').unwrap();
    if word == "dns" {
        return Attempt::Dns { name: rest.parse().unwrap(), protocol: Protocol::Udp };
    }
    let (target, rest) = rest.split_once(':').unwrap();
    let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
    let target = match target {
        "shop/front" => Target::Service(target.parse().unwrap()),
        _ if target.contains('.') => Target::Name(target.parse().unwrap()),
        _ => Target::Endpoint(endpoint(target)),
    };
    let port = port.parse().unwrap();
    if word == "tcp" {
        return Attempt::Connect { protocol: Protocol::Tcp, target, port };
    }
    let request = Request { method: "GET".to_owned(), path: format!("/{path}"), ..Request::default() };
    Attempt::Http { target, port, request }
}

fn manifests(text: &str) -> Vec<Manifest> {
    let documents = document::parse(text).unwrap();
    documents.into_iter().map(|root| Manifest { file: Arc::from("policy.yaml"), root }).collect()
}

fn shown(prediction: &Prediction) -> String {
    let rules = |rules: &[Arc<RuleRef>]| {
        let shown: Vec<String> = rules
            .iter()
            .map(|rule| format!("{} {} ({})", rule.object.short(), rule.path, rule.place))
            .collect();
        shown.join(", ")
    };
    let mut text = format!("{}\n", prediction.answer);
    for check in &prediction.checks {
        let decision = match &check.decision {
            Decision::NotIsolated => "not isolated".to_owned(),
            Decision::LocalHost => "the node's own".to_owned(),
            Decision::Itself { .. } => "itself".to_owned(),
            Decision::OutsideCluster => "outside the cluster".to_owned(),
            Decision::PassedOn { by } => format!("passed on by {}", rules(by)),
            Decision::Allowed { by } => format!("allowed by {}", rules(by)),
            Decision::Denied { by } => format!("denied by {}", rules(by)),
            Decision::NoRuleAllows { isolated_by, nearest } => {
                let nearest =
                    nearest.as_ref().map(|miss| format!("; nearest {}: {}", miss.rule.path, miss.on));
                format!("isolated by {}{}", rules(isolated_by), nearest.unwrap_or_default())
            }
            Decision::NotTrusted { reason, by } => format!("{reason}, by {}", rules(by)),
            Decision::Redirected { to, by } => format!("redirected to {to} by {}", rules(by)),
            Decision::Unknown { gap, .. } | Decision::Chance { gap } => format!("does not know {gap}"),
        };
        writeln!(text, "{} of {}, {}: {decision}", check.point, check.endpoint, check.question).unwrap();
    }
    text
}

fn check(policies: &str, source: &str, attempt_text: &str) -> String {
    check_with(policies, ModelOptions::default(), &LearnedNames::default(), source, attempt_text)
}

fn learned_api() -> LearnedNames {
    let names = ["api.example.test".parse().unwrap()].into();
    LearnedNames { names: [("api".parse().unwrap(), names)].into(), ..LearnedNames::default() }
}

fn check_with(
    policies: &str,
    options: ModelOptions,
    learned: &LearnedNames,
    source: &str,
    text: &str,
) -> String {
    let topology = topology();
    let manifests = manifests(policies);
    let model = PolicyModel::new(&topology, &manifests, &options, learned);
    let refused: Vec<_> = model.acceptances().iter().filter_map(|acceptance| acceptance.refused()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    shown(&model.predict(&endpoint(source), &attempt(text)))
}

const LEDGER: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ledger, namespace: bank}
spec:
  endpointSelector: {matchLabels: {app: ledger}}
  ingress:
  - fromEndpoints:
    - matchLabels: {app: web, track: stable, k8s:io.kubernetes.pod.namespace: shop}
    toPorts:
    - ports: [{port: \"5432\", protocol: TCP}]
";

#[test]
fn an_allow_names_its_rule() {
    assert_snapshot!(check(LEDGER, "shop/web", "tcp bank/ledger:5432"), @r"
    allow
    egress of shop/web, to bank/ledger, tcp port 5432: not isolated
    ingress of bank/ledger, from shop/web, tcp port 5432: allowed by bank/ledger spec.ingress[0].toPorts[0].ports[0] (policy.yaml:11:15)
    ");
}

#[test]
fn a_default_deny_names_who_caused_it_and_the_nearest_rule() {
    assert_snapshot!(check(LEDGER, "shop/canary", "tcp bank/ledger:5432"), @r"
    deny ingress
    egress of shop/canary, to bank/ledger, tcp port 5432: not isolated
    ingress of bank/ledger, from shop/canary, tcp port 5432: isolated by bank/ledger spec.ingress[0] (policy.yaml:8:5); nearest spec.ingress[0]: peer: track=stable is wanted, its track is canary
    ");
    assert_snapshot!(check(LEDGER, "shop/web", "tcp bank/ledger:80"), @r"
    deny ingress
    egress of shop/web, to bank/ledger, tcp port 80: not isolated
    ingress of bank/ledger, from shop/web, tcp port 80: isolated by bank/ledger spec.ingress[0] (policy.yaml:8:5); nearest spec.ingress[0]: port: tcp 80 is not tcp 5432
    ");
}

/// The author of a policy of Kubernetes reads its own words, and what a source is that is not a pod.
#[test]
fn a_miss_is_told_in_the_words_of_the_policy() {
    let nearest = |policy: &str, source: &str| {
        let text = check(policy, source, "tcp bank/ledger:5432");
        text.split_once("nearest spec.ingress[0]: ").map(|(_, on)| on.trim_end().to_owned()).unwrap()
    };
    let lake = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-lake, namespace: bank}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: lake}}, podSelector: {matchLabels: {app: web}}}]}]
";
    assert_snapshot!(nearest(lake, "shop/web"), @"peer: a namespace with team=lake is wanted, its namespace has no label team");
    assert_snapshot!(nearest(lake, "far"), @"peer: it is another node, which policies know as `remote-node` and not by labels; no NetworkPolicy can name it: add a CiliumNetworkPolicy with `fromEntities: [remote-node]`");
    assert_snapshot!(nearest(lake, "api"), @"peer: it is outside the cluster, where labels select nothing; write an `ipBlock`");
    let own = lake.replace("namespaceSelector: {matchLabels: {team: lake}}, ", "");
    assert_snapshot!(nearest(&own, "shop/web"), @"peer: the namespace bank, the policy's own, is wanted, it is in shop");
    assert_snapshot!(nearest(LEDGER, "control"), @"peer: it is the API server, which policies know as `kube-apiserver` and not by labels; write `fromEntities: [kube-apiserver]`");
    assert_snapshot!(nearest(LEDGER, "ingress"), @"peer: it is the gateway, which policies know as `ingress` and not by labels; write `fromEntities: [ingress]`");
    let ranges = LEDGER.replace("fromEndpoints:", "fromCIDR: [10.0.0.0/8] #");
    let ranges = ranges
        .replace("    - matchLabels: {app: web, track: stable, k8s:io.kubernetes.pod.namespace: shop}\n", "");
    assert_snapshot!(nearest(&ranges, "far"), @"peer: it is another node, which policies know as `remote-node` and not by addresses; write `fromEntities: [remote-node]`");
    assert_snapshot!(nearest(&ranges, "shop/web"), @"peer: CIDR rules match no endpoint of the cluster");
}

#[test]
fn audit_mode_lets_a_denial_pass_and_says_so() {
    let options = ModelOptions {
        enforcement: Enforcement { audit: true, ..Enforcement::default() },
        ..ModelOptions::default()
    };
    let text = check_with(LEDGER, options, &LearnedNames::default(), "shop/canary", "tcp bank/ledger:80");
    assert!(text.starts_with("audit ingress\n"), "{text}");
}

/// What a pod may look up and reach by name.
const BY_NAME: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: by-name, namespace: shop}
spec:
  endpointSelector: {matchLabels: {track: stable}}
  egress:
  - toFQDNs: [{matchName: api.example.test}]
  - toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]
    toPorts:
    - ports: [{port: \"53\", protocol: ANY}]
      rules: {dns: [{matchPattern: \"*.test\"}, {matchName: api.example.test}]}
";

#[test]
fn an_address_is_open_once_its_name_was_looked_up() {
    assert_snapshot!(check(BY_NAME, "shop/web", "tcp api:80"), @r"
    deny egress
    egress of shop/web, to api, tcp port 80: isolated by shop/by-name spec.egress[0] (policy.yaml:8:5); nearest spec.egress[0]: peer: the DNS proxy has learned no name for 203.0.113.10, so `api.example.test` cannot match
    ");
    assert_snapshot!(check(BY_NAME, "shop/web", "tcp api.example.test:80"), @r"
    allow
    egress of shop/web, to kube-system/coredns, udp port 53: allowed by shop/by-name spec.egress[1].toPorts[0].ports[0] (policy.yaml:11:15)
    dns of shop/web, query api.example.test: allowed by shop/by-name spec.egress[1].toPorts[0].ports[0] (policy.yaml:11:15)
    ingress of kube-system/coredns, from shop/web, udp port 53: not isolated
    egress of shop/web, to api, tcp port 80: allowed by shop/by-name spec.egress[0] (policy.yaml:8:5)
    ");
    let learned = learned_api();
    let text = check_with(BY_NAME, ModelOptions::default(), &learned, "shop/web", "tcp api:80");
    assert!(text.starts_with("allow\n"), "{text}");
}

#[test]
fn a_cluster_that_forgets_its_names_is_as_one_that_never_knew_any() {
    let (topology, manifests) = (topology(), manifests(BY_NAME));
    let with =
        |learned: &LearnedNames| PolicyModel::new(&topology, &manifests, &ModelOptions::default(), learned);
    let shown = |model: &PolicyModel<'_>| format!("{model:?}");
    let (none, one) = (LearnedNames::default(), learned_api());
    assert_ne!(shown(&with(&one)), shown(&with(&none)));
    assert_eq!(shown(&with(&one).knowing(&none)), shown(&with(&none)));
}

#[test]
fn a_refused_name_says_what_a_star_stands_for() {
    assert_snapshot!(check(BY_NAME, "shop/web", "dns www.example.test"), @r"
    deny dns
    egress of shop/web, to kube-system/coredns, udp port 53: allowed by shop/by-name spec.egress[1].toPorts[0].ports[0] (policy.yaml:11:15)
    dns of shop/web, query www.example.test: isolated by shop/by-name spec.egress[1].toPorts[0].ports[0] (policy.yaml:11:15); nearest spec.egress[1].toPorts[0].ports[0]: name: www.example.test does not match `*.test` or `api.example.test`; a star matches only one label
    ");
}

/// A canary without a proxy of its own profits from names that others look up, if they come first.
#[test]
fn what_depends_on_the_order_of_look_ups_is_not_guessed() {
    let policies = format!(
        "{BY_NAME}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: plain-dns, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{track: canary}}}}
  egress:
  - toFQDNs: [{{matchName: api.example.test}}]
  - toPorts:
    - ports: [{{port: \"53\", protocol: ANY}}]
"
    );
    let topology = topology();
    let manifests = manifests(&policies);
    let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let cells =
        ["shop/web", "shop/canary"].map(|source| (endpoint(source), attempt("tcp api.example.test:80")));
    let step = model.in_step(cells.iter().map(|(source, attempt)| (source, attempt)));
    let answers = cells.each_ref().map(|(source, attempt)| step.predict(source, attempt).answer.to_string());
    assert_eq!(answers, ["allow", "abstains"]);
    // In a step of its own, later, the name is known.
    let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), step.learned());
    let (source, attempt) = &cells[1];
    let step = model.in_step([(source, attempt)]);
    assert_eq!(step.predict(source, attempt).answer.to_string(), "allow");
}

/// Policies may send the gateway's own queries through the DNS proxy, but its connections need none.
#[rstest]
#[case::query("dns api.example.test", true)]
#[case::connection("tcp api.example.test:80", false)]
fn the_gateway_learns_names_by_queries_alone(#[case] made: &str, #[case] learns: bool) {
    let policies = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: gateway}
spec:
  endpointSelector: {matchExpressions: [{key: \"reserved:ingress\", operator: Exists}]}
  egress:
  - toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]
    toPorts:
    - ports: [{port: \"53\", protocol: ANY}]
      rules: {dns: [{matchPattern: \"*\"}]}
";
    let (mut topology, manifests) = (topology(), manifests(policies));
    topology.cilium.insert(CiliumEndpoint::Ingress);
    let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let (source, made) = (endpoint("ingress"), attempt(made));
    let step = model.in_step([(&source, &made)]);
    assert_eq!(*step.learned() != LearnedNames::default(), learns);
}

const ROUTES: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: routes, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - toPorts:
    - ports: [{port: \"8080\", protocol: TCP}]
      rules: {http: [{method: GET, path: /health}]}
";

#[test]
fn a_request_is_judged_by_the_http_rules() {
    assert_snapshot!(check(ROUTES, "bank/ledger", "http shop/web:8080/admin"), @r"
    deny http
    egress of bank/ledger, to shop/web, tcp port 8080: not isolated
    ingress of shop/web, from bank/ledger, tcp port 8080: allowed by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15)
    http of shop/web, GET /admin: isolated by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15); nearest spec.ingress[0].toPorts[0].ports[0]: path: /admin does not match `/health` as a whole
    ");
    // The node's own requests fall through to what lets it reach its pods.
    assert!(check(ROUTES, "host", "http shop/web:8080/admin").starts_with("allow\n"));
}

#[test]
fn http_rules_that_do_not_isolate_let_every_request_pass() {
    let open = ROUTES.replace("  ingress:", "  enableDefaultDeny: {ingress: false}\n  ingress:");
    assert!(check(&open, "bank/ledger", "http shop/web:8080/admin").starts_with("allow\n"));
    // Unless another policy isolates the pod after all.
    let isolated =
        format!("{open}---\n{}", LEDGER.replace("bank", "shop").replace("app: ledger", "app: web"));
    assert!(check(&isolated, "bank/ledger", "http shop/web:8080/admin").starts_with("deny http\n"));
}

#[test]
fn a_service_is_judged_by_the_pods_behind_it() {
    assert_snapshot!(check(ROUTES, "bank/ledger", "http shop/front:80/health"), @r"
    allow
    egress of bank/ledger, to shop/canary, tcp port 8080: not isolated
    ingress of shop/canary, from bank/ledger, tcp port 8080: allowed by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15)
    http of shop/canary, GET /health: allowed by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15)
    ");
    let one_of_two = ROUTES.replace("app: web", "track: canary");
    assert_snapshot!(check(&one_of_two, "bank/ledger", "http shop/front:80/admin"), @r"
    abstains
    egress of bank/ledger, to shop/canary, tcp port 8080: not isolated
    ingress of shop/canary, from bank/ledger, tcp port 8080: allowed by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15)
    http of shop/canary, GET /admin: isolated by shop/routes spec.ingress[0].toPorts[0].ports[0] (policy.yaml:9:15); nearest spec.ingress[0].toPorts[0].ports[0]: path: /admin does not match `/health` as a whole
    egress of bank/ledger, through a service: does not know which of shop/canary, shop/web answers, and policies treat them differently
    ");
}

/// Mutual authentication is not modelled: the engine abstains for the rule's endpoint, direction and traffic, and
/// for nothing else.
#[test]
fn what_is_not_modelled_is_not_guessed_and_stays_confined() {
    let policy = LEDGER.replace("    toPorts:", "    authentication: {mode: required}\n    toPorts:");
    let answer =
        |source: &str, attempt: &str| check(&policy, source, attempt).lines().next().unwrap().to_owned();
    assert_eq!(answer("shop/web", "tcp bank/ledger:5432"), "abstains");
    assert_eq!(answer("shop/web", "tcp bank/ledger:80"), "deny ingress");
    assert_eq!(answer("shop/canary", "tcp bank/ledger:5432"), "deny ingress");
    assert_eq!(answer("bank/ledger", "tcp shop/web:5432"), "allow");
}

/// What stands behind the service of the API server is the API server, also where that is not a node.
#[test]
fn an_api_server_outside_the_cluster_belongs_to_its_entity() {
    let mut topology = topology();
    let manifests = manifests(
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: to-the-api-server, namespace: bank}
spec: {endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}
",
    );
    let answer = |topology: &Topology| {
        let model =
            PolicyModel::new(topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
        model.predict(&endpoint("bank/ledger"), &attempt("tcp api:443")).answer.to_string()
    };
    assert_eq!(answer(&topology), "deny egress");
    let service = Service { backends: ["api".parse().unwrap()].into(), ..Service::default() };
    topology.services.insert("default/kubernetes".parse().unwrap(), service);
    assert_eq!(answer(&topology), "allow");
}
