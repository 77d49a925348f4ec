use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rstest::rstest;
use verdikt_cluster::exec::PodContainer;
use verdikt_cluster::inspect::{AgentPod, LoadBalancing, NodeFacts};
use verdikt_scenario::loader::load;
use verdikt_scenario::version::CiliumVersion;

use super::*;

/// The first step of a scenario with this topology, attempt and policies.
fn step(topology: &str, attempt: &str, policies: &str) -> Step {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    let text = format!(
        "scenario: fitness\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}, kube-system: {{}}}}\n  pods:\n    shop/web: {{labels: {{app: \
         web}}, serves: [http 80]}}\n{topology}steps:\n- step: one\n  expect:\n    {attempt}: {{allow: others}}\n{policies}"
    );
    fs::write(&path, text).unwrap();
    let mut loaded = load(&[path]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios.remove(0).steps.remove(0)
}

#[test]
fn api_servers_behind_a_tunnel() {
    let check = |routing, node: &str, entity: &str, expected: Option<&str>| {
        let topology = format!("  nodes: {{{node}: {{apiServer: true}}}}\n");
        let policies = format!(
            "  policies: [guard]\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: guard, \
             namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  ingress: [{{fromEntities: [{entity}]}}]\n"
        );
        let step = step(&topology, "tcp shop/web:80", &policies);
        assert_eq!(hidden_api_server(routing, &step).map(HostName::as_str), expected, "{node} {entity}");
    };
    check(Routing::Tunnel, "control-plane", "kube-apiserver", Some("control-plane"));
    check(Routing::Native, "control-plane", "kube-apiserver", None);
    check(Routing::Tunnel, "control-plane", "remote-node", None);
    check(Routing::Tunnel, "host", "kube-apiserver", None);
}

#[test]
fn dns_servers_listen_where_those_of_the_cluster_do() {
    let check = |port: &str| {
        let topology = "    kube-system/coredns: {labels: {k8s-app: kube-dns}, serves: [dns PORT]}
  services: {kube-system/kube-dns: {selects: {k8s-app: kube-dns}, ports: {53/udp: PORT, 53: PORT}}}\n";
        unfit_pods(&step(&topology.replace("PORT", port), "tcp shop/web:80", "").topology)
    };
    assert_eq!(check("53"), None);
    let reason = "the pods of its DNS server listen on another port than their service, and verdikt does not look on \
                  which port those of the cluster do";
    assert_eq!(check("8053").as_deref(), Some(reason));
}

#[test]
fn secrets_that_a_policy_names() {
    let policies = |more: &str| {
        format!(
            "  policies: [guard]\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: guard, \
             namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  egress: [{{toEntities: [world], toPorts: [{{ports: [{{port: \
             \"443\", protocol: TCP}}]{more}, rules: {{http: [{{}}]}}}}]}}]\n"
        )
    };
    let unfit = |more: &str| {
        let topology = "    shop/client: {}\n  secrets: [shop/certificate]\n";
        unfit_endpoints(&step(topology, "tcp shop/web:80", &policies(more)))
    };
    assert_eq!(unfit(""), None);
    let reason = unfit(", terminatingTLS: {secret: {namespace: shop, name: certificate}}");
    let expected = "its CiliumNetworkPolicy shop/guard ends or begins TLS with a secret, and verdikt creates no secrets on a cluster";
    assert_eq!(reason.as_deref(), Some(expected));
}

/// Cilium obeys them if it is told to, and its operator creates the kind then.
#[rstest]
#[case::on("true", true, None)]
#[case::off(
    "false",
    true,
    Some(
        "it has the local redirect policy shop/metadata, and here Cilium has none (enable-local-redirect-policy in its ConfigMap, and the kind CiliumLocalRedirectPolicy)"
    )
)]
#[case::no_kind(
    "true",
    false,
    Some(
        "it has the local redirect policy shop/metadata, and here Cilium has none (enable-local-redirect-policy in its ConfigMap, and the kind CiliumLocalRedirectPolicy)"
    )
)]
fn local_redirect_policies(#[case] option: &str, #[case] is_kind: bool, #[case] expected: Option<&str>) {
    let topology = "  redirects: {shop/metadata: {from: metadata, selects: {app: web}, ports: {80: 80}}}\n  world: \
                    {metadata: {address: 169.254.169.254, serves: [http 80]}}\n";
    let step = step(topology, "http GET metadata:80/", "");
    let mut facts = facts(&[("enable-local-redirect-policy", option)]);
    facts.cilium.kinds.extend(is_kind.then(|| "ciliumlocalredirectpolicies".to_owned()));
    assert_eq!(unfit_redirects(&facts.cilium, &step.topology).as_deref(), expected);
}

