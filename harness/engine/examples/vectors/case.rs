//! A line of a vector file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::topology::Port;

use super::queries::Query;

/// One line of a vector file: requests that a real proxy answered under the HTTP rules of a policy.
#[derive(Deserialize)]
pub(super) struct HttpCase {
    pub(super) id: String,
    pub(super) rules: serde_json::Value,
    /// Why the proxy cannot have the rules, if so.
    pub(super) refused: Option<String>,
    #[serde(default)]
    pub(super) requests: Vec<CaseRequest>,
}

#[derive(Deserialize)]
pub(super) struct CaseRequest {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) answer: String,
}

/// One line of a vector file: a topology and policies over it, with the flows between its ends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) pods: Vec<CasePod>,
    pub(super) externals: Vec<External>,
    pub(super) policies: Vec<CasePolicy>,
    #[serde(default)]
    pub(super) services: Vec<CaseService>,
    /// Whether IPv6 is off.
    #[serde(default)]
    pub(super) single_stack: bool,
    /// Whether the engine knew which ports the peers declare by name.
    #[serde(default)]
    pub(super) named_ports: bool,
    #[serde(default)]
    pub(super) enforcement: CaseEnforcement,
    #[serde(default)]
    pub(super) flows: Vec<(String, String, String, u16, String, String)>,
    /// Queries to the DNS proxy.
    #[serde(default)]
    pub(super) queries: Vec<Query>,
    /// The labels of nodes; a remote one is called `node:NAME`.
    #[serde(default)]
    pub(super) nodes: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether policies can select nodes.
    #[serde(default)]
    pub(super) node_selector_labels: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CaseEnforcement {
    #[default]
    Default,
    Always,
    Never,
}

#[derive(Deserialize)]
pub(super) struct CaseService {
    pub(super) name: String,
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) backends: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CasePod {
    pub(super) name: String,
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) service_account: Option<String>,
    #[serde(default)]
    pub(super) ports: BTreeMap<String, Port>,
    #[serde(default)]
    pub(super) udp_ports: BTreeMap<String, Port>,
}

#[derive(Deserialize)]
pub(super) struct External {
    pub(super) name: String,
    pub(super) ip: IpAddr,
    #[serde(default)]
    pub(super) names: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct CasePolicy {
    pub(super) object: Unlocated,
    pub(super) valid: bool,
    /// Why the API server refuses it, in files that say so.
    pub(super) schema: Option<String>,
}
