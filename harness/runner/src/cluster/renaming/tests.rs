use std::fs;

use rstest::rstest;
use verdikt_scenario::loader::load;
use verdikt_scenario::version::CiliumVersion;

use super::super::resources::Resources;
use super::*;

/// A scenario in the namespaces `shop` and `bank` with this policy and these rows.
fn scenario(spec: &str, rows: &str) -> Scenario {
    let text = format!(
        "scenario: one\nabout: Why.\ntopology:\n  namespaces: {{shop: {{}}, bank: {{}}}}\n  pods:\n    \
         shop/cart: {{labels: {{app: front}}, serves: [tcp 80]}}\n    bank/desk: {{labels: {{app: shop}}}}\n  \
         services: {{shop/front: {{selects: {{app: front}}, ports: {{80: 80}}}}}}\nsteps:\n- step: closed\n  policies: [closed]\n  \
         expect:\n    tcp shop/cart:80: {{allow: others}}\n{rows}---\napiVersion: cilium.io/v2\n\
         kind: CiliumNetworkPolicy\nmetadata: {{name: closed, namespace: shop}}\n{spec}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.yaml");
    fs::write(&path, text).unwrap();
    let mut loaded = load(&[path]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios.remove(0)
}

const CLUSTERWIDE: &str =
    "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: closed}\n";
const PLAIN: &str = "spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{}]}";

#[rstest]
#[case::nothing_names_them(PLAIN, "", true)]
#[case::a_description("spec: {description: Closes the shop, endpointSelector: {}, ingress: [{}]}", "", true)]
#[case::a_peer_in_a_namespace(
    "spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: bank}}]}]}",
    "",
    false
)]
#[case::a_name_inside_a_key(
    "spec: {endpointSelector: {matchLabels: {shop.test/a: b}}, ingress: [{}]}",
    "",
    false
)]
#[case::a_name_inside_a_pattern(
    "spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: \"*.shop.svc.cluster.local\"}]}]}",
    "",
    false
)]
#[case::a_clusterwide_policy(&format!("{PLAIN}\n---\n{CLUSTERWIDE}{PLAIN}"), "", true)]
#[case::a_clusterwide_policy_for_one(
    &format!(
        "{PLAIN}\n---\n{CLUSTERWIDE}spec: {{endpointSelector: {{matchLabels: {{io.kubernetes.pod.namespace: shop}}}}, ingress: [{{}}]}}"
    ),
    "",
    false
)]
#[case::a_name_of_the_cluster(PLAIN, "    dns front.shop.svc.cluster.local: {allow: others}\n", false)]
#[case::a_name_with_a_namespace(PLAIN, "    dns front.shop: {allow: others}\n", false)]
#[case::a_name_outside(PLAIN, "    dns api.example.test: {allow: others}\n", true)]
fn what_depends_on_names_keeps_them(#[case] spec: &str, #[case] rows: &str, #[case] expected: bool) {
    let scenario = scenario(spec, rows);
    assert_eq!(Renaming::new(&scenario, 1, &[]).is_some(), expected);
    let own = Renaming::new(&scenario, 0, &[]).unwrap();
    assert_eq!(own.scenario(&scenario), scenario, "the first set has the author's names");
}

#[test]
fn a_scenario_under_other_names_shares_nothing_with_itself() {
    let scenario = scenario(PLAIN, "");
    let renamed = |set| Renaming::new(&scenario, set, &[]).unwrap().scenario(&scenario);
    let resources = [0, 1, 2].map(|set| Resources::of(&renamed(set), CiliumVersion::default()));
    for (index, one) in resources.iter().enumerate() {
        for other in &resources[index + 1..] {
            assert!(one.conflicts_with(one) && !one.conflicts_with(other));
        }
    }
    let step = &renamed(1).steps[0];
    let pods: Vec<String> = step.topology.pods.keys().map(ToString::to_string).collect();
    assert_eq!(pods, ["bank-verdikt-2/desk", "shop-verdikt-2/cart"]);
    assert_eq!(step.policies[0].object().namespace.as_deref(), Some("shop-verdikt-2"));
}

