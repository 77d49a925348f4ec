//! Attempts, verdicts and sources.

use super::{Folder, GOOD, check, each, lines, spoilt};

const OPEN: &str = "tcp data/redis:6379: {allow: others}";

fn attempts(attempts: &[&str]) -> String {
    let texts: Vec<String> =
        attempts.iter().map(|attempt| format!("? {attempt}\n    : {{allow: others}}")).collect();
    each(&texts.iter().map(|text| (OPEN, text.as_str())).collect::<Vec<_>>())
}

#[test]
fn attempts_that_can_be_made() {
    insta::assert_snapshot!(attempts(&[
        "tcp shop/front:8080",
        "http GET shop/web/",
        "http GET shop/front:8080/api/v1?x=y X-Token=abc Host=a.test",
        "http POST pay.example.test:443/",
        "http GET pay:443/pay/now",
        "tcp front.shop.svc.cluster.local:8080",
        "icmp client",
        "dns pay.example.test",
        "dns+tcp nobody.example.test",
        "udp kube-system/coredns:53",
        "tcp kube-system/kube-dns:53",
        "tcp shop/front:8080  via  shop/api",
        "http GET shop/front:8080/via X-Token=abc via shop/api",
    ]), @r#"
    ? tcp shop/front:8080\n    : {allow: others}
      nothing
    ? http GET shop/web/\n    : {allow: others}
      nothing
    ? http GET shop/front:8080/api/v1?x=y X-Token=abc Host=a.test\n    : {allow: others}
      nothing
    ? http POST pay.example.test:443/\n    : {allow: others}
      nothing
    ? http GET pay:443/pay/now\n    : {allow: others}
      nothing
    ? tcp front.shop.svc.cluster.local:8080\n    : {allow: others}
      nothing
    ? icmp client\n    : {allow: others}
      nothing
    ? dns pay.example.test\n    : {allow: others}
      nothing
    ? dns+tcp nobody.example.test\n    : {allow: others}
      nothing
    ? udp kube-system/coredns:53\n    : {allow: others}
      nothing
    ? tcp kube-system/kube-dns:53\n    : {allow: others}
      nothing
    ? tcp shop/front:8080  via  shop/api\n    : {allow: others}
      nothing
    ? http GET shop/front:8080/via X-Token=abc via shop/api\n    : {allow: others}
      nothing
    "#);
}

#[test]
fn attempts_that_cannot_be_made() {
    insta::assert_snapshot!(attempts(&[
        "tpc data/redis:6379",
        "data/redis:6379",
        "tcp data/redis",
        "tcp data/reddis:6379",
        "tcp redis:6379",
        "tcp nobody:80",
        "tcp data/redis:6380",
        "tcp data/redis:http",
        "tcp shop/api:8080",
        "tcp shop/front:3000",
        "tcp shop/front:9",
        "udp shop/front:8080",
        "tcp client:80",
        "icmp data/redis:80",
        "icmp shop/front",
        "http GET data/redis:6379/",
        "http get shop/web/",
        "http GET shop/web",
        "http GET",
        "http GET shop/web/ nonsense",
        "http GET nobody.example.test/",
        "http GET pay.example.tset:443/",
        "tcp api.shop.svc.cluster.local:8080",
        "dns pay",
        "dns Pay.example.test.",
        "dns a.test b.test",
        "udp kube-system/coredns:54",
        "tcp ingress:80",
    ]), @r"
    ? tpc data/redis:6379\n    : {allow: others}
      s.yaml:18:7: `tpc` is not a kind of attempt => did you mean `tcp`?
    ? data/redis:6379\n    : {allow: others}
      s.yaml:18:7: `data/redis:6379` is not a kind of attempt => say what is tried: `tcp data/redis:6379`, or another of: tcp, udp, sctp, icmp, http, https, dns, dns+tcp
    ? tcp data/redis\n    : {allow: others}
      s.yaml:18:7: the tcp attempt has no port => write `tcp data/redis:PORT`
    ? tcp data/reddis:6379\n    : {allow: others}
      s.yaml:18:7: no pod or service is called `data/reddis` => did you mean `data/redis`?
    ? tcp redis:6379\n    : {allow: others}
      s.yaml:18:7: no host or node is called `redis` => did you mean `data/redis`?
    ? tcp nobody:80\n    : {allow: others}
      s.yaml:18:7: no host or node is called `nobody` => the targets are: `client`, `data/redis`, `host`, `pay`, `pay.example.test`, `shop/api`, `shop/front` and `shop/web`
    ? tcp data/redis:6380\n    : {allow: others}
      s.yaml:18:7: `data/redis` does not serve tcp 6380 => it serves `tcp 6379`
    ? tcp data/redis:http\n    : {allow: others}
      s.yaml:18:7: `http` is not a port: ports are numbers from 1 to 65535 => `data/redis` serves `tcp 6379`
    ? tcp shop/api:8080\n    : {allow: others}
      s.yaml:18:7: `shop/api` does not serve tcp 8080 => 8080 is the port of service `shop/front` in front of it; it serves `http 3000`
    ? tcp shop/front:3000\n    : {allow: others}
      s.yaml:18:7: service `shop/front` does not offer tcp 3000 => 3000 is the port of its backends; it offers `8080/tcp`
    ? tcp shop/front:9\n    : {allow: others}
      s.yaml:18:7: service `shop/front` does not offer tcp 9 => it offers `8080/tcp`
    ? udp shop/front:8080\n    : {allow: others}
      s.yaml:18:7: service `shop/front` does not offer udp 8080 => it offers `8080/tcp`
    ? tcp client:80\n    : {allow: others}
      s.yaml:18:7: `client` does not serve tcp 80 => it serves nothing: give it `serves: [tcp 80]`
    ? icmp data/redis:80\n    : {allow: others}
      s.yaml:18:7: a ping has no port, and this one has `80` => write `icmp data/redis`
    ? icmp shop/front\n    : {allow: others}
      s.yaml:18:7: `shop/front` is a service, and its address answers no ping => ping a pod behind it
    ? http GET data/redis:6379/\n    : {allow: others}
      s.yaml:18:7: `data/redis` does not serve http 6379 => it serves `tcp 6379`
    ? http get shop/web/\n    : {allow: others}
      s.yaml:18:7: `get` is not an HTTP method => methods are written in capitals: `http GET …`
    ? http GET shop/web\n    : {allow: others}
      s.yaml:18:7: `shop/web` has no path => write `http GET namespace/name:8080/path Header=value`
    ? http GET\n    : {allow: others}
      s.yaml:18:7: the HTTP attempt has no target => write `http GET namespace/name:8080/path Header=value`
    ? http GET shop/web/ nonsense\n    : {allow: others}
      s.yaml:18:7: `nonsense` is not a header => write `Name=value`
    ? http GET nobody.example.test/\n    : {allow: others}
      s.yaml:18:7: `nobody.example.test` does not resolve in this topology => the names that resolve are: `pay.example.test` and `front.shop.svc.cluster.local`
    ? http GET pay.example.tset:443/\n    : {allow: others}
      s.yaml:18:7: `pay.example.tset` does not resolve in this topology => did you mean `pay.example.test`?
    ? tcp api.shop.svc.cluster.local:8080\n    : {allow: others}
      s.yaml:18:7: `api.shop.svc.cluster.local` does not resolve in this topology => the names that resolve are: `pay.example.test` and `front.shop.svc.cluster.local`
    ? dns pay\n    : {allow: others}
      s.yaml:18:7: `pay` is not a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test` => write the whole name: `api.example.test`, or of a service `web.shop.svc.cluster.local`
    ? dns Pay.example.test.\n    : {allow: others}
      s.yaml:18:7: `Pay.example.test.` is not a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test` => write `pay.example.test`
    ? dns a.test b.test\n    : {allow: others}
      s.yaml:18:7: a DNS attempt has one name => write `dns a.test`
    ? udp kube-system/coredns:54\n    : {allow: others}
      s.yaml:18:7: `kube-system/coredns` does not serve udp 54 => it serves `dns 53`
    ? tcp ingress:80\n    : {allow: others}
      s.yaml:18:7: no host or node is called `ingress` => add it to the topology: `cilium: [ingress]`
    ");
}

#[test]
fn backends_that_cannot_answer() {
    insta::assert_snapshot!(attempts(&[
        "tcp shop/front:8080 via shop/web",
        "tcp shop/front:8080 via shop/apy",
        "tcp shop/front:8080 via",
        "tcp data/redis:6379 via shop/api",
        "tcp front.shop.svc.cluster.local:8080 via shop/api",
        "dns pay.example.test via shop/api",
    ]), @r"
    ? tcp shop/front:8080 via shop/web\n    : {allow: others}
      s.yaml:18:7: `shop/web` is not behind service `shop/front` => behind it are: `shop/api`
    ? tcp shop/front:8080 via shop/apy\n    : {allow: others}
      s.yaml:18:7: `shop/apy` is not behind service `shop/front` => did you mean `shop/api`?
    ? tcp shop/front:8080 via\n    : {allow: others}
      s.yaml:18:7: `via` means nothing after a port => after it you can write the backend of a service, a node and `kept`: `tcp shop/front:8080 via namespace/pod`, `tcp shop/front:8080 over host`
    ? tcp data/redis:6379 via shop/api\n    : {allow: others}
      s.yaml:18:7: `data/redis` is not a service, and only a service has several backends => name the service by its namespace and name, or leave out `via`
    ? tcp front.shop.svc.cluster.local:8080 via shop/api\n    : {allow: others}
      s.yaml:18:7: `front.shop.svc.cluster.local` is not a service, and only a service has several backends => name the service by its namespace and name, or leave out `via`
    ? dns pay.example.test via shop/api\n    : {allow: others}
      s.yaml:18:7: a query asks the cluster's DNS server, and only a service has several backends => name the service by its namespace and name, or leave out `via`
    ");
}

#[test]
fn verdicts_and_sources() {
    insta::assert_snapshot!(each(&[
        ("{allow: others}", "{alow: others}"),
        ("{allow: others}", "{deny https: others}"),
        ("{allow: others}", "{reject: [client], allow: others}"),
        ("{allow: others}", "{allow by lockdown: others}"),
        ("data/lockdown: others", "data/lokdown: others"),
        ("{allow: others}", "{allow: [shop/web, shop/api]}"),
        ("{allow: others}", "{allow: []}"),
        ("{allow: others}", "{allow: [shop/web, shop/api, client, pay]}"),
        ("{allow: others}", "{allow: [shop/web, shop/api, client, pay, host, others]}"),
        ("{allow: others}", "{allow: [client, client, others]}"),
        ("{allow: others}", "{allow: [client, others], deny: client}"),
        ("{allow: others}", "{allow: others, deny: [client, others]}"),
        ("{allow: others}", "{allow: [data/redis, others]}"),
        ("{allow: others}", "{allow: [shop/wbe, others]}"),
        ("{allow: others}", "{allow: [web, others]}"),
        ("{allow: others}", "{allow: [shop/front, others]}"),
        ("{allow: others}", "{allow: [kube-system/coredns, others]}"),
        (OPEN, "http GET shop/web/: {allow: others}\n    http GET shop/web:80/: {deny: others}"),
        (OPEN, "tcp data/redis:6379: {allow: others}\n    tcp  data/redis:6379: {deny: others}"),
    ]), @r"
    {alow: others}
      s.yaml:18:27: `alow` is not a verdict => did you mean `allow`?
    {deny https: others}
      s.yaml:18:27: `deny https` is not a verdict => did you mean `deny http`?
    {reject: [client], allow: others}
      s.yaml:18:27: `reject` is not a verdict => the verdicts are: `allow`, `deny`, `deny egress`, `deny ingress`, `deny dns`, `deny http`, `deny tls`, `audit` and `redirect`
    {allow by lockdown: others}
      s.yaml:18:27: no policy of this step is called `lockdown` => the step applies none: name a file or a manifest under `policies`
    data/lokdown: others
      s.yaml:24:7: no policy of this step is called `data/lokdown` => did you mean `data/lockdown`?
    {allow: [shop/web, shop/api]}
      s.yaml:18:5: `client`, `pay` and `host` have no verdict for `tcp data/redis:6379` => name every source, or write `others`
    {allow: []}
      s.yaml:18:5: `shop/web`, `shop/api`, `client`, `pay` and `host` have no verdict for `tcp data/redis:6379` => name every source, or write `others`
    {allow: [shop/web, shop/api, client, pay]}
      s.yaml:18:5: `host` has no verdict for `tcp data/redis:6379` => name every source, or write `others`
    {allow: [shop/web, shop/api, client, pay, host, others]}
      s.yaml:18:74: `others` stands for no source: every source is named => leave it out
    {allow: [client, client, others]}
      s.yaml:18:43: `client` has a verdict for this attempt already => line 18 says `allow`
    {allow: [client, others], deny: client}
      s.yaml:18:58: `client` has a verdict for this attempt already => line 18 says `allow`
    {allow: others, deny: [client, others]}
      s.yaml:18:57: `others` occurs twice for the same attempt
    {allow: [data/redis, others]}
      s.yaml:18:35: `data/redis` is the target, and not a source of this attempt
    {allow: [shop/wbe, others]}
      s.yaml:18:35: no pod is called `shop/wbe` => did you mean `shop/web`?
    {allow: [web, others]}
      s.yaml:18:35: no source is called `web` => did you mean `shop/web`?
    {allow: [shop/front, others]}
      s.yaml:18:35: `shop/front` is a service, and services make no attempts => name the pods that make the attempt
    {allow: [kube-system/coredns, others]}
      s.yaml:18:35: no pod is called `kube-system/coredns` => the sources are: `data/redis`, `shop/api`, `shop/web`, `client`, `pay` and `host`
    http GET shop/web/: {allow: others}\n    http GET shop/web:80/: {deny: others}
      s.yaml:19:5: the attempt `http GET shop/web:80/` is in the table already => line 18 has it: merge the cells there
    tcp data/redis:6379: {allow: others}\n    tcp  data/redis:6379: {deny: others}
      s.yaml:19:5: the attempt `tcp  data/redis:6379` is in the table already => line 18 has it: merge the cells there
    ");
}

#[test]
fn a_broken_pod_brings_no_further_mistakes() {
    insta::assert_snapshot!(each(&[
        ("data/redis: {labels: {app: redis}, serves: [tcp 6379]}", "data/redis: {labels: {app: redis}, serves: [tcp x]}"),
        ("shop/api:", "shop/Api:"),
    ]), @"
    data/redis: {labels: {app: redis}, serves: [tcp x]}
      s.yaml:8:49: `x` is not a port: ports are numbers from 1 to 65535
    shop/Api:
      s.yaml:7:5: `Api` is not an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters) => write `api`
    ");
}

#[test]
fn a_mistake_is_drawn_with_its_line() {
    insta::assert_snapshot!(check(&[("s.yaml", &spoilt("[shop/api, host]", "[shop/apy, host]"))]), @"
    error: no pod is called `shop/apy`
      --> s.yaml:23:15
       |
    23 |       allow: [shop/apy, host]
       |               ^^^^^^^^
       |
       = help: did you mean `shop/api`?
    ");
    insta::assert_snapshot!(check(&[("s.yaml", &spoilt(OPEN, "tcp data/reddis:6379: {allow: [client]}"))]), @"
    error: no pod or service is called `data/reddis`
      --> s.yaml:18:5
       |
    18 |     tcp data/reddis:6379: {allow: [client]}
       |     ^^^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `data/redis`?
    ");
}

/// Comparing each with all the names there are is left out once there are more mistakes than anybody reads.
#[test]
fn very_many_mistakes_cost_one_comparison_each() {
    let unknown = |count: usize, name: &str| (0..count).map(|n| format!("{name}{n}")).collect::<Vec<_>>();
    let sources = unknown(3000, "shop/wbe").join(", ");
    let text = spoilt("allow: [shop/api, host]", &format!("allow: [shop/api, host, {sources}]"));
    let pods = unknown(3000, "data/rdis");
    let attempts: String =
        pods.iter().flat_map(|pod| ["    tcp ", pod, ":6379: {allow: others}\n"]).collect();
    let text = text.replacen("- step: locked", &format!("{attempts}- step: locked"), 1);
    let folder = Folder::new(&[("s.yaml", &text)]);
    let loaded = folder.load(&["s.yaml"]);
    let helped = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.help.is_some()).count();
    assert_eq!((loaded.diagnostics.len(), helped), (6000, 1000));
    let last = folder.lines(&loaded.diagnostics[5999..]);
    insta::assert_snapshot!(last, @"s.yaml:3023:40907: no source is called `shop/wbe2999`");
}

#[test]
fn patterns_stand_for_the_sources_they_match() {
    let cells = |from: &str, to: &str| {
        let folder = Folder::new(&[("s.yaml", &spoilt(from, to))]);
        let loaded = folder.load(&["s.yaml"]);
        assert_eq!(folder.lines(&loaded.diagnostics), "", "{to}");
        let step = &loaded.scenarios[0].steps[1];
        let cells =
            step.table[0].cells.iter().map(|(source, cell)| format!("{source} {}", cell.expected.verdict));
        cells.collect::<Vec<_>>().join(", ")
    };
    // What is named wins over patterns, and these over the rest.
    let all = cells("allow: [shop/api, host]", "allow: [shop/*, host]");
    let named = cells("allow: [shop/api, host]", "deny egress: [shop/web]\n      allow: [sh*p/*, host]");
    assert_eq!(all, "shop/web allow, shop/api allow, client deny ingress, pay deny ingress, host allow");
    assert_eq!(
        named,
        "shop/web deny egress, shop/api allow, client deny ingress, pay deny ingress, host allow"
    );
}

#[test]
fn patterns_that_cannot_be() {
    insta::assert_snapshot!(each(&[
        ("allow: [shop/api, host]", "allow: [shopp/*, host]"),
        ("allow: [shop/api, host]", "allow: [shop/*]\n      deny egress: ['*/api', host]"),
        ("allow: [shop/api, host]", "allow: ['*']"),
    ]), @r"
    allow: [shopp/*, host]
      s.yaml:23:15: no source matches `shopp/*` => write `namespace/*` for all pods of a namespace
    allow: [shop/*]\n      deny egress: ['*/api', host]
      s.yaml:24:21: `shop/api` matches two patterns with different verdicts => line 23 says `allow`: name the source itself
    allow: ['*']
      s.yaml:24:38: `others` stands for no source: every source is named => leave it out
    ");
}

/// A name alone is looked up in the namespace of whoever asks: one key, and a row for each namespace that has the service.
#[test]
fn a_name_alone_in_several_namespaces() {
    let with_two =
        spoilt("\n  world:", "\n    data/front: {selects: {app: redis}, ports: {8080: 6379}}\n  world:");
    let tried = |name: &str, verdicts: &str| {
        with_two.replacen(
            "tcp data/redis:6379: {allow: others}",
            &format!("tcp {name}:8080: {{{verdicts}}}"),
            1,
        )
    };
    let rows = |verdicts: &str| {
        let folder = Folder::new(&[("s.yaml", &tried("front", verdicts))]);
        let loaded = folder.load(&["s.yaml"]);
        let rows = loaded.scenarios[0].steps[0].table.iter().map(|row| {
            let cells = row.cells.iter().map(|(source, cell)| format!("{source} {}", cell.expected.verdict));
            format!("{}: {}", row.attempt, cells.collect::<Vec<_>>().join(", "))
        });
        rows.collect::<Vec<_>>()
    };
    let expected = [
        "tcp front.data.svc.cluster.local:8080: data/redis allow",
        "tcp front.shop.svc.cluster.local:8080: shop/web deny egress, shop/api allow",
    ];
    assert_eq!(rows("allow: others, deny egress: shop/web"), expected);
    assert_eq!(rows("allow: [data/*, shop/api], deny egress: shop/web"), expected);
    let mistakes = |verdicts: &str| lines(&[("s.yaml", &tried("front", verdicts))]);
    insta::assert_snapshot!(mistakes("allow: [shop/web, shop/api]"), @"s.yaml:19:5: `data/redis` has no verdict for `tcp front:8080` => name every source, or write `others`");
    insta::assert_snapshot!(mistakes("allow: others, deny egress: client"), @"s.yaml:19:50: `client` looks the name up in a namespace without such a service => name the namespace of the service too, or leave the source out");
}

/// What a program would write: a URL, and names as a pod's search list completes them.
#[test]
fn urls_and_relative_names() {
    let from = "tcp data/redis:6379: {allow: others}";
    let attempt = |attempt: &str| format!("{attempt}: {{allow: others}}");
    let tries = [
        "http GET http://front.shop:8080/v1?a=b",
        "http GET http://front.shop:8080",
        "http GET http://shop/front:8080/v1",
        "tcp front.shop.svc:8080",
        "tcp front:8080",
        "tcp fornt:8080",
        "https GET shop/front:8080/",
        "http GET https://front.shop/",
    ]
    .map(attempt);
    let changes: Vec<(&str, &str)> = tries.iter().map(|attempt| (from, attempt.as_str())).collect();
    insta::assert_snapshot!(each(&changes), @r"
    http GET http://front.shop:8080/v1?a=b: {allow: others}
      nothing
    http GET http://front.shop:8080: {allow: others}
      nothing
    http GET http://shop/front:8080/v1: {allow: others}
      s.yaml:18:5: no host or node is called `shop` => the targets are: `client`, `data/redis`, `host`, `pay`, `pay.example.test`, `shop/api`, `shop/front` and `shop/web`
    tcp front.shop.svc:8080: {allow: others}
      nothing
    tcp front:8080: {allow: others}
      nothing
    tcp fornt:8080: {allow: others}
      s.yaml:18:5: no host or node is called `fornt` => did you mean `shop/front`?
    https GET shop/front:8080/: {allow: others}
      s.yaml:18:5: no backend of port 8080 of service `shop/front` serves HTTPS in this step
    http GET https://front.shop/: {allow: others}
      s.yaml:18:5: `https://front.shop/` is not an address of http => write `https GET front.shop/`
    ");
    let one = GOOD.replace("  namespaces: {shop: {}, data: {}}", "  namespaces: {shop: {}}");
    let one = one.replace("data/redis", "shop/redis").replace("data/lockdown", "shop/lockdown");
    let one = one.replace("namespace: data", "namespace: shop").replacen(
        "tcp shop/redis:6379",
        "tcp front:8080",
        1,
    );
    let folder = Folder::new(&[("s.yaml", &one)]);
    let loaded = folder.load(&["s.yaml"]);
    assert_eq!(folder.lines(&loaded.diagnostics), "");
    let attempt = &loaded.scenarios[0].steps[0].table[0].attempt;
    assert_eq!(attempt.to_string(), "tcp front.shop.svc.cluster.local:8080");
}

/// Hosts outside have no cell for one another, and an endpoint may take one part alone.
#[test]
fn sources_that_are_none() {
    let from = "tcp data/redis:6379: {allow: others}";
    insta::assert_snapshot!(each(&[
        (from, "tcp pay:443: {allow: others}"),
        (from, "tcp pay.example.test:443: {allow: [shop/web, shop/api, data/redis, host]}"),
        (from, "tcp pay:443: {allow: [shop/web, shop/api, data/redis, host, client]}"),
        ("serves: [http 443]}", "serves: [http 443], only: target}"),
        ("client: {}", "client: {only: target}"),
        ("shop/api: {labels: {app: api}", "shop/api: {only: target, labels: {app: api}"),
        ("serves: [tcp 6379]}", "serves: [tcp 6379], only: source}"),
        ("client: {}", "client: {only: both}"),
    ]), @"
    tcp pay:443: {allow: others}
      nothing
    tcp pay.example.test:443: {allow: [shop/web, shop/api, data/redis, host]}
      nothing
    tcp pay:443: {allow: [shop/web, shop/api, data/redis, host, client]}
      s.yaml:18:65: [no-policy-decides] `client` is outside the cluster, as the target is: no policy decides => leave it out: there is no such cell
    serves: [http 443], only: target}
      nothing
    client: {only: target}
      nothing
    shop/api: {only: target, labels: {app: api}
      s.yaml:23:15: `shop/api` is only a target, and makes no attempts => remove `only: target` from it
    serves: [tcp 6379], only: source}
      s.yaml:18:5: `data/redis` is only a source, and not a target => remove `only: source` from it
      s.yaml:22:5: `data/redis` is only a source, and not a target => remove `only: source` from it
    client: {only: both}
      s.yaml:12:20: `both` is not a word for `only` => the words known here are `source` and `target`
    ");
}
