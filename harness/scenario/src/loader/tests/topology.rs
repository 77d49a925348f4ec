//! Namespaces, pods, services, hosts, nodes, and includes.

use super::{GOOD, each, lines, spoilt};

#[test]
fn names_labels_and_namespaces() {
    insta::assert_snapshot!(each(&[
        ("{shop: {}, data: {}}", "{shop: {}, data: {}, Bad_Name: {}}"),
        ("shop/web:", "shop-web:"),
        ("shop/web:", "shop/Web:"),
        ("shop/web:", "shpo/web:"),
        ("shop/web:", "elsewhere/web:"),
        ("{labels: {app: web},", "{labels: {app: web, '-x': y, z: 'a b'},"),
        ("{labels: {app: web},", "{labels: {app: web}, serviceAccount: Robot_1,"),
        ("{shop: {}, data: {}}", "{shop: {labels: {kubernetes.io/metadata.name: x}}, data: {}}"),
    ]), @"
    {shop: {}, data: {}, Bad_Name: {}}
      s.yaml:4:36: `Bad_Name` is not a namespace name (lower-case letters, digits and inner hyphens, at most 63 characters)
    shop-web:
      s.yaml:6:5: `shop-web` is not of the form `namespace/name` => write `NAMESPACE/shop-web`
    shop/Web:
      s.yaml:6:5: `Web` is not an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters) => write `web`
    shpo/web:
      s.yaml:6:5: namespace `shpo` is not in the topology => did you mean `shop`?
    elsewhere/web:
      s.yaml:6:5: namespace `elsewhere` is not in the topology => declare it: `namespaces: {elsewhere: {}}`
    {labels: {app: web, '-x': y, z: 'a b'},
      s.yaml:6:41: `-x` must be text, and this is `true` or `false` => write it in quotes
    {labels: {app: web}, serviceAccount: Robot_1,
      s.yaml:6:52: `Robot_1` is not the name of a service account
    {shop: {labels: {kubernetes.io/metadata.name: x}}, data: {}}
      s.yaml:4:32: Kubernetes sets the label `kubernetes.io/metadata.name` itself => leave it out
    ");
}

#[test]
fn what_is_served() {
    insta::assert_snapshot!(each(&[
        ("serves: [tcp 6379]", "serves: [tcp]"),
        ("serves: [tcp 6379]", "serves: [tpc 6379]"),
        ("serves: [tcp 6379]", "serves: [https 6379]"),
        ("serves: [tcp 6379]", "serves: [tcp 0]"),
        ("serves: [tcp 6379]", "serves: [tcp 65536]"),
        ("serves: [tcp 6379]", "serves: [tcp 6379 as 'no name']"),
        ("serves: [tcp 6379]", "serves: [tcp 6379, tcp 80 as Web]"),
        ("serves: [tcp 6379]", "serves: [tcp 6379, http 6379]"),
        ("serves: [tcp 6379]", "serves: [tcp 6379 as a, tcp 80 as a]"),
        ("serves: [tcp 6379]", "serves: [tcp 6379, udp 6379, dns 53]"),
    ]), @r"
    serves: [tcp]
      s.yaml:8:49: `tcp` does not say what is served => write `http 80` or `http 3000 as web`
    serves: [tpc 6379]
      s.yaml:8:49: `tpc` is not a protocol that a pod or host can serve => did you mean `tcp`?
    serves: [https 6379]
      nothing
    serves: [tcp 0]
      s.yaml:8:49: `0` is not a port: ports are numbers from 1 to 65535 => write the number of the port on which the server listens
    serves: [tcp 65536]
      s.yaml:8:49: `65536` is not a port: ports are numbers from 1 to 65535 => write the number of the port on which the server listens
    serves: [tcp 6379 as 'no name']
      s.yaml:8:49: `tcp 6379 as 'no name'` does not say what is served => write `http 80` or `http 3000 as web`
    serves: [tcp 6379, tcp 80 as Web]
      s.yaml:8:59: `Web` is not a port name (at most 15 lower-case letters, digits and single inner hyphens, with at least one letter) => write `web`
    serves: [tcp 6379, http 6379]
      s.yaml:8:59: port 6379 is served twice
    serves: [tcp 6379 as a, tcp 80 as a]
      s.yaml:8:64: two ports are called `a`
    serves: [tcp 6379, udp 6379, dns 53]
      nothing
    ");
}

#[test]
fn services() {
    insta::assert_snapshot!(each(&[
        ("{selects: {app: api},", "{selects: {app: nobody},"),
        ("{selects: {app: api},", "{selects: {},"),
        ("{selects: {app: api}, ports", "{ports"),
        ("{selects: {app: api},", "{selects: {app: api}, backends: [pay],"),
        ("{selects: {app: api}, ports: {8080: 3000}}", "{backends: [pya], ports: {80: 443}}"),
        ("{selects: {app: api}, ports: {8080: 3000}}", "{backends: [pay], ports: {80: 443}}"),
        ("{selects: {app: api}, ports: {8080: 3000}}", "{type: NodePort, backends: [pay], ports: {80: 443}}"),
        ("{selects: {app: api},", "{type: LoadBalancer, selects: {app: api},"),
        ("{selects: {app: api},", "{type: Nodeport, selects: {app: api},"),
        ("ports: {8080: 3000}", "ports: {}"),
        ("ports: {8080: 3000}", "ports: {8080: 3001}"),
        ("ports: {8080: 3000}", "ports: {8080: web}"),
        ("ports: {8080: 3000}", "ports: {8080/udp: 3000}"),
        ("ports: {8080: 3000}", "ports: {http: 3000, 80/icmp: 3000}"),
        ("ports: {8080: 3000}", "ports: {8080: 3000, 8080/tcp: 3000}"),
        ("ports: {8080: 3000}", "ports: {8080: 70000}"),
        ("shop/front:", "shop/web:"),
        ("shop/front:", "nowhere/front:"),
    ]), @"
    {selects: {app: nobody},
      s.yaml:10:5: the selector of service `shop/front` matches no pod => the labels of pods in namespace `shop` are `app: api` and `app: web`
    {selects: {},
      s.yaml:10:5: service `shop/front` has an empty selector => give it the labels of its pods
    {ports
      s.yaml:10:5: service `shop/front` has no backends => give it `selects` or `backends`
    {selects: {app: api}, backends: [pay],
      s.yaml:10:5: service `shop/front` has a selector and backends => keep `selects` or `backends`
    {backends: [pya], ports: {80: 443}}
      s.yaml:10:29: `pya` is neither a host outside the cluster nor a node => did you mean `pay`?
    {backends: [pay], ports: {80: 443}}
      nothing
    {type: NodePort, backends: [pay], ports: {80: 443}}
      s.yaml:10:5: service `shop/front` connects hosts outside the cluster with hosts outside the cluster => leave out its `type`, and attempt the hosts themselves from outside
    {type: LoadBalancer, selects: {app: api},
      nothing
    {type: Nodeport, selects: {app: api},
      s.yaml:10:24: `Nodeport` is not a word for `type` => did you mean `NodePort`?
    ports: {}
      s.yaml:10:5: service `shop/front` offers no port => give it `ports: {80: 8080}`
    ports: {8080: 3001}
      s.yaml:10:47: no backend of service `shop/front` serves tcp port 3001 => its backends serve `http 3000`
    ports: {8080: web}
      s.yaml:10:47: no backend of service `shop/front` serves tcp port `web` => its backends serve `http 3000`
    ports: {8080/udp: 3000}
      s.yaml:10:47: no backend of service `shop/front` serves udp port 3000 => its backends serve `http 3000`
    ports: {http: 3000, 80/icmp: 3000}
      s.yaml:10:47: `http` is not a port: ports are numbers from 1 to 65535
      s.yaml:10:59: `icmp` is not a protocol of a service => the protocols of a service are: `tcp`, `udp` and `sctp`
    ports: {8080: 3000, 8080/tcp: 3000}
      s.yaml:10:59: port 8080/tcp is offered twice
    ports: {8080: 70000}
      s.yaml:10:53: `70000` is not a port: ports are numbers from 1 to 65535 => write the number of the port on which the server listens
    shop/web:
      nothing
    nowhere/front:
      s.yaml:10:5: namespace `nowhere` is not in the topology => declare it: `namespaces: {nowhere: {}}`
    ");
}

#[test]
fn hosts_and_nodes() {
    insta::assert_snapshot!(each(&[
        ("203.0.113.10", "203.0.113.300"),
        ("203.0.113.10", "203.0.113.0/24"),
        ("203.0.113.10", "127.0.0.1"),
        ("client: {}", "client: {address: 203.0.113.10}"),
        ("client: {}", "client: {names: [pay.example.test]}"),
        ("client: {}", "client: {names: [Pay.example.test, localhost, a.b.svc.cluster.local]}"),
        ("client: {}", "client: {}\n    a.b: {}\n    others: {}"),
        ("client: {}", "client: {}\n    host: {}"),
        ("nodes: {host: {}}", "nodes: {host: {}, client: {}}"),
        ("nodes: {host: {}}", "nodes: {host: {}, health: {}}\n  cilium: [health]"),
        ("nodes: {host: {}}", "nodes: {host: {}}\n  cilium: [helth]"),
    ]), @r#"
    203.0.113.300
      s.yaml:13:20: `203.0.113.300` is not the address of a host => write an address: `203.0.113.7`
    203.0.113.0/24
      s.yaml:13:20: `203.0.113.0/24` is not the address of a host => write an address, not a range
    127.0.0.1
      s.yaml:13:20: `127.0.0.1` is not the address of a host => unspecified, loopback and multicast addresses belong to no single host
    client: {address: 203.0.113.10}
      s.yaml:13:20: `client` has the address 203.0.113.10 already
    client: {names: [pay.example.test]}
      s.yaml:13:42: `pay.example.test` belongs to `client` already
    client: {names: [Pay.example.test, localhost, a.b.svc.cluster.local]}
      s.yaml:12:22: `Pay.example.test` is not a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test` => write `pay.example.test`
      s.yaml:12:40: `localhost` is not a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test`
      s.yaml:12:51: `a.b.svc.cluster.local` is a name of the cluster, and is not the name of a host outside it
    client: {}\n    a.b: {}\n    others: {}
      s.yaml:13:5: `a.b` is not a host name (lower-case letters, digits and inner hyphens, no dots, at most 63 characters)
      s.yaml:14:5: `others` stands for every source not named, and is not a name
    client: {}\n    host: {}
      s.yaml:13:5: `host` is the node that runs the pods, not a host outside the cluster => give the host another name
    nodes: {host: {}, client: {}}
      s.yaml:14:21: `client` is a node and a host outside the cluster => give one of them another name
    nodes: {host: {}, health: {}}\n  cilium: [health]
      s.yaml:14:21: `health` is also one of Cilium's own endpoints => give it another name, or remove the endpoint from the list `cilium`
    nodes: {host: {}}\n  cilium: [helth]
      s.yaml:15:12: `helth` is not a word for an entry of `cilium` => did you mean `health`?
    "#);
}

#[test]
fn includes_are_followed_and_cycles_reported() {
    let scenario = spoilt("topology:\n", "topology:\n  include: [shared/a.yaml]\n");
    let b = "include: [../shared/a.yaml]\nworld: {bank: {address: 203.0.113.10}}\n";
    let said =
        lines(&[("s.yaml", &scenario), ("shared/a.yaml", "include: [b.yaml]\n"), ("shared/b.yaml", b)]);
    insta::assert_snapshot!(said, @"
    s.yaml:14:20: `bank` has the address 203.0.113.10 already
    shared/b.yaml:1:11: `shared/a.yaml` includes itself => take one include out
    ");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario)]), @"s.yaml:4:13: there is no file or folder `shared/a.yaml`");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("shared/a.yaml", "pod: {}\n")]), @"shared/a.yaml:1:1: unknown key `pod` => did you mean `pods`?");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("shared/a.yaml", "pods: {}\n---\npods: {}\n")]), @"s.yaml:4:13: `shared/a.yaml` has 2 documents, and a topology file has one");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("shared/a.yaml", "pods: {x}: [\n")]), @"shared/a.yaml:1:10: mapping values are not allowed in this context");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("shared/a.yaml", GOOD)]), @"s.yaml:4:13: `shared/a.yaml` has 2 documents, and a topology file has one");
    // What the scenario says itself wins, and so the mistake in the included file is none.
    let overridden = "pods: {data/redis: {serves: [tcp nonsense]}}\n";
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("shared/a.yaml", overridden)]), @"");
}
