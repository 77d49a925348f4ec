//! The pages of the book about warnings, by the codes of the warnings. `../warnings` is a link to `docs/src/warnings`;
//! `docs/src/warnings.md` and `docs/src/SUMMARY.md` list the codes too.

/// The pages by their codes, in order.
macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../warnings/", $code, ".md")))),*]
    };
}

/// Every code with its page.
pub(crate) const PAGES: &[(&str, &str)] = pages![
    "allow-without-reason",
    "api-server-port",
    "baseline-opens",
    "certificate-dates",
    "cidr-for-node",
    "cidr-for-pods",
    "clusterwide-peer",
    "covered",
    "deny-isolates",
    "deny-stops-probes",
    "dns-one-label",
    "dns-peer-namespace",
    "dns-rules-replaced",
    "egress-cuts-dns",
    "equal-priorities",
    "filtered-label",
    "foreign-namespace",
    "fqdn-of-pods",
    "fqdn-without-dns",
    "gateway-without-routes",
    "hidden-client",
    "host-network-pods",
    "http-method",
    "http-on-tls-port",
    "http-path",
    "ignored",
    "isolates-dns",
    "misread-value",
    "names-share-address",
    "needs-setting",
    "negative-peer",
    "no-namespace",
    "no-policy-decides",
    "nodes-beside-cidr",
    "not-enforced",
    "not-looked-up",
    "not-utf8",
    "outside",
    "pass-lags",
    "peer-selects-nothing",
    "policy-types",
    "redirected-address",
    "route-without-service",
    "selects-nothing",
    "service-port",
    "service-without-pods",
    "shared-name",
    "takes-gateway",
    "twice",
    "undeclared-port",
    "unread",
    "unused-manifest",
];

/// The codes, as the command line takes them.
pub(crate) fn codes() -> Vec<&'static str> {
    PAGES.iter().map(|(code, _)| *code).collect()
}
