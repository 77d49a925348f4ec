//! The full matrix of a synthetic cluster: every pod to every pod on five ports.
//!
//! `cargo run --release -p verdikt-engine --example matrix -- [PODS...]` prints time and peak memory for clusters of
//! those sizes (2,000 pods if none is given), in 50 namespaces, under 500 policies.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use verdikt_engine::matrix::{CellVerdict, VerdictMatrix};
use verdikt_engine::model::{Learned, ModelOptions, PolicyModel};
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Pod, Protocol, Topology};

/// The ports of the matrix.
pub(crate) const PORTS: [(Protocol, u16); 5] = [
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 443),
    (Protocol::Tcp, 8080),
    (Protocol::Tcp, 5432),
    (Protocol::Udp, 53),
];

/// A cluster of pods in namespaces under policies. Every tenth pod of a namespace shares its labels, every pod
/// has an app of its own among 200, so that identities are many.
pub(crate) fn synthetic(pods: usize, namespaces: usize, policies: usize) -> (Topology, Vec<Manifest>) {
    let mut topology = Topology::default();
    for index in 0..namespaces {
        let labels = [("team".to_owned(), format!("t{}", index % 7))].into();
        topology.namespaces.insert(name(&format!("ns{index}")), labels);
    }
    for index in 0..pods {
        let labels: BTreeMap<String, String> = [
            ("app".to_owned(), format!("app{}", index % 200)),
            ("tier".to_owned(), ["front", "back", "data"][index % 3].to_owned()),
        ]
        .into();
        let pod = Pod { labels, ..Pod::default() };
        topology.pods.insert(name(&format!("ns{}/pod{index}", index % namespaces)), pod);
    }
    let manifests = (0..policies).map(|index| manifest(&policy(index, namespaces))).collect();
    (topology, manifests)
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| unreachable!("{text}: {error:?}"))
}

fn policy(index: usize, namespaces: usize) -> String {
    let namespace = index % namespaces;
    let head = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p{index}, namespace: ns{namespace}}}\n"
    );
    let port = ["80", "443", "8080", "5432", "53"][index % 5];
    let app = index * 7 % 200;
    let spec = match index % 4 {
        0 => format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: app{app}}}}}]}}]}}"
        ),
        1 => format!(
            "{{endpointSelector: {{matchLabels: {{tier: back}}}}, ingress: [{{fromEndpoints: [{{matchLabels: \
             {{io.cilium.k8s.namespace.labels.team: t{}}}}}], toPorts: [{{ports: [{{port: \"{port}\"}}]}}]}}]}}",
            index % 7
        ),
        2 => format!(
            "{{endpointSelector: {{matchLabels: {{tier: front}}}}, egress: [{{toEndpoints: [{{matchExpressions: \
             [{{key: io.kubernetes.pod.namespace, operator: NotIn, values: [ns{}]}}]}}]}}]}}",
            (namespace + 1) % namespaces
        ),
        _ => format!(
            "{{endpointSelector: {{matchLabels: {{app: app{app}}}}}, ingressDeny: [{{fromEntities: [world]}}], \
             ingress: [{{fromEntities: [cluster], toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]}}]}}"
        ),
    };
    format!("{head}spec: {spec}\n")
}

fn manifest(text: &str) -> Manifest {
    let mut documents = document::parse(text).unwrap_or_else(|error| unreachable!("{text}: {error}"));
    Manifest { file: Arc::from("synthetic.yaml"), root: documents.remove(0) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let sizes = if sizes.is_empty() { vec![2_000] } else { sizes };
    let mut out = std::io::stdout().lock();
    for pods in sizes {
        let (topology, manifests) = synthetic(pods, 50, 500);
        let start = Instant::now();
        let cluster = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &Learned::default());
        let matrix = VerdictMatrix::new(&cluster, &PORTS);
        let (mut allowed, mut cells) = (0_usize, 0_usize);
        for cell in matrix.cells() {
            allowed += usize::from(cell == CellVerdict::Allow);
            cells += 1;
        }
        writeln!(
            out,
            "{pods} pods: {cells} cells, {allowed} allowed, {} identities, {:.3} s, peak memory {}",
            matrix.identities(),
            start.elapsed().as_secs_f64(),
            peak_memory()
        )?;
    }
    Ok(())
}

/// The most memory the process has had, as Linux tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
