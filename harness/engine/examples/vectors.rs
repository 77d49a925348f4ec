//! Holds the engine against recorded verdicts of Cilium's own policy engine.
//!
//! `cargo run --release -p verdikt-engine --example vectors -- [--cilium VERSION] FILE...` reads files of one case a
//! line (plain or gzipped) and prints the counts of each, the first disagreements, and the speed of the whole program
//! on one core, reading included. A case holds flows with the verdicts of a policy engine, or requests with the answers
//! of a real proxy. Exit code 1 if anything disagrees, or the engine abstains on a flow.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use verdikt_engine::decide::{SideVerdict, Traffic};
use verdikt_engine::label::CLUSTER;
use verdikt_engine::model::{AddressFamilies, Learned, ModelOptions, PolicyModel};
use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::{RequestHead, RequestTarget, read_request};
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Finding;
use verdikt_scenario::scenario::{Enforcement, EnforcementMode};
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, Node, Pod, Port, Protocol, Served, ServedProtocol, Service, Topology, WorldHost,
};
use verdikt_scenario::version::CiliumVersion;

#[path = "vectors/queries.rs"]
mod queries;

/// One line of a vector file: requests that a real proxy answered under the HTTP rules of a policy.
#[derive(Deserialize)]
struct HttpCase {
    id: String,
    rules: serde_json::Value,
    /// Why the proxy cannot have the rules, if so.
    refused: Option<String>,
    #[serde(default)]
    requests: Vec<CaseRequest>,
}

#[derive(Deserialize)]
struct CaseRequest {
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    answer: String,
}

/// One line of a vector file: a topology and policies over it, with the flows between its ends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    id: String,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pods: Vec<CasePod>,
    externals: Vec<External>,
    policies: Vec<CasePolicy>,
    #[serde(default)]
    services: Vec<CaseService>,
    /// Whether IPv6 is off.
    #[serde(default)]
    single_stack: bool,
    /// Whether the engine knew which ports the peers declare by name.
    #[serde(default)]
    named_ports: bool,
    #[serde(default)]
    enforcement: CaseEnforcement,
    #[serde(default)]
    flows: Vec<(String, String, String, u16, String, String)>,
    /// Queries to the DNS proxy.
    #[serde(default)]
    queries: Vec<queries::Query>,
    /// The labels of nodes; a remote one is called `node:NAME`.
    #[serde(default)]
    nodes: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether policies can select nodes.
    #[serde(default)]
    node_selector_labels: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CaseEnforcement {
    #[default]
    Default,
    Always,
    Never,
}

#[derive(Deserialize)]
struct CaseService {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    backends: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CasePod {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    service_account: Option<String>,
    #[serde(default)]
    ports: BTreeMap<String, Port>,
    #[serde(default)]
    udp_ports: BTreeMap<String, Port>,
}

#[derive(Deserialize)]
struct External {
    name: String,
    ip: std::net::IpAddr,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
struct CasePolicy {
    object: Unlocated,
    valid: bool,
    /// Why the API server refuses it, in files that say so.
    schema: Option<String>,
}

/// What a file comes to.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) flows: usize,
    pub(crate) disagreements: usize,
    pub(crate) abstained: usize,
    pub(crate) objects: usize,
    pub(crate) validity: usize,
    /// Whether the flows are requests to a proxy.
    pub(crate) requests: bool,
    pub(crate) shown: Vec<String>,
}

/// A case is thousands of small values that live for microseconds: half of the time is the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let mut flows = 0;
    let mut wrong = 0;
    let mut out = std::io::stdout().lock();
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let mut version = CiliumVersion::default();
    if let Some(option) = files.iter().position(|argument| argument == "--cilium") {
        version = files.get(option + 1).ok_or("--cilium needs a version")?.parse()?;
        files.drain(option..option + 2);
    }
    for file in files {
        let counts = count(Path::new(&file), version)?;
        writeln!(
            out,
            "{file}: flows {}, disagreements {}, abstained {}, objects {}, validity disagreements {}",
            counts.flows, counts.disagreements, counts.abstained, counts.objects, counts.validity
        )?;
        for shown in counts.shown.iter().take(10) {
            writeln!(out, "  {shown}")?;
        }
        flows += counts.flows;
        wrong += counts.disagreements + counts.validity + if counts.requests { 0 } else { counts.abstained };
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = flows as f64 / seconds;
    writeln!(out, "{rate:.0} flows/s ({flows} flows in {seconds:.3} s, one core, reading included)")?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Evaluates every case of a file.
pub(crate) fn count(file: &Path, version: CiliumVersion) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::default();
    for line in read(file)?.lines().filter(|line| !line.is_empty()) {
        match serde_json::from_str(line) {
            Ok(case) => run(case, version, &mut counts)?,
            Err(error) => {
                run_requests(&serde_json::from_str(line).map_err(|_| error)?, version, &mut counts)?;
            }
        }
    }
    Ok(counts)
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(std::io::read_to_string(flate2::read::GzDecoder::new(bytes.as_slice()))?);
    }
    Ok(String::from_utf8(bytes)?)
}

