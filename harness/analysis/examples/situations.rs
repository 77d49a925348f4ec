//! What the matrix of a synthetic situation costs, and the diff of two.
//!
//! `cargo run --release -p verdikt-analysis --example situations -- [WORKLOADS NAMESPACES POLICIES]...` prints CPU time
//! and peak memory for situations of those sizes (2,000 in 50 under 500 if none is given), every port included: compiling
//! the policies and evaluating every pair, then comparing with the same situation after one policy has changed. Each in a
//! process of its own, so that the memory is that of one.

use std::error::Error;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use verdikt_analysis::diff::{ComparedSituation, Diff};
use verdikt_analysis::matrix::Matrix;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Pod, Topology};

/// A cluster of workloads in namespaces under policies. Each workload has an app of its own in its namespace, so that
/// no two share an identity; policies isolate tiers, and let single apps, teams and everyone in at single ports.
fn synthetic(workloads: usize, namespaces: usize, policies: usize) -> (Topology, Vec<Manifest>) {
    let mut topology = Topology::default();
    for index in 0..namespaces {
        let labels = [("team".to_owned(), format!("t{}", index % 7))].into();
        topology.namespaces.insert(name(&format!("ns{index}")), labels);
    }
    for index in 0..workloads {
        let (namespace, app) = (index % namespaces, index / namespaces);
        let labels = [
            ("app".to_owned(), format!("app{app}")),
            ("tier".to_owned(), ["front", "back", "data"][app % 3].to_owned()),
        ];
        let pod = Pod { labels: labels.into(), ..Pod::default() };
        topology.pods.insert(name(&format!("ns{namespace}/app{app}")), pod);
    }
    let per_namespace = workloads.div_ceil(namespaces).max(1);
    let manifests = (0..policies).map(|index| manifest(&policy(index, namespaces, per_namespace))).collect();
    (topology, manifests)
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| unreachable!("{text}: {error:?}"))
}

fn policy(index: usize, namespaces: usize, apps: usize) -> String {
    let namespace = index % namespaces;
    let head = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p{index}, namespace: ns{namespace}}}\n"
    );
    let port = ["80", "443", "8080", "5432", "53"][index % 5];
    let (app, other) = (index / namespaces % apps, (index * 7 + 1) % apps);
    let spec = match index / namespaces % 4 {
        0 => format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: app{other}}}}}]}}]}}"
        ),
        1 => format!(
            "{{endpointSelector: {{matchLabels: {{tier: back}}}}, ingress: [{{fromEndpoints: [{{matchLabels: \
             {{io.cilium.k8s.namespace.labels.team: t{}}}}}], toPorts: [{{ports: [{{port: \"{port}\"}}]}}]}}]}}",
            index % 7
        ),
        2 => format!(
            "{{endpointSelector: {{matchLabels: {{app: app{app}}}}}, egress: [{{toEndpoints: [{{matchLabels: \
             {{io.kubernetes.pod.namespace: ns{}}}}}], toPorts: [{{ports: [{{port: \"1000\", endPort: 2000}}]}}]}}]}}",
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, sizes @ ..] = arguments.as_slice()
        && ["matrix", "diff"].contains(&what.as_str())
    {
        let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
        return measure(what, sizes[0], sizes[1], sizes[2]);
    }
    let sizes =
        if arguments.is_empty() { ["2000", "50", "500"].map(str::to_owned).to_vec() } else { arguments };
    for sizes in sizes.chunks(3) {
        for what in ["matrix", "diff"] {
            Command::new(std::env::current_exe()?).arg(what).args(sizes).status()?;
        }
    }
    Ok(())
}

fn measure(what: &str, workloads: usize, namespaces: usize, policies: usize) -> Result<(), Box<dyn Error>> {
    let (topology, manifests) = synthetic(workloads, namespaces, policies);
    let before = cpu_time();
    let options = ModelOptions::default();
    let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
    let compiled = cpu_time();
    let found = if what == "matrix" {
        let matrix = Matrix::new(&model);
        format!("{} groups, {} different cells", matrix.classes.len(), matrix.profiles.len())
    } else {
        let mut changed = manifests.clone();
        changed[policies / 2] = manifest(&policy(policies / 2 + 1, namespaces, 3));
        let head = PolicyModel::new(&topology, &changed, &options, &LearnedNames::default());
        let base = ComparedSituation { model: &model, manifests: &manifests };
        let diff = Diff::new(base, ComparedSituation { model: &head, manifests: &changed });
        format!("{} changes", diff.changes.len())
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{what} of {workloads} workloads in {namespaces} namespaces under {policies} policies: {found}, {:.2} s CPU, of \
         that {:.2} s to compile, peak memory {}",
        cpu_time() - before,
        compiled - before,
        peak_memory()
    )?;
    Ok(())
}

/// The seconds of CPU time that this process has used, as Linux tells.
fn cpu_time() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

/// The most memory the process has had, as Linux tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}
