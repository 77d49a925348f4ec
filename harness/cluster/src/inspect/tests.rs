use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{FixtureAnswer, FixtureRequest, absent, facts, list, server};

/// What a healthy cluster answers.
fn healthy(asked: &FixtureRequest) -> FixtureAnswer {
    let path = asked.path.split('?').next().unwrap();
    match path {
        "/apis/apps/v1/daemonsets" => list(&json!([
            {"metadata": {"name": "kube-proxy", "namespace": "kube-system"}},
            {"metadata": {"name": "cilium", "namespace": "kube-system", "labels": {"k8s-app": "cilium"}}},
        ])),
        "/apis/cilium.io/v2" => {
            let names = ["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumendpoints"];
            let kinds: Vec<Value> = names
                .iter()
                .map(|name| json!({"name": name, "singularName": "", "namespaced": true, "kind": name, "verbs": []}))
                .collect();
            FixtureAnswer::Json(
                200,
                json!({"kind": "APIResourceList", "groupVersion": "cilium.io/v2", "resources": kinds}),
            )
        }
        "/api/v1/namespaces/kube-system/configmaps/cilium-config" => FixtureAnswer::Json(
            200,
            json!({"metadata": {"name": "cilium-config"}, "data": {
                "enable-hubble": "true", "hubble-listen-address": ":4244", "enable-policy": "always",
                "policy-audit-mode": "true", "enable-l7-proxy": "false", "cluster-name": "prod",
            }}),
        ),
        "/api/v1/namespaces/kube-system/services/hubble-relay" => FixtureAnswer::Json(
            200,
            json!({"metadata": {}, "spec": {"clusterIP": "10.96.7.7", "ports": [{"port": 443}]}}),
        ),
        "/api/v1/namespaces/kube-system/services/kube-dns" => {
            FixtureAnswer::Json(200, json!({"metadata": {}, "spec": {"clusterIPs": ["10.96.0.10"]}}))
        }
        "/api/v1/namespaces/kube-system/pods" if asked.path.contains("kube-dns") => list(&json!([
            {"metadata": {}, "status": {"podIPs": [{"ip": "10.244.0.3"}]}},
            {
                "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"podIPs": [{"ip": "10.244.0.2"}]},
            },
        ])),
        "/api/v1/namespaces/kube-system/pods" => {
            list(&json!([agent("cilium-old", "worker", "False"), agent("cilium-new", "worker", "True"),]))
        }
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" => list(&json!([
            {"metadata": {"name": "kubernetes"}, "addressType": "IPv4", "endpoints": [{"addresses": ["172.18.0.2"]}]},
        ])),
        "/api/v1/nodes" => list(&json!([
            {
                "metadata": {"name": "control", "labels": {"node-role.kubernetes.io/control-plane": ""}},
                "spec": {
                    "providerID": "kind://docker/shop/control",
                    "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
                },
                "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]},
            },
            {
                "metadata": {"name": "worker"},
                "status": {
                    "addresses": [{"type": "Hostname", "address": "worker"}, {"type": "InternalIP", "address": "172.18.0.3"}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            },
        ])),
        _ => absent(),
    }
}

fn agent(name: &str, node: &str, ready: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"nodeName": node, "containers": [
            {"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.18.3@sha256:0123"},
        ]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    })
}

async fn check(answers: impl FnMut(&FixtureRequest) -> FixtureAnswer + Send + 'static) -> String {
    let (connection, _) = server(answers);
    match inspect(&connection, "v1.34.0").await {
        Ok(facts) => {
            let cilium = &facts.cilium;
            let options = format!(
                "{} {} audit {} l7 {} hubble {} {:?} tls {} relay {:?}",
                cilium.cluster_name(),
                cilium.enforcement(),
                cilium.audit(),
                cilium.l7_proxy(),
                cilium.hubble(),
                cilium.hubble_port(),
                cilium.hubble_tls(),
                cilium.relay,
            );
            let nodes: Vec<String> =
                facts.nodes.iter().map(|(name, node)| format!("{name}: {node:?}")).collect();
            let servers = facts.nodes.iter().filter(|(_, node)| facts.runs_api_server(node));
            let servers: Vec<&String> = servers.map(|(name, _)| name).collect();
            let dns = format!("DNS {:?} {:?}", facts.dns_service, facts.dns_pods);
            let nodes = nodes.join("\n");
            let versions = format!("{} is {}", cilium.full_version, cilium.version);
            format!("{versions}\n{options}\n{nodes}\nAPI server on {servers:?}\n{dns}")
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_cluster_with_cilium() {
    insta::assert_snapshot!(check(healthy).await, @r#"
    1.18.3 is 1.18
    prod always audit true l7 false hubble true Some(4244) tls true relay Some((10.96.7.7, 443))
    control: NodeFacts { labels: {"node-role.kubernetes.io/control-plane": ""}, machine: Some("kind://docker/shop/control"), addresses: [172.18.0.2], ready: false, schedulable: false, scenarios: None, agent: None }
    worker: NodeFacts { labels: {}, machine: None, addresses: [172.18.0.3], ready: true, schedulable: true, scenarios: None, agent: Some(AgentPod { container: PodContainer { namespace: "kube-system", pod: "cilium-new", container: "cilium-agent" }, ready: true }) }
    API server on ["control"]
    DNS [10.96.0.10] [10.244.0.3]
    "#);
}

fn pool() -> Value {
    json!([{"metadata": {"name": "pool"}}])
}

fn service(status: &Value) -> Value {
    json!([{"metadata": {"name": "web"}, "status": status}])
}

/// A cluster whose node has this provider ID, and where one path lists these items.
#[rstest]
#[case::nothing(None, "", json!([]), LoadBalancing::Absent)]
#[case::a_service_without_an_address(None, "/api/v1/services", service(&json!({})), LoadBalancing::Absent)]
#[case::a_cloud(Some("aws:///eu-west-1a/i-0123"), "", json!([]), LoadBalancing::Possible)]
#[case::a_service_with_an_address(
    None,
    "/api/v1/services",
    service(&json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})),
    LoadBalancing::Possible
)]
#[case::a_pool_of_cilium(
    None,
    "/apis/cilium.io/v2/ciliumloadbalancerippools",
    pool(),
    LoadBalancing::Possible
)]
#[case::an_older_pool_of_cilium(
    None,
    "/apis/cilium.io/v2alpha1/ciliumloadbalancerippools",
    pool(),
    LoadBalancing::Possible
)]
#[case::a_pool_of_metallb(None, "/apis/metallb.io/v1beta1/ipaddresspools", pool(), LoadBalancing::Possible)]
#[tokio::test]
async fn services_get_addresses_where_something_assigns_them(
    #[case] machine: Option<&str>,
    #[case] path: &'static str,
    #[case] items: Value,
    #[case] expected: LoadBalancing,
) {
    let (connection, _) = server(move |asked| match asked.path.split('?').next() {
        Some(asked) if asked == path => list(&items),
        Some("/api/v1/services") => list(&json!([])),
        _ => absent(),
    });
    let node = NodeFacts { machine: machine.map(str::to_owned), ..NodeFacts::default() };
    let found = load_balancing::load_balancing(&connection, [&node].into_iter()).await.unwrap();
    assert_eq!(found, expected);
}