fn run(mut case: Case, version: CiliumVersion, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
    let (topology, learned) = topology(&case)?;
    let file = std::sync::Arc::from(case.id.as_str());
    let (manifests, valid): (Vec<_>, Vec<_>) = case
        .policies
        .drain(..)
        .map(|CasePolicy { object: Unlocated(root), valid, schema }| {
            (Manifest { file: std::sync::Arc::clone(&file), root }, (valid, schema))
        })
        .unzip();
    let mode = match case.enforcement {
        CaseEnforcement::Default => EnforcementMode::Default,
        CaseEnforcement::Always => EnforcementMode::Always,
        CaseEnforcement::Never => EnforcementMode::Never,
    };
    let options = ModelOptions {
        version,
        enforcement: Enforcement { mode, ..Enforcement::default() },
        // Where no endpoints were around the recorded engine, it knew none of their ports.
        peer_port_names_unknown: !case.named_ports,
        identities_of_labels_alone: true,
        families: if case.single_stack { AddressFamilies::Ipv4 } else { AddressFamilies::Both },
        ..ModelOptions::default()
    };
    let cluster = PolicyModel::without_api_server(&topology, &manifests, &options, &learned);
    counts.objects += manifests.len();
    for (((valid, schema), manifest), judgement) in
        valid.into_iter().zip(&manifests).zip(cluster.judgements())
    {
        if judgement.refused().is_some() == valid {
            counts.validity += 1;
            counts.shown.push(format!("{} {}: {judgement:?}", case.id, manifest.object()));
        }
        queries::check_admission(&case.id, manifest, schema.as_deref(), version, counts);
    }
    queries::run(&case, &cluster, counts)?;
    let mut ends: BTreeMap<&str, Endpoint> = BTreeMap::new();
    for (from, to, protocol, port, egress, ingress) in &case.flows {
        let traffic = match protocol.as_str() {
            "TCP" => Traffic::Port(Protocol::Tcp, *port),
            "UDP" => Traffic::Port(Protocol::Udp, *port),
            "SCTP" => Traffic::Port(Protocol::Sctp, *port),
            "ICMP" => Traffic::Icmp { v6: false, kind: u8::try_from(*port)? },
            "ICMPv6" => Traffic::Icmp { v6: true, kind: u8::try_from(*port)? },
            other => return Err(format!("{}: unknown protocol {other}", case.id).into()),
        };
        for name in [from, to] {
            if !ends.contains_key(name.as_str()) {
                ends.insert(name, endpoint(name)?);
            }
        }
        let sides = cluster.sides(&ends[from.as_str()], &ends[to.as_str()], traffic);
        let unknown = [sides.0, sides.1].contains(&Some(SideVerdict::Unknown));
        let answer = (word(sides.0), word(sides.1));
        let (egress, ingress) = (expected(egress), expected(ingress));
        counts.flows += 1;
        if unknown {
            counts.abstained += 1;
            counts.shown.push(format!("{} {from} -> {to} {protocol}/{port}: abstains", case.id));
        } else if answer != (egress, ingress) {
            counts.disagreements += 1;
            counts.shown.push(format!(
                "{} {from} -> {to} {protocol}/{port}: expected {egress}/{ingress}, got {}/{}",
                case.id, answer.0, answer.1
            ));
        }
    }
    Ok(())
}

/// The word for an endpoint whose policy cannot be computed.
const CONFLICT: &str = "error";

/// A recorded verdict; of one that could not be computed the reason does not matter.
fn expected(verdict: &str) -> &str {
    if verdict.starts_with("error:") { CONFLICT } else { verdict }
}

