//! What newcomers write instead of the format's words, and what to write.

/// Wrong keys, each with the key that belongs in the same place, and advice.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "clusterIP",
        "headless",
        "a service without an address of its own is `headless: true`; leave it out of others",
    ),
    (
        "clusterIPs",
        "headless",
        "a service without an address of its own is `headless: true`; leave it out of others",
    ),
    ("selector", "selects", "did you mean `selects`?"),
    (
        "trafficPolicy",
        "externalTrafficPolicy",
        "it is `externalTrafficPolicy` for clients outside, and `internalTrafficPolicy` for those inside",
    ),
    (
        "gateway",
        "routes",
        "the gateway is `cilium: [ingress]`, and where it leads is `routes: {/: shop/web:80}`",
    ),
    (
        "ingress",
        "routes",
        "the gateway is `cilium: [ingress]`, and where it leads is `routes: {/: shop/web:80}`",
    ),
    ("cname", "aliases", "did you mean `aliases`?"),
    (
        "searches",
        "nameservers",
        "attempts are made by whole names; those of services may leave out what every pod searches: `tcp web.shop:80`",
    ),
    ("controlPlane", "roles", "write `roles: [control-plane]`"),
    ("clusters", "pods", "a pod of another cluster says so itself: `pods: {shop/web: {cluster: west}}`"),
    ("ipv6", "settings", "switch it on: `settings: {ipv6.enabled: true}`"),
    (
        "families",
        "settings",
        "switch IPv6 on, `settings: {ipv6.enabled: true}`; an attempt names one: `tcp6 shop/web:80`",
    ),
    ("ipFamilies", "selects", "an attempt names the family: `tcp6 shop/web:80`"),
    ("ipFamilyPolicy", "selects", "an attempt names the family: `tcp6 shop/web:80`"),
    (
        "tls",
        "certificate",
        "let it serve `https 443`; the secret that it presents is `certificate: shop/web-tls`",
    ),
    (
        "nodeName",
        "hostNetwork",
        "pods run on the node `host`; one with `hostNetwork: true` may name another, `node: far`",
    ),
    ("ports", "serves", "what it listens on is `serves: [tcp 8080]`"),
    ("containers", "serves", "what it listens on is `serves: [tcp 8080]`"),
    (
        "server",
        "nameservers",
        "name the server's service, `service: kube-system/kube-dns`, or further servers, `nameservers: […]`",
    ),
    ("to", "skipRedirectFromBackend", "the labels of the pods that answer are `selects: {app: agent}`"),
    (
        "address",
        "skipRedirectFromBackend",
        "what clients ask is `from`, the name of a service or a host outside",
    ),
    ("ip", "address", "did you mean `address`?"),
    ("ip", "skipRedirectFromBackend", "what clients ask is `from`, the name of a service or a host outside"),
];

/// Wrong words, each with the right one, and advice.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "ExternalName",
        "ClusterIP",
        "leave it out, and write what it is an alias of: `externalName: api.example.test`",
    ),
    ("Headless", "ClusterIP", "leave it out, and write `headless: true`"),
    ("gateway", "ingress", "did you mean `ingress`?"),
];

/// Values in the wrong form, by the names that messages have for them and the type that they should have.
const SHAPES: &[(&str, &str, &str)] = &[
    ("`hostPorts`", "object", "write each port of the node with the pod's own: `{80: 8080}`"),
    ("`ports`", "object", "write each port with the one of the pods behind it: `{80: 8080}`"),
    ("`routes`", "object", "write each path with a service and its port: `{/: shop/web:80}`"),
    ("`labels`", "object", "write each label with its value: `{app: web}`"),
    ("`selects`", "object", "write each label with its value: `{app: web}`"),
    ("`dns`", "object", "say what it is: `{cache: host}`, `{service: openshift-dns/dns-default}`"),
    ("`audit`", "array", "it names pods, `[shop/web]`; all endpoints are audited by `mode: audit`"),
    ("`certificate`", "string", "name the secret that contains it: `shop/certificate`"),
    (
        "`trusts`",
        "array",
        "name the secrets, `[shop/certificate]`, or write `[]` for none; a client without `trusts` accepts any certificate",
    ),
    ("`cilium`", "array", "name them: `[ingress, health]`"),
    ("`nodes`", "object", "write each node with what it is: `{far: {address: 192.0.2.10}}`"),
    ("`secrets`", "array", "name them: `[shop/certificate]`; their content comes from manifests"),
];

/// What to do about an unknown key.
pub(super) fn of_key<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let known: Vec<&str> = known.collect();
    KEYS.iter().find(|(own, beside, _)| *own == key && known.contains(beside)).map(|(.., help)| *help)
}

/// What to do about an unknown word.
pub(super) fn of_word(word: &str, known: &[&str]) -> Option<&'static str> {
    let mut words = WORDS.iter();
    words.find(|(own, beside, _)| *own == word && known.contains(beside)).map(|(.., help)| *help)
}

/// What to do about a value of another shape.
pub(super) fn of_shape(what: &str, wanted: &[&str]) -> Option<&'static str> {
    let found = SHAPES.iter().find(|(own, shape, _)| *own == what && wanted.contains(shape));
    found.map(|(.., help)| *help)
}

/// What to do about a value in place of `true` or `false`.
pub(super) const SWITCH: &str = "write `true`, or leave it out";

/// What to do about a text in place of `true` or `false`. YAML 1.1 has further words for both.
pub(super) fn of_switch(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => "write `true`, without quotes",
        "false" | "no" | "off" | "n" => "write `false`, without quotes, or leave it out",
        _ => SWITCH,
    }
}
