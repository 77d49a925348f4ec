//! What whole runs of `verdikt run --on model` cost, by size: CPU time and memory of the process, from its first file to
//! its last line.
//!
//! `cargo bench -p verdikt --bench runs -- [NAME...]` prints a line for each workload whose name contains one of the
//! texts. CPU time is that of all threads, in user space and in the kernel, so that a machine with other work tells nearly
//! the same; memory is the most that was resident.

mod measured;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use measured::{Cost, cost, was_measuring};

/// A synthetic cluster, and how it is run.
struct Workload {
    name: &'static str,
    pods: usize,
    policies: usize,
    /// How many pods are targets, and on how many ports each.
    targets: usize,
    ports: usize,
    /// What is expected of every cell.
    expected: &'static str,
    arguments: &'static [&'static str],
}

/// How many policies a file holds.
const DOCUMENTS: usize = 100;

const QUIET: &[&str] = &["--quiet"];
const MARKDOWN: &[&str] = &["--quiet", "--report", "markdown=summary.md"];
const JUNIT: &[&str] = &["--quiet", "--report", "junit=junit.xml"];
const LOG: &[&str] = &["--quiet", "--events", "events.jsonl"];
const FILTER: &[&str] = &["--quiet", "--filter", "*"];

const fn workload(
    name: &'static str,
    [pods, policies, targets, ports]: [usize; 4],
    arguments: &'static [&'static str],
) -> Workload {
    Workload { name, pods, policies, targets, ports, expected: "allow", arguments }
}

const WORKLOADS: &[Workload] = &[
    workload("table: quiet", [300, 0, 150, 1], QUIET),
    workload("table: terminal", [300, 0, 150, 1], &[]),
    workload("table: markdown", [300, 0, 150, 1], MARKDOWN),
    workload("table: junit", [300, 0, 150, 1], JUNIT),
    workload("table: filter", [300, 0, 150, 1], FILTER),
    workload("large table: terminal", [1_000, 0, 100, 1], &[]),
    Workload { expected: "deny", ..workload("differing: terminal", [1_000, 50, 10, 1], &[]) },
    Workload { expected: "deny", ..workload("differing: markdown", [1_000, 50, 10, 1], MARKDOWN) },
    workload("many cells: quiet", [500, 500, 500, 5], QUIET),
    workload("many cells: log", [500, 500, 500, 5], LOG),
    workload("many pods: quiet", [10_000, 5_000, 10, 1], QUIET),
    workload("many pods: terminal", [10_000, 5_000, 10, 1], &[]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if was_measuring(&arguments)? {
        return Ok(());
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut out = std::io::stdout().lock();
    for workload in WORKLOADS {
        if !wanted.is_empty() && !wanted.iter().any(|text| workload.name.contains(text.as_str())) {
            continue;
        }
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("scenario.yaml"), scenario(workload))?;
        fs::create_dir(folder.path().join("policies"))?;
        let policies: Vec<String> = (0..workload.policies).map(|number| policy(number, workload)).collect();
        for (number, documents) in policies.chunks(DOCUMENTS).enumerate() {
            fs::write(folder.path().join(format!("policies/{number:04}.yaml")), documents.concat())?;
        }
        let run = [&["run", "scenario.yaml", "--on", "model"], workload.arguments].concat();
        let Cost { microseconds, kilobytes } = cost(&run, folder.path(), Stdio::inherit())?;
        let cells = workload.targets * workload.ports * (workload.pods - 1);
        writeln!(
            out,
            "{:24} {cells:9} cells {:6} pods {:5} policies {:8.2} s CPU {:7} MB {:6} ns and {:5} bytes a cell",
            workload.name,
            workload.pods,
            workload.policies,
            f64::from(u32::try_from(microseconds)?) / 1e6,
            kilobytes / 1_000,
            microseconds * 1_000 / cells,
            kilobytes * 1_024 / cells,
        )?;
    }
    Ok(())
}

/// A scenario of pods in up to 50 namespaces, with 200 apps and three tiers, under four kinds of policies.
fn scenario(workload: &Workload) -> String {
    let Workload { pods, policies, targets, ports, expected, .. } = *workload;
    let namespaces = namespaces(workload);
    let mut text = "scenario: synthetic\nabout: Synthetic.\ntopology:\n  namespaces:\n".to_owned();
    for number in 0..namespaces {
        let _ = writeln!(text, "    ns{number}: {{labels: {{team: t{}}}}}", number % 7);
    }
    text += "  pods:\n";
    let served: Vec<String> = (0..ports).map(|port| format!("tcp {}", 80 + port)).collect();
    for pod in 0..pods {
        let serves = if pod < targets { format!(", serves: [{}]", served.join(", ")) } else { String::new() };
        let (namespace, app, tier) = (pod % namespaces, pod % 200, ["front", "back", "data"][pod % 3]);
        let _ =
            writeln!(text, "    ns{namespace}/pod{pod}: {{labels: {{app: app{app}, tier: {tier}}}{serves}}}");
    }
    text += "steps:\n- step: one\n";
    if policies > 0 {
        text += "  policies: [policies/]\n";
    }
    text += "  expect:\n";
    for target in 0..targets {
        for port in 0..ports {
            let _ = writeln!(
                text,
                "    tcp ns{}/pod{target}:{}: {{{expected}: others}}",
                target % namespaces,
                80 + port
            );
        }
    }
    text
}

fn namespaces(workload: &Workload) -> usize {
    (workload.pods / 10).clamp(1, 50)
}

/// A policy as a document of a file.
fn policy(number: usize, workload: &Workload) -> String {
    let namespaces = namespaces(workload);
    let namespace = number % namespaces;
    let spec = spec(number, namespace, namespaces);
    format!(
        "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p{number}, namespace: \
         ns{namespace}}}\nspec: {spec}\n"
    )
}

fn spec(policy: usize, namespace: usize, namespaces: usize) -> String {
    let app = policy * 7 % 200;
    match policy % 4 {
        0 => format!(
            "{{endpointSelector: {{matchLabels: {{app: app{app}}}}}, ingress: [{{fromEndpoints: [{{matchLabels: \
             {{tier: front}}}}], toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}]}}]}}]}}"
        ),
        1 => format!(
            "{{endpointSelector: {{matchLabels: {{tier: data}}}}, ingress: [{{fromEndpoints: [{{matchLabels: {{tier: \
             back, io.kubernetes.pod.namespace: ns{}}}}}]}}]}}",
            (namespace + 1) % namespaces
        ),
        2 => {
            format!(
                "{{endpointSelector: {{matchLabels: {{app: app{app}}}}}, egress: [{{toEntities: [cluster]}}]}}"
            )
        }
        _ => format!(
            "{{endpointSelector: {{matchLabels: {{app: app{app}}}}}, ingressDeny: [{{fromEndpoints: [{{matchLabels: \
             {{app: app{}}}}}]}}], ingress: [{{fromEntities: [all]}}]}}",
            (app + 3) % 200
        ),
    }
}