/// Two policies for one service take each other's redirects away, and so would two objects for two ports.
#[rstest]
#[case::one_port("{80: 80}", None)]
#[case::two_ports(
    "{80: 80, 443: 80}",
    Some(
        "its local redirect policies are for several ports of the service shop/front, which Cilium tells apart by the names of ports, and verdikt does not name the ports of pods for that"
    )
)]
fn redirected_ports_of_a_service(#[case] ports: &str, #[case] expected: Option<&str>) {
    let topology = format!(
        "  services: {{shop/front: {{selects: {{app: web}}, ports: {{80: 80, 443: 80}}}}}}\n  redirects: {{shop/led: {{from: \
         shop/front, selects: {{app: web}}, ports: {ports}}}}}\n"
    );
    let step = step(&topology, "http GET shop/front:80/", "");
    let mut facts = facts(&[("enable-local-redirect-policy", "true")]);
    facts.cilium.kinds.insert("ciliumlocalredirectpolicies".to_owned());
    assert_eq!(unfit_redirects(&facts.cilium, &step.topology).as_deref(), expected);
}

/// A cluster of one node with the API server, and of Cilium with these settings.
fn facts(settings: &[(&str, &str)]) -> Facts {
    let container = PodContainer {
        namespace: "kube-system".into(),
        pod: "cilium-1".into(),
        container: "cilium-agent".into(),
    };
    let node = NodeFacts {
        addresses: vec!["172.30.0.2".parse().unwrap()],
        ready: true,
        schedulable: true,
        agent: Some(AgentPod { container, ready: true }),
        ..NodeFacts::default()
    };
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let cilium = CiliumFacts {
        namespace: "kube-system".to_owned(),
        full_version: "1.20.0".to_owned(),
        version: CiliumVersion::V1_20,
        config: settings.chain([("routing-mode".to_owned(), "native".to_owned())]).collect(),
        kinds: BTreeSet::new(),
        relay: None,
        envoy: false,
    };
    Facts {
        kubernetes: "v1.36.0".to_owned(),
        nodes: BTreeMap::from([("node1".to_owned(), node)]),
        api_servers: BTreeSet::from(["172.30.0.2".parse().unwrap()]),
        cilium,
        dns_service: Vec::new(),
        dns_pods: Vec::new(),
        load_balancing: LoadBalancing::Possible,
    }
}

fn policy(rules: &str) -> String {
    format!(
        "  policies: [guard]\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: guard, \
         namespace: shop}}\nspec: {{endpointSelector: {{}}, {rules}}}\n"
    )
}

