//! Holds the engine against recorded verdicts of Cilium's own policy engine.
//!
//! `cargo run --release -p verdikt-engine --example vectors -- FILE...` reads files of one case a line (plain or
//! gzipped) and prints the counts of each, the first disagreements, and the speed of the whole program on one
//! core, reading included. Exit code 1 if anything disagrees or the engine abstains.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use verdikt_engine::cluster::{Cluster, Learned, Options};
use verdikt_engine::decide::{SideVerdict, Traffic};
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{
    Endpoint, Node, Pod, Port, Protocol, Served, ServedProtocol, Topology, WorldHost,
};

/// One line of a vector file.
#[derive(Deserialize)]
struct Case {
    id: String,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pods: Vec<CasePod>,
    externals: Vec<External>,
    policies: Vec<CasePolicy>,
    flows: Vec<(String, String, String, u16, String, String)>,
}

#[derive(Deserialize)]
struct CasePod {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    ports: BTreeMap<String, Port>,
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
}

/// What a file comes to.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) flows: usize,
    pub(crate) disagreements: usize,
    pub(crate) abstained: usize,
    pub(crate) objects: usize,
    pub(crate) validity: usize,
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
    for file in std::env::args().skip(1) {
        let counts = count(Path::new(&file))?;
        writeln!(
            out,
            "{file}: flows {}, disagreements {}, abstained {}, objects {}, validity disagreements {}",
            counts.flows, counts.disagreements, counts.abstained, counts.objects, counts.validity
        )?;
        for shown in counts.shown.iter().take(5) {
            writeln!(out, "  {shown}")?;
        }
        flows += counts.flows;
        wrong += counts.disagreements + counts.abstained + counts.validity;
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = flows as f64 / seconds;
    writeln!(out, "{rate:.0} flows/s ({flows} flows in {seconds:.3} s, one core, reading included)")?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Evaluates every case of a file.
pub(crate) fn count(file: &Path) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::default();
    for line in read(file)?.lines().filter(|line| !line.is_empty()) {
        run(serde_json::from_str(line)?, &mut counts)?;
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

fn run(mut case: Case, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
    let (topology, learned) = topology(&case)?;
    let file = std::sync::Arc::from(case.id.as_str());
    let (objects, valid): (Vec<_>, Vec<_>) =
        case.policies.drain(..).map(|policy| (policy.object, policy.valid)).unzip();
    let manifest = |Unlocated(root)| Manifest { file: std::sync::Arc::clone(&file), root };
    let manifests: Vec<Manifest> = objects.into_iter().map(manifest).collect();
    // The recorded engine ran without endpoints around it.
    let options = Options { peer_port_names_unknown: true, ..Options::default() };
    let cluster = Cluster::without_api_server(&topology, &manifests, &options, &learned);
    counts.objects += manifests.len();
    for ((valid, manifest), judgement) in valid.into_iter().zip(&manifests).zip(cluster.judgements()) {
        if judgement.refused().is_some() == valid {
            counts.validity += 1;
            counts.shown.push(format!("{} {}: {judgement:?}", case.id, manifest.object()));
        }
    }
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
        let unknown = [sides.0, sides.1]
            .iter()
            .any(|side| matches!(side, Some(SideVerdict::Unknown | SideVerdict::Conflict)));
        let answer = (word(sides.0), word(sides.1));
        counts.flows += 1;
        if unknown {
            counts.abstained += 1;
        } else if answer != (egress.as_str(), ingress.as_str()) {
            counts.disagreements += 1;
            counts.shown.push(format!(
                "{} {from} -> {to} {protocol}/{port}: expected {egress}/{ingress}, got {}/{}",
                case.id, answer.0, answer.1
            ));
        }
    }
    Ok(())
}

fn word(side: Option<SideVerdict>) -> &'static str {
    match side {
        None => "none",
        Some(SideVerdict::Allow { redirected: true }) => "redirect",
        Some(SideVerdict::Denied | SideVerdict::NoRuleAllows) => "deny",
        Some(_) => "allow",
    }
}

fn endpoint(text: &str) -> Result<Endpoint, Box<dyn Error>> {
    Ok(match (text.strip_prefix("ext:"), text.contains('/')) {
        (Some(name), _) => Endpoint::World(name.parse()?),
        (None, true) => Endpoint::Pod(text.parse()?),
        (None, false) => Endpoint::Node(text.parse()?),
    })
}

fn topology(case: &Case) -> Result<(Topology, Learned), Box<dyn Error>> {
    let mut topology = Topology::default();
    let mut learned = Learned::default();
    for (name, labels) in &case.namespaces {
        topology.namespaces.insert(name.parse()?, labels.clone());
    }
    for pod in &case.pods {
        let serve = |(name, port): (&String, &Port)| -> Result<Served, Box<dyn Error>> {
            Ok(Served { protocol: ServedProtocol::Tcp, port: *port, name: Some(name.parse()?) })
        };
        let serves = pod.ports.iter().map(serve).collect::<Result<_, _>>()?;
        let spec = Pod { labels: pod.labels.clone(), service_account: None, serves };
        topology.pods.insert(format!("{}/{}", pod.namespace, pod.name).parse()?, spec);
    }
    for external in &case.externals {
        let names = external.names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<_>, _>>()?;
        learned.names.extend(names.iter().cloned());
        let host = WorldHost { address: external.ip, names, serves: Vec::new() };
        topology.world.insert(external.name.parse()?, host);
    }
    for (name, api_server) in [("host", false), ("remote-node", false), ("kube-apiserver", true)] {
        topology.nodes.insert(name.parse()?, Node { api_server, serves: Vec::new() });
    }
    Ok((topology, learned))
}
