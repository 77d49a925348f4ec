//! `verdikt explain-warning`: the page of the book about a warning.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::printer::Printer;

/// The pages by their codes, in order.
macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        [$(($code, include_str!(concat!("../../warnings/", $code, ".md")))),*]
    };
}

pub(crate) const PAGES: [(&str, &str); 48] = pages![
    "allow-without-reason",
    "api-server-port",
    "baseline-opens",
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
pub(crate) fn codes() -> [&'static str; PAGES.len()] {
    PAGES.map(|(code, _)| code)
}

/// Prints the page of a code.
pub(crate) fn explain_warning(code: &str) -> Result<ExitCode, Failure> {
    let page = PAGES.iter().find(|(named, _)| *named == code).map_or("", |(_, page)| page);
    Printer::data(page)?;
    Ok(ExitCode::SUCCESS)
}