#[test]
fn api_servers_are_described() {
    let check = |node: &str, runs: bool, peers: &str| {
        let mut facts = facts(&[]);
        if !runs {
            facts.api_servers.clear();
        }
        let policy = policy(&format!("egress: [{{{peers}}}]"));
        let step = step(&format!("  nodes: {{{node}}}\n"), "tcp shop/web:80", &policy);
        let found = described::otherwise(&facts, &Borrowed::default(), &step);
        let runs = if runs { "runs it" } else { "does not" };
        format!("{node}, {runs}, {peers} => {}", found.unwrap_or_else(|| "fits".to_owned()))
    };
    let entity = "toEntities: [kube-apiserver]";
    let label = "toEndpoints: [{matchLabels: {\"reserved:kube-apiserver\": \"\"}}]";
    let seen = [
        check("host: {}", true, entity),
        check("host: {}", true, label),
        check("host: {apiServer: true}", false, entity),
        check("host: {apiServer: true}", true, entity),
        check("host: {}", false, entity),
        check("host: {}", true, "toEntities: [world]"),
    ];
    insta::assert_snapshot!(seen.join("\n"), @r#"
    host: {}, runs it, toEntities: [kube-apiserver] => it has a policy for the entity kube-apiserver, and its node host would be node1, which runs the API server; the topology has to say so (`apiServer: true`)
    host: {}, runs it, toEndpoints: [{matchLabels: {"reserved:kube-apiserver": ""}}] => it has a policy for the entity kube-apiserver, and its node host would be node1, which runs the API server; the topology has to say so (`apiServer: true`)
    host: {apiServer: true}, does not, toEntities: [kube-apiserver] => it has a policy for the entity kube-apiserver, and its node host would be node1, which does not run the API server as the topology says
    host: {apiServer: true}, runs it, toEntities: [kube-apiserver] => fits
    host: {}, does not, toEntities: [kube-apiserver] => fits
    host: {}, runs it, toEntities: [world] => fits
    "#);
}

/// A pod in the network of a node that the topology does not name is that node to policies all the same.
#[rstest]
#[case::unsaid("    shop/agent: {hostNetwork: true}\n", Some("which runs the API server"))]
#[case::said("    shop/agent: {hostNetwork: true}\n  nodes: {host: {apiServer: true}}\n", None)]
#[case::without_such_pods("    shop/agent: {}\n", None)]
fn the_node_of_a_host_network_pod_may_run_the_api_server(
    #[case] topology: &str,
    #[case] expected: Option<&str>,
) {
    let step = step(topology, "tcp shop/web:80", &policy("egress: [{toEntities: [kube-apiserver]}]"));
    let found = described::otherwise(&facts(&[]), &Borrowed::default(), &step);
    assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
    assert!(found.zip(expected).is_none_or(|(found, expected)| found.contains(expected)));
}

#[test]
fn ports_of_nodes_are_led_by_cilium() {
    let step = step(
        "    shop/proxy: {serves: [tcp 80], hostPorts: {8080: 80}}\n  nodes: {host: {}}\n",
        "tcp host:8080",
        "",
    );
    let check = |settings: &[(&str, &str)]| unfit_host_ports(&facts(settings).cilium, &step.topology);
    assert_eq!(check(&[("kube-proxy-replacement", "true")]), None);
    assert_eq!(check(&[("kube-proxy-replacement", "false"), ("enable-host-port", "true")]), None);
    let reason = "its pod shop/proxy has ports of the node, and here Cilium does not lead them (kube-proxy-replacement)";
    assert_eq!(check(&[("kube-proxy-replacement", "false")]).as_deref(), Some(reason));
}

#[rstest]
#[case::of_the_topology("privileged", None, None)]
#[case::forbidden_by_the_topology("restricted", None, Some("restricted"))]
#[case::somebody_elses("", Some("privileged"), None)]
#[case::forbidden_by_somebody_else("", Some("baseline"), Some("baseline"))]
#[case::what_the_namespace_has_counts("privileged", Some("baseline"), Some("baseline"))]
fn pods_of_the_host_network_are_made_where_their_namespace_lets_them(
    #[case] profile: &str,
    #[case] of_borrowed: Option<&str>,
    #[case] expected: Option<&str>,
) {
    let label = |profile: &str| ("pod-security.kubernetes.io/enforce".to_owned(), profile.to_owned());
    let mut topology = step("    shop/proxy: {hostNetwork: true}\n", "tcp shop/web:80", "").topology;
    topology.namespaces.values_mut().for_each(|labels| labels.extend([label(profile)]));
    let namespaces = of_borrowed.map(|profile| ("shop".parse().unwrap(), [label(profile)].into()));
    let borrowed = Borrowed { namespaces: namespaces.into_iter().collect(), ..Borrowed::default() };
    let reason = expected.map(|profile| {
        format!(
            "its pod shop/proxy is in the network of a node, which its namespace forbids \
             (pod-security.kubernetes.io/enforce: {profile})"
        )
    });
    assert_eq!(forbidden_pods(&borrowed, &topology), reason);
}

#[test]
fn services_get_addresses_from_whoever_gives_them() {
    let service = "  services:\n    shop/web: {selects: {app: web}, ports: {80: 80}, type: TYPE}\n";
    let check = |kind: &str, balancing| {
        let step = step(&service.replace("TYPE", kind), "tcp shop/web:80", "");
        unbalanced(balancing, &Borrowed::default(), &step.topology)
    };
    assert_eq!(check("LoadBalancer", LoadBalancing::Possible), None);
    assert_eq!(check("NodePort", LoadBalancing::Absent), None);
    let reason = "its service shop/web is of type LoadBalancer, and here nothing gives such services an address \
                  (Cilium's LB IPAM, MetalLB, a cloud)";
    assert_eq!(check("LoadBalancer", LoadBalancing::Absent).as_deref(), Some(reason));
}

/// How the labels that a cluster has in identities differ from those that the settings of a topology want.
fn labels_differ(here: &str, wanted: &str) -> Option<String> {
    let step = step(
        &format!("    shop/cli: {{}}\n  settings: {{labels: \"{wanted}\"}}\n"),
        "tcp shop/web:80",
        &policy("ingress: [{}]"),
    );
    let cilium = facts(&[("labels", here)]).cilium;
    settings::unlike(&cilium, &step.topology.settings).or_else(|| settings::otherwise(&cilium, &step))
}

#[rstest]
#[case::with_more_spaces("k8s:app  k8s:!version", "k8s:app k8s:!version")]
#[case::without_the_source("!version", "k8s:!version")]
fn labels_of_identities_are_those_of_the_topology(#[case] here: &str, #[case] wanted: &str) {
    assert_eq!(labels_differ(here, wanted), None);
}

#[rstest]
#[case::none("")]
#[case::fewer("k8s:app")]
#[case::a_pattern("k8s:app[0-9]")]
fn labels_of_identities_that_differ_are_named(#[case] here: &str) {
    let reason =
        format!("its settings say which labels enter identities, and here Cilium's labels is {here:?}");
    assert_eq!(labels_differ(here, "k8s:app k8s:!version"), Some(reason));
}

#[test]
fn nodes_have_the_labels_that_the_topology_says() {
    let check = |nodes: &str, label: Option<&str>, rules: &str| {
        let mut facts = facts(&[]);
        let labels = label.map(|value| ("tier".to_owned(), value.to_owned()));
        if let Some(node) = facts.nodes.get_mut("node1") {
            node.labels = labels.into_iter().chain([("zone".to_owned(), "a".to_owned())]).collect();
        }
        let step = step(&format!("  nodes: {{host: {nodes}}}\n"), "tcp shop/web:80", &policy(rules));
        let found = described::otherwise(&facts, &Borrowed::default(), &step);
        found.unwrap_or_else(|| "fits".to_owned())
    };
    let by_label = "ingress: [{fromNodes: [{matchLabels: {tier: gold}}]}]";
    assert_eq!(check("{labels: {tier: gold}}", Some("gold"), by_label), "fits");
    assert_eq!(check("{labels: {tier: gold}}", None, "ingress: [{}]"), "fits", "no policy looks at it");
    assert_eq!(check("{}", Some("gold"), by_label), "fits", "no node of the topology speaks of it");
    insta::assert_snapshot!(
        check("{labels: {tier: gold}}", Some("silver"), by_label),
        @r#"it has a policy that selects nodes, and the label tier of its node host is "gold"; that would be node1, where it is "silver""#
    );
    insta::assert_snapshot!(
        check("{labels: {tier: gold}}", None, by_label),
        @r#"it has a policy that selects nodes, and the label tier of its node host is "gold"; that would be node1, where it is not there"#
    );
}

#[test]
fn hosts_outside_have_addresses_of_their_own() {
    let check = |address: &str, api_server: &str| {
        let mut facts = facts(&[]);
        facts.api_servers.insert(api_server.parse().unwrap());
        let step = step(&format!("  world: {{office: {{address: {address}}}}}\n"), "tcp shop/web:80", "");
        let found = described::otherwise(&facts, &Borrowed::default(), &step);
        found.unwrap_or_else(|| "fits".to_owned())
    };
    let seen = [
        check("172.30.0.2", "172.30.0.2"),
        check("203.0.113.5", "203.0.113.5"),
        check("203.0.113.5", "203.0.113.6"),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    its host office has the address 172.30.0.2, and here that is the node node1
    its host office has the address 203.0.113.5, and here that is the API server
    fits
    ");
}

#[test]
fn where_ranges_match_nodes_their_addresses_are_those_of_the_cluster() {
    let check = |node: &str, settings: &str| {
        let topology = format!("  settings: {settings}\n  nodes: {{host: {node}}}\n");
        let step = step(&topology, "tcp shop/web:80", &policy("ingress: [{fromCIDR: [172.30.0.0/16]}]"));
        let found = described::otherwise(&facts(&[]), &Borrowed::default(), &step);
        found.unwrap_or_else(|| "fits".to_owned())
    };
    let matching = "{policyCIDRMatchMode: nodes}";
    let seen = [
        check("{address: 172.30.0.2}", matching),
        check("{address: 172.30.0.3}", matching),
        check("{address: 172.30.0.3}", "{}"),
    ];
    insta::assert_snapshot!(seen.join("\n"), @"
    fits
    in its settings ranges of addresses match nodes, and its node host has the address 172.30.0.3; that would be node1, which has 172.30.0.2
    fits
    ");
}

#[test]
fn settings_under_which_policies_mean_something_else() {
    let check = |setting: (&str, &str), topology: &str, rules: &str| {
        let step = step(topology, "tcp shop/web:80", &policy(rules));
        let found = settings::otherwise(&facts(&[setting]).cilium, &step);
        format!("{}={}, {rules} => {}", setting.0, setting.1, found.unwrap_or_else(|| "fits".to_owned()))
    };
    let host = "  nodes: {host: {}}\n";
    let client = "    shop/client: {}\n";
    let range = "ingress: [{fromCIDR: [172.30.0.0/16]}]";
    let dns = "egress: [{toPorts: [{ports: [{port: \"53\", protocol: UDP}], rules: {dns: [{matchPattern: \"*\"}]}}]}]";
    let seen = [
        check(("enable-cilium-network-policy", "false"), host, "ingress: [{}]"),
        check(("enable-cilium-network-policy", "true"), host, "ingress: [{}]"),
        check(("enable-k8s-networkpolicy", "false"), host, "ingress: [{}]"),
        check(("enable-l7-proxy", "false"), host, dns),
        check(("enable-l7-proxy", "false"), host, "ingress: [{}]"),
        check(("enable-icmp-rules", "false"), host, "ingress: [{icmps: [{fields: [{type: 8}]}]}]"),
        check(
            ("enable-non-default-deny-policies", "false"),
            host,
            "ingress: [{}], enableDefaultDeny: {ingress: false}",
        ),
        check(("enable-host-firewall", "true"), host, "ingress: [{}]"),
        check(("allow-localhost", "policy"), host, "ingress: [{}]"),
        check(("allow-localhost", "policy"), client, "ingress: [{}]"),
        check(("allow-localhost", "always"), host, "ingress: [{}]"),
        check(("policy-cidr-match-mode", "nodes"), host, range),
        check(("policy-cidr-match-mode", ""), host, range),
        check(("policy-cidr-match-mode", "nodes"), client, range),
        check(("labels", "k8s:app !pod-template-hash"), client, "ingress: [{}]"),
        check(("labels", ""), client, "ingress: [{}]"),
    ];
    insta::assert_snapshot!(seen.join("\n"), @r#"
    enable-cilium-network-policy=false, ingress: [{}] => it has a CiliumNetworkPolicy, and here Cilium's enable-cilium-network-policy is false
    enable-cilium-network-policy=true, ingress: [{}] => fits
    enable-k8s-networkpolicy=false, ingress: [{}] => fits
    enable-l7-proxy=false, egress: [{toPorts: [{ports: [{port: "53", protocol: UDP}], rules: {dns: [{matchPattern: "*"}]}}]}] => it has DNS rules, and here Cilium's enable-l7-proxy is false
    enable-l7-proxy=false, ingress: [{}] => fits
    enable-icmp-rules=false, ingress: [{icmps: [{fields: [{type: 8}]}]}] => it has ICMP rules, and here Cilium's enable-icmp-rules is false
    enable-non-default-deny-policies=false, ingress: [{}], enableDefaultDeny: {ingress: false} => it has a policy with enableDefaultDeny, which agents before the fix https://github.com/cilium/cilium/pull/48391 heed all the same, and here Cilium's enable-non-default-deny-policies is false
    enable-host-firewall=true, ingress: [{}] => fits
    allow-localhost=policy, ingress: [{}] => it attempts from the node of the pods, and here Cilium's allow-localhost is policy
    allow-localhost=policy, ingress: [{}] => fits
    allow-localhost=always, ingress: [{}] => fits
    policy-cidr-match-mode=nodes, ingress: [{fromCIDR: [172.30.0.0/16]}] => it has nodes, and policies for ranges of addresses, and here Cilium's policy-cidr-match-mode is nodes
    policy-cidr-match-mode=, ingress: [{fromCIDR: [172.30.0.0/16]}] => fits
    policy-cidr-match-mode=nodes, ingress: [{fromCIDR: [172.30.0.0/16]}] => fits
    labels=k8s:app !pod-template-hash, ingress: [{}] => it has policies, which select by labels, and here Cilium's labels is k8s:app !pod-template-hash
    labels=, ingress: [{}] => fits
    "#);
}
