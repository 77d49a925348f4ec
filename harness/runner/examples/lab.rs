//! What a run in the lab costs: attempts allowed and denied, and a lab of many pods with many policies.
//!
//! `cargo run --release -p verdikt-runner --example lab`

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use verdikt_runner::lab;
use verdikt_runner::plan::RunOptions;
use verdikt_scenario::diagnostic::render;
use verdikt_scenario::loader::load;
use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::RunResult;

const CLIENTS: usize = 20;
const PORTS: usize = 50;
const PODS: usize = 100;
const POLICIES: usize = 50;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // Before there are threads.
    verdikt_lab::enter::enter()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("scenario.yaml");

    fs::write(&path, attempts())?;
    let run = run(&path)?;
    let made = run.allowed.len() + run.denied.len();
    say(&format!(
        "{made} attempts from {CLIENTS} pods, {} of them denied: {:?} from nothing to the verdicts",
        run.denied.len(),
        run.took
    ))?;
    for (what, mut took) in [("allowed", run.allowed), ("denied", run.denied)] {
        took.sort();
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        say(&format!("  one that is {what}: {median:?} in the median, {worst:?} at most"))?;
    }
    say(&format!(
        "  {:.0} attempts a second after the lab is up",
        f64::from(u32::try_from(made)?) / run.attempting.as_secs_f64()
    ))?;

    fs::write(&path, pods())?;
    let run = self::run(&path)?;
    say(&format!(
        "{PODS} pods with {POLICIES} policies: up in {:?}, with {} attempts done in {:?}",
        run.up,
        run.allowed.len() + run.denied.len(),
        run.took
    ))?;
    say(&format!("  memory: {} MB", run.memory / 1024))?;
    Ok(ExitCode::SUCCESS)
}

struct Measured {
    up: Duration,
    attempting: Duration,
    took: Duration,
    allowed: Vec<Duration>,
    denied: Vec<Duration>,
    memory: u64,
}

/// Runs the only scenario there, whose verdicts must be as expected.
fn run(path: &PathBuf) -> Result<Measured, Box<dyn Error>> {
    let loaded = load(std::slice::from_ref(path));
    if !loaded.diagnostics.is_empty() {
        return Err(render(&loaded.diagnostics, &loaded.sources).into());
    }
    let options = RunOptions::default();
    let begun = Instant::now();
    let mut up = Duration::ZERO;
    let (mut allowed, mut denied, mut memory) = (Vec::new(), Vec::new(), 0);
    let mut sink = |event: Event| {
        match &event {
            Event::StepStarted(_) => up = begun.elapsed(),
            Event::CellJudged(cell) => {
                let observation = cell.evidence.as_ref().map(|evidence| &evidence.observation);
                let took = observation.iter().flat_map(|seen| &seen.stages).map(|stage| stage.took).sum();
                if cell.verdict.to_string() == "allow" { allowed.push(took) } else { denied.push(took) }
            }
            Event::StepFinished(_) => memory = memory_in_use()?,
            _ => {}
        }
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = Box::pin(std::future::pending());
    let outcome = runtime.block_on(lab::run(
        &loaded.scenarios,
        &options,
        verdikt_probe::probe::over,
        stop,
        &mut sink,
    ))?;
    let took = begun.elapsed();
    if outcome != RunResult::AsExpected {
        return Err(format!("the run came to {outcome:?}").into());
    }
    Ok(Measured { up, attempting: took.saturating_sub(up), took, allowed, denied, memory })
}

/// The memory of this process, its probes included, in KiB.
fn memory_in_use() -> io::Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    Ok(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0))
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Every client attempts every port of one server; every other port is open.
fn attempts() -> String {
    let ports: Vec<usize> = (0..PORTS).map(|port| 7000 + port).collect();
    let serves: Vec<String> = ports.iter().map(|port| format!("tcp {port}")).collect();
    let mut text = format!(
        "scenario: attempts\nabout: Every other port is open.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/server: {{labels: {{app: server}}, serves: [{}]}}\n",
        serves.join(", ")
    );
    for client in 0..CLIENTS {
        let _ = writeln!(text, "    shop/client-{client}: {{labels: {{app: client}}}}");
    }
    text += "steps:\n- step: every other port\n  policies: [ports]\n  expect:\n";
    for port in &ports {
        let verdict = if port % 2 == 0 { "allow" } else { "deny ingress" };
        let _ = writeln!(text, "    tcp shop/server:{port}: {{{verdict}: others}}");
    }
    let open: Vec<String> = ports
        .iter()
        .filter(|port| *port % 2 == 0)
        .map(|port| format!("{{port: '{port}', protocol: TCP}}"))
        .collect();
    let _ = write!(
        text,
        "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: ports, namespace: shop}}\nspec: {{endpointSelector: {{matchLabels: {{app: server}}}}, ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{}]}}]}}]}}\n",
        open.join(", ")
    );
    text
}

/// Pods in pairs: every policy keeps one of them to its neighbour.
fn pods() -> String {
    let mut text = "scenario: pods\nabout: Every other pod is open to its neighbour alone.\ntopology:\n  namespaces: {shop: {}}\n  pods:\n".to_owned();
    for pod in 0..PODS {
        let serves = if pod == 0 { ", serves: [tcp 80]" } else { "" };
        let _ = writeln!(text, "    shop/pod-{pod}: {{labels: {{app: pod-{pod}}}{serves}}}");
    }
    let names: Vec<String> = (0..POLICIES).map(|policy| format!("policy-{policy}")).collect();
    let _ = write!(
        text,
        "steps:\n- step: pairs\n  policies: [{}]\n  expect:\n    tcp shop/pod-0:80: {{allow: shop/pod-{POLICIES}, deny ingress: others}}\n",
        names.join(", ")
    );
    for policy in 0..POLICIES {
        let neighbour = policy + POLICIES;
        let _ = write!(
            text,
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: policy-{policy}, namespace: shop}}\nspec: {{endpointSelector: {{matchLabels: {{app: pod-{policy}}}}}, ingress: [{{fromEndpoints: [{{matchLabels: {{app: pod-{neighbour}}}}}]}}]}}\n"
        );
    }
    text
}
