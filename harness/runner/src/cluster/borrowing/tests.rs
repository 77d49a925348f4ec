use std::fs;

use verdikt_scenario::loader::load;
use verdikt_scenario::topology::ServiceType;

use super::*;

const TOPOLOGY: &str = "
topology:
  namespaces: {shop: {labels: {team: shop}}}
  pods:
    shop/cart: {labels: {app: cart}}
    shop/stock: {labels: {app: stock}, serviceAccount: keeper, serves: [tcp 6379]}
    shop/extra: {labels: {app: extra}}
  services:
    shop/stock-api: {selects: {app: stock}, ports: {80: 6379}}
";

/// A scenario with these steps, each with its table.
fn scenario(test: &str, steps: &[&str]) -> Scenario {
    let table = "\n  expect: {\"tcp shop/stock:6379\": {allow: others}}\n";
    let steps = steps.iter().map(|step| format!("- step: {step}{table}")).collect::<Vec<_>>().concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{test}.yaml"));
    fs::write(&path, format!("scenario: borrowing\nabout: Why.{TOPOLOGY}steps:\n{steps}")).unwrap();
    let loaded = load(&[path]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios.into_iter().next().unwrap()
}

fn labels(text: &str) -> Labels {
    let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn borrowed_pod(own: &str, service_account: &str) -> BorrowedPod {
    BorrowedPod {
        uid: "u".to_owned(),
        labels: labels(own),
        service_account: service_account.to_owned(),
        node: Some("worker".to_owned()),
        in_host_network: false,
    }
}

/// The namespace as the topology says, without the pod `extra`.
fn borrowed() -> Borrowed {
    let ports = vec![verdikt_scenario::topology::ServicePort {
        port: 80.try_into().unwrap(),
        protocol: verdikt_scenario::topology::Protocol::Tcp,
        target: verdikt_scenario::topology::TargetPort::Number(6379.try_into().unwrap()),
    }];
    let service = BorrowedService {
        addresses: vec!["10.96.1.1".parse().unwrap()],
        service_type: ServiceType::ClusterIp,
        labels: Labels::new(),
        selects: Some(labels("app=stock")),
        ports,
    };
    Borrowed {
        namespaces: BTreeMap::from([(
            "shop".parse().unwrap(),
            labels("team=shop kubernetes.io/metadata.name=shop"),
        )]),
        pods: BTreeMap::from([
            ("shop/cart".parse().unwrap(), borrowed_pod("app=cart pod-template-hash=abc", "default")),
            ("shop/stock".parse().unwrap(), borrowed_pod("app=stock", "keeper")),
        ]),
        services: BTreeMap::from([("shop/stock-api".parse().unwrap(), service)]),
    }
}

#[test]
fn a_topology_describes_what_is_borrowed_as_it_is() {
    let topology = &scenario("as-it-is", &["one"]).steps[0].topology;
    let check = |change: fn(&mut Borrowed), wanted: &str| {
        let mut borrowed = borrowed();
        change(&mut borrowed);
        let said = check(&borrowed, topology, CiliumVersion::V1_20);
        assert_eq!(said.map_or_else(|error| error.to_string(), |()| "nothing".to_owned()), wanted);
    };
    check(|_| {}, "nothing");
    check(|borrowed| *borrowed = Borrowed::default(), "nothing");
    check(
        |it| drop(it.pods.insert("shop/cart".parse().unwrap(), borrowed_pod("app=basket", "default"))),
        "pod shop/cart has no label app=cart; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| {
            drop(it.pods.insert("shop/cart".parse().unwrap(), borrowed_pod("app=cart tier=gold", "default")));
        },
        "pod shop/cart also has the label tier=gold; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| drop(it.pods.insert("shop/stock".parse().unwrap(), borrowed_pod("app=stock", "default"))),
        "pod shop/stock has the service account default, and not keeper; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| it.pods.values_mut().for_each(|pod| pod.in_host_network = true),
        "pod shop/cart lives in the network of its node, where no policy selects it by its labels; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| it.namespaces.values_mut().for_each(|labels| drop(labels.remove("team"))),
        "namespace shop has no label team=shop; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| it.services.values_mut().for_each(|service| service.selects = None),
        "service shop/stock-api selects nothing, and not app=stock; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| it.services.values_mut().for_each(|service| service.ports.clear()),
        "service shop/stock-api has no port 80/tcp with such a target; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| it.services.values_mut().for_each(|service| service.addresses.clear()),
        "service shop/stock-api has no address of its own; the topology has to describe what a run borrows as it is",
    );
    check(
        |it| drop(it.pods.insert("shop/stock-2".parse().unwrap(), borrowed_pod("app=stock", "keeper"))),
        "service shop/stock-api also leads to pod shop/stock-2, which the topology does not have; the topology has to describe what a run borrows as it is",
    );
}

#[test]
fn a_scenario_that_would_change_what_is_borrowed_is_not_run() {
    let check = |test: &str, second: &str, wanted: &str| {
        let scenario = scenario(test, &["one", second]);
        let said = unfit(&borrowed(), false, &scenario).unwrap_or_else(|| "fit".to_owned());
        assert_eq!(said, wanted, "{second}");
        assert_eq!(unfit(&Borrowed::default(), false, &scenario), None, "{second}");
    };
    check("same", "two", "fit");
    check("added", "two\n  pods: {shop/more: {labels: {app: more}}}", "fit");
    check("own", "two\n  labels: {pod shop/extra: {tier: gold}}", "fit");
    check("own-gone", "two\n  remove: [shop/extra]", "fit");
    check(
        "relabelled",
        "two\n  labels: {pod shop/cart: {tier: gold}}",
        "its step \"two\" changes the labels of pod shop/cart, which is not verdikt's",
    );
    check(
        "removed",
        "two\n  remove: [shop/cart]",
        "its step \"two\" removes pod shop/cart, which is not verdikt's",
    );
    check(
        "namespace",
        "two\n  labels: {namespace shop: {team: other}}",
        "its step \"two\" changes the labels of namespace shop, which is not verdikt's",
    );
    check(
        "audit",
        "two\n  mode: audit",
        "its step \"two\" changes the audit mode, and pod shop/cart is not verdikt's",
    );
}