#[test]
fn what_goes_there_comes_back() {
    let scenario = scenario(PLAIN, "");
    let renaming = Renaming::new(&scenario, 2, &[]).unwrap();
    let cart: Endpoint = Endpoint::Pod("shop/cart".parse().unwrap());
    let there = renaming.endpoint(&cart);
    assert_eq!(there.to_string(), "shop-verdikt-3/cart");
    assert_eq!(renaming.original_endpoint(&there), cart);
    let attempt = &scenario.steps[0].table[0].attempt;
    assert_eq!(renaming.attempt(attempt).to_string(), "tcp shop-verdikt-3/cart:80");
    assert_eq!(renaming.original_text("no shop-verdikt-3, no bank-verdikt-3/a"), "no shop, no bank/a");
}

/// A scenario with two hosts, the first without an address of the author's, and a policy with this range.
fn with_hosts(range: &str) -> Scenario {
    let spec = format!("spec: {{endpointSelector: {{}}, egress: [{{toCIDR: [{range}]}}]}}");
    let mut scenario = scenario(&spec, "");
    for step in &mut scenario.steps {
        for (name, address) in [("bank", "192.0.2.1"), ("mint", "203.0.113.7")] {
            let host = WorldHost {
                address: address.parse().unwrap(),
                names: BTreeSet::new(),
                aliases: BTreeMap::new(),
                serves: Vec::new(),
                api_server: false,
            };
            step.topology.world.insert(name.parse().unwrap(), host);
        }
    }
    scenario
}

#[rstest]
#[case::all_of_the_range("192.0.2.0/24", 1, "192.0.2.0/24", Some("192.0.2.33"))]
#[case::everything("0.0.0.0/0", 7, "0.0.0.0/0", Some("192.0.2.225"))]
#[case::there_are_no_more("0.0.0.0/0", 8, "0.0.0.0/0", Some("192.0.2.1"))]
#[case::a_part_of_the_range("192.0.2.0/30", 1, "0.0.0.0/0", Some("192.0.2.1"))]
#[case::an_address_of_it("192.0.2.1/32", 1, "0.0.0.0/0", Some("192.0.2.1"))]
#[case::it_leads_nowhere("0.0.0.0/0", 1, "203.0.113.0/24", Some("192.0.2.1"))]
fn hosts_move_where_no_policy_tells_them_apart(
    #[case] range: &str,
    #[case] set: usize,
    #[case] outside: &str,
    #[case] expected: Option<&str>,
) {
    let scenario = with_hosts(range);
    let renaming = Renaming::new(&scenario, set, &[outside.parse().unwrap()]);
    let there = renaming.map(|renaming| renaming.scenario(&scenario));
    let address = |name: &str| {
        let world = &there.as_ref()?.steps[0].topology.world;
        Some(world[&name.parse().unwrap()].address.to_string())
    };
    assert_eq!(address("bank").as_deref(), expected);
    assert_eq!(address("mint").as_deref(), Some("203.0.113.7"));
}

/// A local redirect policy has the namespace of its pods, and leads away from a service there or from a host outside.
#[rstest]
#[case::a_service(RedirectFrontend::Service("shop/api".parse().unwrap()), "shop-verdikt-2/api")]
#[case::a_host_that_moves(RedirectFrontend::Address("192.0.2.1".parse().unwrap()), "192.0.2.33")]
#[case::a_host_that_stays(RedirectFrontend::Address("203.0.113.7".parse().unwrap()), "203.0.113.7")]
fn local_redirect_policies_follow(#[case] frontend: RedirectFrontend, #[case] expected: &str) {
    let mut scenario = with_hosts("0.0.0.0/0");
    let redirect =
        LocalRedirect { frontend, selects: Labels::new(), ports: Vec::new(), spares_backends: false };
    for step in &mut scenario.steps {
        step.topology.redirects.insert("shop/led".parse().unwrap(), redirect.clone());
    }
    let renaming = Renaming::new(&scenario, 1, &["0.0.0.0/0".parse().unwrap()]).unwrap();
    let there = renaming.scenario(&scenario);
    let (name, redirect) = there.steps[0].topology.redirects.first_key_value().unwrap();
    let frontend = match &redirect.frontend {
        RedirectFrontend::Service(service) => service.to_string(),
        RedirectFrontend::Address(address) => address.to_string(),
    };
    assert_eq!((name.to_string().as_str(), frontend.as_str()), ("shop-verdikt-2/led", expected));
}