#[test]
fn kind_clusters() {
    let check = |machines: &[Option<&str>], expected: Option<&str>| {
        let node =
            |machine: Option<&str>| NodeFacts { machine: machine.map(str::to_owned), ..NodeFacts::default() };
        let nodes =
            machines.iter().enumerate().map(|(index, machine)| (format!("node{index}"), node(*machine)));
        assert_eq!(facts(nodes).kind_cluster(), expected, "{machines:?}");
    };
    let (one, other) = (Some("kind://docker/shop/shop-worker"), Some("kind://docker/bank/bank-worker"));
    check(&[one, one], Some("shop"));
    check(&[one, None], None);
    check(&[one, other], None);
    check(&[Some("aws:///eu-west-1a/i-0123")], None);
    check(&[], None);
}

#[tokio::test]
async fn clusters_that_cannot_be_used_say_why() {
    let set = |name: &str| list(&json!([{"metadata": {"name": name, "namespace": "kube-system"}}]));
    let kindnet =
        check(move |asked| if asked.path.starts_with("/apis/apps") { set("kindnet") } else { absent() });
    let unknown =
        check(move |asked| if asked.path.starts_with("/apis/apps") { set("somebody") } else { absent() });
    let without_kinds =
        check(|asked| if asked.is("GET", "/apis/cilium.io/v2") { absent() } else { healthy(asked) });
    let pods = "/api/v1/namespaces/kube-system/pods";
    let old = check(move |asked| {
        if !asked.is("GET", pods) || asked.path.contains("kube-dns") {
            return healthy(asked);
        }
        let mut pod = agent("cilium-a", "worker", "True");
        pod["spec"]["containers"][0]["image"] = json!("quay.io/cilium/cilium:v1.12.1");
        pod["metadata"]["name"] = json!("cilium-a");
        list(&json!([pod]))
    });
    let without_agents = check(move |asked| {
        if asked.is("GET", pods) {
            list(&json!([agent("cilium-a", "worker", "False")]))
        } else {
            healthy(asked)
        }
    });
    let seen = [kindnet.await, unknown.await, without_kinds.await, old.await, without_agents.await];
    insta::assert_snapshot!(seen.join("\n"), @"
    context `test` has no Cilium: there is no DaemonSet labelled k8s-app=cilium, and its network is that of kindnet; create the kind cluster with `disableDefaultCNI: true` and install Cilium; verdikt tests policies on Cilium only
    context `test` has no Cilium: there is no DaemonSet labelled k8s-app=cilium; verdikt tests policies on Cilium only
    the API server of context `test` does not know ciliumnetworkpolicies.cilium.io, ciliumclusterwidenetworkpolicies.cilium.io and ciliumendpoints.cilium.io: the CRDs of Cilium are missing; its operator creates them, look at its log
    context `test` runs Cilium 1.12.1; verdikt knows 1.16, 1.17, 1.18, 1.19 and 1.20
    no Cilium agent runs in context `test`: look at the DaemonSet kube-system/cilium
    ");
}

#[test]
fn versions_are_found_in_what_agents_say() {
    let check = |said: &str| {
        let version = cilium::version_of_output(said);
        let minor = cilium::minor(&version).map_or("unknown".to_owned(), |minor| minor.to_string());
        format!("{version}: {minor}")
    };
    let seen = [
        check(
            "Client: 1.20.0-dev 5f1e2a3 2026-01-01 go version go1.25 linux/amd64\nDaemon: 1.19.2 0123 2026",
        ),
        check("Client: 1.18.3 5f1e2a3"),
        check("Client: 2.0.0 5f1e2a3"),
        check(""),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    1.19.2: 1.19
    1.18.3: 1.18
    2.0.0: unknown
    that does not say its version: unknown
    ");
}
