//! How services are reached, where pods are, whom they ask for names, and settings.

use std::fmt::Write;

use super::{GOOD, each, lines};

#[test]
fn how_services_are_reached() {
    let service = "{selects: {app: api}, ports";
    let with = |words: &str| format!("{{{words}, selects: {{app: api}}, ports");
    let changes = [
        "type: NodePort, externalTrafficPolicy: Local",
        "externalTrafficPolicy: Cluster",
        "type: NodePort, externalTrafficPolicy: local",
        "externalIPs: [203.0.113.80], externalTrafficPolicy: Cluster",
        "externalIPs: [203.0.113.0/24]",
        "internalTrafficPolicy: Local",
        "headless: true",
        "headless: true, internalTrafficPolicy: Local",
        "headless: true, type: NodePort",
        "headless: yes please",
        "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24]",
        "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/33]",
        "type: NodePort, loadBalancerSourceRanges: [203.0.113.0/24]",
        "externalName: pay.example.test",
        "externalName: pya.example.test",
    ];
    let changes: Vec<(&str, String)> = changes.iter().map(|words| (service, with(words))).collect();
    let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
    insta::assert_snapshot!(each(&changes), @"
    {type: NodePort, externalTrafficPolicy: Local, selects: {app: api}, ports
      nothing
    {externalTrafficPolicy: Cluster, selects: {app: api}, ports
      s.yaml:10:41: `externalTrafficPolicy` means nothing for service `shop/front`: no host outside reaches a service of type ClusterIP => give the service `type: NodePort` or `LoadBalancer`, or leave the policy out
    {type: NodePort, externalTrafficPolicy: local, selects: {app: api}, ports
      s.yaml:10:57: `local` is not a word for `externalTrafficPolicy` => did you mean `Local`?
    {externalIPs: [203.0.113.80], externalTrafficPolicy: Cluster, selects: {app: api}, ports
      nothing
    {externalIPs: [203.0.113.0/24], selects: {app: api}, ports
      s.yaml:10:32: `203.0.113.0/24` is not the address of a host => write an address, not a range
    {internalTrafficPolicy: Local, selects: {app: api}, ports
      nothing
    {headless: true, selects: {app: api}, ports
      s.yaml:10:63: service `shop/front` is headless, so its ports are not translated => name the port of the pods on both sides
    {headless: true, internalTrafficPolicy: Local, selects: {app: api}, ports
      s.yaml:10:57: `internalTrafficPolicy` means nothing for service `shop/front`: it is headless, and clients use the addresses of its backends => leave it out, or leave `headless` out
      s.yaml:10:93: service `shop/front` is headless, so its ports are not translated => name the port of the pods on both sides
    {headless: true, type: NodePort, selects: {app: api}, ports
      s.yaml:10:28: `headless` means nothing for service `shop/front`: a service of this `type` has an address => leave `type` or `headless` out
      s.yaml:10:79: service `shop/front` is headless, so its ports are not translated => name the port of the pods on both sides
    {headless: yes please, selects: {app: api}, ports
      s.yaml:10:28: `headless` must be `true` or `false`, and this is text => write `true`, or leave it out
    {type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24], selects: {app: api}, ports
      nothing
    {type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/33], selects: {app: api}, ports
      s.yaml:10:65: `203.0.113.0/33` is not a range of addresses => write `203.0.113.0/24`
    {type: NodePort, loadBalancerSourceRanges: [203.0.113.0/24], selects: {app: api}, ports
      s.yaml:10:61: `loadBalancerSourceRanges` means nothing for service `shop/front`: it has no load balancer => give the service `type: LoadBalancer`
    {externalName: pay.example.test, selects: {app: api}, ports
      s.yaml:10:32: `externalName` means nothing for service `shop/front`: it has endpoints or a type of its own => keep one of them
    {externalName: pya.example.test, selects: {app: api}, ports
      s.yaml:10:32: `externalName` means nothing for service `shop/front`: it has endpoints or a type of its own => keep one of them
      s.yaml:10:32: `pya.example.test` is not the name of a host outside the cluster => did you mean `pay.example.test`?
    ");
    insta::assert_snapshot!(each(&[
        ("{selects: {app: api}, ports: {8080: 3000}}", "{externalName: pay.example.test}"),
        ("{selects: {app: api}, ports: {8080: 3000}}", "{externalName: pay.example.test, headless: true}"),
        ("{selects: {app: api}, ports: {8080: 3000}}", "{backends: [host], ports: {80: 443}}"),
        ("nodes: {host: {}}", "nodes: {host: {address: 203.0.113.10}}"),
        ("nodes: {host: {}}", "nodes: {host: {address: x}, far: {labels: {'a b': c}, roles: [control plane]}}"),
    ]), @"
    {externalName: pay.example.test}
      nothing
    {externalName: pay.example.test, headless: true}
      s.yaml:10:60: `headless` means nothing for service `shop/front`: with `externalName` it is a DNS name, and has neither address nor endpoints => leave it out
    {backends: [host], ports: {80: 443}}
      s.yaml:10:44: no backend of service `shop/front` serves tcp port 443 => its backends serve none
    nodes: {host: {address: 203.0.113.10}}
      s.yaml:13:20: `host` has the address 203.0.113.10 already
    nodes: {host: {address: x}, far: {labels: {'a b': c}, roles: [control plane]}}
      s.yaml:14:27: `x` is not the address of a host => write an address: `203.0.113.7`
      s.yaml:14:46: `a b` is not a label key => letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit, and before it perhaps a DNS name and `/`
      s.yaml:14:65: `node-role.kubernetes.io/control plane` is not a label key => letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit, and before it perhaps a DNS name and `/`
    ");
}

#[test]
fn ways_through_services() {
    let open = GOOD.replacen("{selects: {app: api},", "{type: NodePort, selects: {app: api},", 1);
    let local = open.replacen("{type: NodePort,", "{type: NodePort, externalTrafficPolicy: Local,", 1);
    let bare = GOOD.replacen(
        "{selects: {app: api}, ports: {8080: 3000}}",
        "{headless: true, selects: {app: api}, ports: {3000: 3000}}",
        1,
    );
    let alias =
        GOOD.replacen("{selects: {app: api}, ports: {8080: 3000}}", "{externalName: pay.example.test}", 1);
    let mut said = String::new();
    for (text, attempt) in [
        (&open, "tcp shop/front:8080 over host"),
        (&open, "tcp shop/front:8080 over remote-node via shop/api"),
        (&open, "tcp shop/front:8080 over far"),
        (&open, "tcp shop/web:80 over host"),
        (&open, "icmp shop/web over host"),
        (&local, "tcp shop/front:8080 over host"),
        (&local, "tcp shop/front:8080 over remote-node"),
        (&GOOD.to_owned(), "tcp shop/front:8080 over host"),
        (&bare, "tcp shop/front:8080"),
        (&bare, "tcp shop/front:3000"),
        (&bare, "tcp front.shop.svc.cluster.local:3000"),
        (&bare, "tcp front.shop.svc.cluster.local:8080"),
        (&bare, "icmp front.shop.svc.cluster.local"),
        (&alias, "tcp shop/front:443"),
        (&alias, "tcp front.shop.svc.cluster.local:443"),
    ] {
        let spoilt = text.replacen(
            "tcp data/redis:6379: {allow: others}",
            &format!("{attempt}: {{allow: others}}"),
            1,
        );
        let lines = lines(&[("s.yaml", &spoilt)]);
        let lines = if lines.is_empty() { "nothing\n" } else { &lines };
        writeln!(said, "{attempt}\n  {}", lines.trim_end().replace('\n', "\n  ")).unwrap();
    }
    insta::assert_snapshot!(said, @"
    tcp shop/front:8080 over host
      nothing
    tcp shop/front:8080 over remote-node via shop/api
      nothing
    tcp shop/front:8080 over far
      s.yaml:18:5: no node is called `far` => the nodes are: `host` and `remote-node`
    tcp shop/web:80 over host
      s.yaml:18:5: only an attempt through a service can go over a node => name a service that is open to hosts outside, or leave out `over`
    icmp shop/web over host
      s.yaml:18:5: only an attempt through a service can go over a node => name a service that is open to hosts outside, or leave out `over`
    tcp shop/front:8080 over host
      nothing
    tcp shop/front:8080 over remote-node
      s.yaml:18:5: `remote-node` runs no backend of service `shop/front`, whose externalTrafficPolicy is Local => write `over host`, or give the service `externalTrafficPolicy: Cluster`
    tcp shop/front:8080 over host
      s.yaml:18:5: service `shop/front` is not open to hosts outside, which enter through nodes => give it `type: NodePort` or `LoadBalancer`, or leave out `over`
    tcp shop/front:8080
      s.yaml:18:5: service `shop/front` does not offer tcp 8080 => it offers `3000/tcp`
    tcp shop/front:3000
      nothing
    tcp front.shop.svc.cluster.local:3000
      nothing
    tcp front.shop.svc.cluster.local:8080
      s.yaml:18:5: `shop/api` does not serve tcp 8080 => it serves `http 3000`
    icmp front.shop.svc.cluster.local
      nothing
    tcp shop/front:443
      s.yaml:18:5: service `shop/front` is an alias of pay.example.test, and has no address of its own => attempt its name, `front.shop.svc.cluster.local`, or what is behind it
    tcp front.shop.svc.cluster.local:443
      nothing
    ");
}

#[test]
fn where_pods_are_and_whom_they_ask() {
    let web = "{labels: {app: web}, serves: [http 80 as web]}";
    let topology = "  nodes: {host: {}}";
    insta::assert_snapshot!(each(&[
        (web, "{labels: {app: web}, serves: [http 80 as web], cluster: west}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], cluster: default}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], cluster: West 1}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], hostNetwork: true}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], hostNetwork: true, node: far}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], node: host}"),
        (web, "{labels: {app: web}, serves: [http 80 as web], hostNetwork: true, cluster: west}"),
        (web, "{labels: {app: web}, serves: [http 80 as web, tcp 8000-8010]}"),
        (web, "{labels: {app: web}, serves: [http 80 as web, tcp 8010-8000]}"),
        (web, "{labels: {app: web}, serves: [http 80 as web, tcp 8000-9000]}"),
        (web, "{labels: {app: web}, serves: [http 80 as web, tcp 8000-8010 as many]}"),
        (topology, "  nodes: {host: {}}\n  dns: {cache: host}"),
        (topology, "  nodes: {host: {}}\n  dns: {cache: far}"),
        (topology, "  nodes: {host: {}}\n  dns: {cache: shop/wbe}"),
        (topology, "  nodes: {host: {}}\n  dns: {service: shop/front}"),
        (topology, "  nodes: {host: {}}\n  dns: {service: shop/nothing}"),
        ("client: {}", "client: {aliases: [www.example.test]}"),
        ("names: [pay.example.test]", "names: [pay.example.test], aliases: [pay.example.test]"),
        ("names: [pay.example.test]", "names: [pay.example.test], aliases: [a.test -> b.test -> c.test, d.test -> b.test]"),
        ("names: [pay.example.test]", "names: [pay.example.test], aliases: [a.test -> b.test, b.test -> c.test]"),
        ("names: [pay.example.test]", "names: [pay.example.test], aliases: [a.test -> b.test -> a.test]"),
        ("names: [pay.example.test]", "names: [pay.example.test], aliases: [a.test ->]"),
    ]), @r"
    {labels: {app: web}, serves: [http 80 as web], cluster: west}
      nothing
    {labels: {app: web}, serves: [http 80 as web], cluster: default}
      s.yaml:6:71: `default` is the name of this cluster => leave it out, or name another cluster
    {labels: {app: web}, serves: [http 80 as web], cluster: West 1}
      s.yaml:6:71: `West 1` is not the name of a cluster => lower-case letters, digits and inner hyphens, at most 32 characters
    {labels: {app: web}, serves: [http 80 as web], hostNetwork: true}
      nothing
    {labels: {app: web}, serves: [http 80 as web], hostNetwork: true, node: far}
      s.yaml:6:87: no node is called `far` => the nodes are: `host`
    {labels: {app: web}, serves: [http 80 as web], node: host}
      s.yaml:6:68: the pods of a topology are on `host`, unless they have `hostNetwork` => give the pod `hostNetwork: true`, or leave `node` out
    {labels: {app: web}, serves: [http 80 as web], hostNetwork: true, cluster: west}
      s.yaml:6:90: a pod in the network of a node of another cluster is not modelled => leave `cluster` or `hostNetwork` out
    {labels: {app: web}, serves: [http 80 as web, tcp 8000-8010]}
      nothing
    {labels: {app: web}, serves: [http 80 as web, tcp 8010-8000]}
      s.yaml:6:61: `8010-8000` is not a range of 2 to 100 ports => write the lower port first
    {labels: {app: web}, serves: [http 80 as web, tcp 8000-9000]}
      s.yaml:6:61: `8000-9000` is not a range of 2 to 100 ports => write the lower port first
    {labels: {app: web}, serves: [http 80 as web, tcp 8000-8010 as many]}
      s.yaml:6:61: `tcp 8000-8010 as many` gives several ports one name
    nodes: {host: {}}\n  dns: {cache: host}
      nothing
    nodes: {host: {}}\n  dns: {cache: far}
      s.yaml:15:16: `far` is not a cache of names on the pods' node => write `host`, or `namespace/name` of a pod
    nodes: {host: {}}\n  dns: {cache: shop/wbe}
      s.yaml:15:16: no pod is called `shop/wbe` => did you mean `shop/web`?
    nodes: {host: {}}\n  dns: {service: shop/front}
      s.yaml:15:18: service `shop/front` does not offer port 53, which pods use for queries => give it `ports: {53/udp: 53, 53: 53}`
    nodes: {host: {}}\n  dns: {service: shop/nothing}
      s.yaml:15:18: no service is called `shop/nothing` => the services are: `shop/front`
    client: {aliases: [www.example.test]}
      s.yaml:12:24: `www.example.test` is an alias of a host without a name => give the host `names`
    names: [pay.example.test], aliases: [pay.example.test]
      s.yaml:13:71: `pay.example.test` belongs to `pay` already
    names: [pay.example.test], aliases: [a.test -> b.test -> c.test, d.test -> b.test]
      nothing
    names: [pay.example.test], aliases: [a.test -> b.test, b.test -> c.test]
      s.yaml:13:89: `b.test` is an alias of `pay.example.test` already => write the longer chain first
    names: [pay.example.test], aliases: [a.test -> b.test -> a.test]
      s.yaml:13:71: `a.test` is an alias of itself
    names: [pay.example.test], aliases: [a.test ->]
      s.yaml:13:71: `` is not a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test`
    ");
}

#[test]
fn ports_of_the_node_that_lead_to_pods() {
    let pod = "{labels: {app: web}, serves: [http 80 as web]}";
    let with = |words: &str| format!("{{labels: {{app: web}}, serves: [http 80 as web], {words}}}");
    let changes = [
        "hostPorts: {80: web, 81/udp: 80}",
        "hostPorts: {80: 8080}",
        "hostPorts: {80: web, 80/tcp: 80}",
        "hostPorts: {30080: 80}",
        "hostPorts: {0: 80, 80/icmp: 80, 81: 0}",
        "hostNetwork: true, hostPorts: {8080: 80}",
        "cluster: west, hostPorts: {8080: 80}",
        "hostPorts: {8080: 80}}\n    shop/cart: {serves: [tcp 80], hostPorts: {8080: 80}",
        "hostPorts: {8080: 80}}\n    shop/cart: {hostNetwork: true, serves: [tcp 8080]",
    ];
    let changes: Vec<(&str, String)> = changes.iter().map(|words| (pod, with(words))).collect();
    let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
    insta::assert_snapshot!(each(&changes), @r"
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {80: web, 81/udp: 80}}
      s.yaml:6:91: `shop/web` does not serve udp port 80 => let it serve the port: `serves: [udp 80]`
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {80: 8080}}
      s.yaml:6:78: `shop/web` does not serve tcp port 8080 => let it serve the port: `serves: [tcp 8080]`
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {80: web, 80/tcp: 80}}
      s.yaml:6:83: port 80/tcp occurs twice
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {30080: 80}}
      s.yaml:6:74: Cilium ignores 30080 as a port of the node for a pod: it is one for services => use a port outside of 30000-32767
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {0: 80, 80/icmp: 80, 81: 0}}
      s.yaml:6:74: `0` is not a port: ports are numbers from 1 to 65535 => write the number of the port on which the server listens
      s.yaml:6:81: `icmp` is not a protocol of a service => the protocols of a service are: `tcp`, `udp` and `sctp`
      s.yaml:6:98: `0` is not a port: ports are numbers from 1 to 65535 => write the number of the port on which the server listens
    {labels: {app: web}, serves: [http 80 as web], hostNetwork: true, hostPorts: {8080: 80}}
      s.yaml:6:93: a pod in the network of its node serves its ports there by itself => leave `hostPorts` or `hostNetwork` out
    {labels: {app: web}, serves: [http 80 as web], cluster: west, hostPorts: {8080: 80}}
      s.yaml:6:89: the nodes of another cluster are not modelled => leave `hostPorts` or `cluster` out
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {8080: 80}}\n    shop/cart: {serves: [tcp 80], hostPorts: {8080: 80}}
      s.yaml:6:74: port 8080/tcp of the node is that of shop/cart => give the pod another port: a topology has one node for its pods
    {labels: {app: web}, serves: [http 80 as web], hostPorts: {8080: 80}}\n    shop/cart: {hostNetwork: true, serves: [tcp 8080]}
      s.yaml:6:74: port 8080/tcp of the node is that of shop/cart => give the pod another port: a topology has one node for its pods
    ");
}

#[test]
fn settings() {
    let topology = "  nodes: {host: {}}";
    let with = |settings: &str| format!("  nodes: {{host: {{}}}}\n  settings: {settings}");
    let changes = [
        "{policyAuditMode: true, ipv6.enabled: true, k8sNetworkPolicy: {enabled: false}}",
        "{policyAuditMode: 'yes'}",
        "{policyAuditMod: true}",
        "{policyEnforcementMode: sometimes}",
        "{policyCIDRMatchMode: nodes}",
        "{policyCIDRMatchMode: pods}",
        "{enableNonDefaultDenyPolicies: false}",
        "{hostFirewall: {enabled: true}}",
        "{labels: 'k8s:a.*b'}",
        "{routingMode: vxlan}",
        "[a]",
    ];
    let changes: Vec<(&str, String)> = changes.iter().map(|settings| (topology, with(settings))).collect();
    let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
    insta::assert_snapshot!(each(&changes), @r"
    nodes: {host: {}}\n  settings: {policyAuditMode: true, ipv6.enabled: true, k8sNetworkPolicy: {enabled: false}}
      nothing
    nodes: {host: {}}\n  settings: {policyAuditMode: 'yes'}
      s.yaml:15:14: the setting `policyAuditMode` has an invalid value => give it `true` or `false`
    nodes: {host: {}}\n  settings: {policyAuditMod: true}
      s.yaml:15:14: no setting of Cilium that matters to policies is called `policyAuditMod` => did you mean `policyAuditMode`?
    nodes: {host: {}}\n  settings: {policyEnforcementMode: sometimes}
      s.yaml:15:14: the setting `policyEnforcementMode` has an invalid value => give it `default`, `always` or `never`
    nodes: {host: {}}\n  settings: {policyCIDRMatchMode: nodes}
      s.yaml:14:11: node `host` has no address, and ranges match nodes here (policyCIDRMatchMode) => give it one: `nodes: {host: {address: 192.0.2.10}}`
    nodes: {host: {}}\n  settings: {policyCIDRMatchMode: pods}
      s.yaml:15:14: the setting `policyCIDRMatchMode` has an invalid value => give it `nodes`, or nothing
    nodes: {host: {}}\n  settings: {enableNonDefaultDenyPolicies: false}
      s.yaml:15:14: Cilium 1.16 does not know the setting `enableNonDefaultDenyPolicies` => say that the scenario holds for later ones: `cilium: '>=1.17'`
    nodes: {host: {}}\n  settings: {hostFirewall: {enabled: true}}
      nothing
    nodes: {host: {}}\n  settings: {labels: 'k8s:a.*b'}
      s.yaml:15:14: the setting `labels` has an invalid value => give it prefixes of keys, as `k8s:app k8s:!version`; other regular expressions are not modelled
    nodes: {host: {}}\n  settings: {routingMode: vxlan}
      s.yaml:15:14: the setting `routingMode` has an invalid value => give it `native` or `tunnel`
    nodes: {host: {}}\n  settings: [a]
      s.yaml:15:13: `settings` must be a mapping, and this is a list => write it in braces, each name with what it is: `{name: …}`
    ");
}

#[test]
fn settings_of_a_file_of_values() {
    let said = |settings: &str, values: &str| {
        let text = GOOD.replacen(
            "  nodes: {host: {}}",
            &format!("  nodes: {{host: {{}}}}\n  settings: {settings}"),
            1,
        );
        let said = lines(&[("s.yaml", &text), ("values.yaml", values)]);
        if said.is_empty() { "nothing\n".to_owned() } else { said }
    };
    let values = "image: {tag: v1.20.0, pullSecrets: [{name: x}]}\npolicyAuditMode: true\nhostFirewall: {enabled: false}\n\
                  extraEnv: null\nlabels: ''\n";
    let text = [
        said("{values: values.yaml}", values),
        said("{values: values.yaml, ipv6.enabled: true}", values),
        said("{values: values.yaml, policyAuditMode: true}", values),
        said("{values: values.yaml, policyAuditMode: false}", values),
        said("{values: values.yaml}", "policyEnforcementMode: sometimes\n"),
        said("{values: values.yaml}", "hostFirewall: {enabled: true}\n"),
        said("{values: valuse.yaml}", values),
        said("{values: [values.yaml]}", values),
        said("{values: values.yaml}", "a: 1\n---\nb: 2\n"),
        said("{values: values.yaml}", "- a\n"),
    ];
    insta::assert_snapshot!(text.concat(), @"
    nothing
    nothing
    nothing
    s.yaml:15:35: `policyAuditMode` has another value in `values.yaml` => line 2 has it: leave one of them out
    values.yaml:1:1: the setting `policyEnforcementMode` has an invalid value => give it `default`, `always` or `never`
    nothing
    s.yaml:15:22: there is no file or folder `valuse.yaml`
    s.yaml:15:22: `values` does not name a file of Helm values => write `values: values.yaml`
    s.yaml:15:22: `values.yaml` has 2 documents, and a file of values has one
    values.yaml:1:1: invalid type: sequence, expected a mapping
    ");
}