fn run_requests(case: &HttpCase, version: CiliumVersion, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
    let mut topology = Topology::default();
    topology.namespaces.insert("a".parse()?, BTreeMap::new());
    for name in ["a/client", "a/server"] {
        topology.pods.insert(name.parse()?, Pod::default());
    }
    let port =
        serde_json::json!({"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": case.rules}});
    let policy = serde_json::json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "http", "namespace": "a"},
        "spec": {"endpointSelector": {}, "ingress": [{"toPorts": [port]}]},
    });
    let Unlocated(root) = serde_json::from_value(policy)?;
    let manifests = [Manifest { file: case.id.as_str().into(), root }];
    let options = ModelOptions { version, ..ModelOptions::default() };
    let cluster = PolicyModel::without_api_server(&topology, &manifests, &options, &Learned::default());
    counts.objects += 1;
    counts.requests = true;
    if cluster.judgements()[0].refused().is_some() != case.refused.is_some() {
        counts.validity += 1;
        counts.shown.push(format!("{}: {:?}, but {:?}", case.id, cluster.judgements()[0], case.refused));
        return Ok(());
    }
    let (client, server) = (Endpoint::Pod("a/client".parse()?), Endpoint::Pod("a/server".parse()?));
    let client = cluster.identity(&client).ok_or("the client has no identity")?;
    for CaseRequest { method, target, host, headers, answer } in &case.requests {
        let head = RequestHead { method, path: target, authority: Some(host), headers };
        let traffic = Traffic::Port(Protocol::Tcp, 80);
        let found = match read_request(&head) {
            RequestTarget::Rejected => "bad request",
            RequestTarget::Redirected(_) => "redirect",
            RequestTarget::Unknown(_) => "unknown",
            RequestTarget::Judged(_) => {
                match cluster.rule_on_request(&server, Direction::Ingress, client, traffic, &head) {
                    Finding::Allowed { .. } => "allow",
                    Finding::NoRuleAllows { .. } => "deny",
                    _ => "unknown",
                }
            }
        };
        counts.flows += 1;
        if found == "unknown" {
            counts.abstained += 1;
        } else if found != answer {
            counts.disagreements += 1;
            counts
                .shown
                .push(format!("{} {method} {target} of {host}: expected {answer}, got {found}", case.id));
        }
    }
    Ok(())
}

fn word(side: Option<SideVerdict>) -> &'static str {
    match side {
        None => "none",
        Some(SideVerdict::Allow { redirected: true }) => "redirect",
        Some(SideVerdict::Denied | SideVerdict::NoRuleAllows) => "deny",
        Some(SideVerdict::Conflict) => CONFLICT,
        Some(_) => "allow",
    }
}

fn endpoint(text: &str) -> Result<Endpoint, Box<dyn Error>> {
    Ok(match (text.strip_prefix("ext:"), text.contains('/')) {
        (Some(name), _) => Endpoint::World(name.parse()?),
        (None, true) => Endpoint::Pod(text.parse()?),
        (None, false) => match text {
            "health" => Endpoint::Cilium(CiliumEndpoint::Health),
            "ingress" => Endpoint::Cilium(CiliumEndpoint::Ingress),
            _ => Endpoint::Node(text.strip_prefix("node:").unwrap_or(text).parse()?),
        },
    })
}

fn topology(case: &Case) -> Result<(Topology, Learned), Box<dyn Error>> {
    let mut topology = Topology::default();
    let mut learned = Learned::default();
    for (name, labels) in &case.namespaces {
        topology.namespaces.insert(name.parse()?, labels.clone());
    }
    for pod in &case.pods {
        let serve = |(name, port): (&String, &Port), protocol| -> Result<Served, Box<dyn Error>> {
            Ok(Served { protocol, port: *port, name: Some(name.parse()?) })
        };
        let tcp = pod.ports.iter().map(|port| serve(port, ServedProtocol::Tcp));
        let udp = pod.udp_ports.iter().map(|port| serve(port, ServedProtocol::Udp));
        let serves = tcp.chain(udp).collect::<Result<_, _>>()?;
        let spec = Pod {
            labels: pod.labels.clone(),
            service_account: pod.service_account.clone(),
            serves,
            ..Pod::default()
        };
        topology.pods.insert(format!("{}/{}", pod.namespace, pod.name).parse()?, spec);
    }
    for external in &case.externals {
        let names = external.names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<_>, _>>()?;
        learned.names.insert(external.name.parse()?, names.clone());
        let host = WorldHost {
            address: external.ip,
            names,
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert(external.name.parse()?, host);
    }
    for service in &case.services {
        let backends = service.backends.iter().map(|host| host.parse()).collect::<Result<_, _>>()?;
        let (labels, selects) = (service.labels.clone(), service.selector.clone());
        let spec = Service { labels, selects, backends, ..Service::default() };
        topology.services.insert(format!("{}/{}", service.namespace, service.name).parse()?, spec);
    }
    for (name, api_server) in [("host", false), ("remote-node", false), ("kube-apiserver", true)] {
        // A node of which the recorded engine knew no label belonged to no cluster either.
        let none = || [(CLUSTER.to_owned(), String::new())].into();
        let labels = case.nodes.get(name).cloned().unwrap_or_else(none);
        topology.nodes.insert(name.parse()?, Node { api_server, labels, ..Node::default() });
    }
    for (name, labels) in &case.nodes {
        if let Some(name) = name.strip_prefix("node:") {
            let node = Node { labels: labels.clone(), ..Node::default() };
            topology.nodes.insert(name.parse()?, node);
        }
    }
    topology.settings.cluster_network_policy = true;
    topology.settings.node_selector_labels = case.node_selector_labels;
    Ok((topology, learned))
}
