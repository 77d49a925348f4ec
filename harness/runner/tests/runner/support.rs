//! Scenario files for the tests of this folder, and events in a form to read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use verdikt_runner::filter::Filter;
use verdikt_runner::plan::RunOptions;
use verdikt_scenario::loader::load;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{Event, ObjectJudged};

const TOPOLOGY: &str = "
topology:
  namespaces: {database: {}, shop: {}}
  pods:
    database/redis: {labels: {app: redis}, serves: [tcp 6379, tcp 6380]}
    shop/cart: {labels: {app: cart}}
    shop/stock: {labels: {app: stock}}
steps:
";

/// Isolates everything in `database`, and lets the cart in.
pub(crate) const CART_ONLY: &str = "
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart-only, namespace: database}
spec:
  endpointSelector: {}
  ingress: [{fromEndpoints: [{matchLabels: {app: cart, io.kubernetes.pod.namespace: shop}}]}]
";

/// The probe refuses it: no direction has a rule.
pub(crate) const REFUSED: &str = "
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: nothing, namespace: database}
spec: {endpointSelector: {}, egress: []}
";

pub(crate) const TABLE: &str = "
  expect:
    tcp database/redis:6379:
      allow: [shop/cart]
      deny ingress by database/cart-only: [shop/stock]
";

pub(crate) fn scenario(name: &str, cilium: &str, steps: &str, manifests: &str) -> String {
    format!("scenario: {name}\nabout: Why.\ncilium: \"{cilium}\"{TOPOLOGY}{steps}{manifests}")
}

pub(crate) fn scenarios(test: &str, files: &[String]) -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run").join(test);
    fs::create_dir_all(&folder).unwrap();
    let paths: Vec<PathBuf> = (0..files.len()).map(|number| folder.join(format!("{number}.yaml"))).collect();
    paths.iter().zip(files).for_each(|(path, text)| fs::write(path, text).unwrap());
    let loaded = load(&paths);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios
}

pub(crate) fn options(version: CiliumVersion, filters: &[&str]) -> RunOptions {
    let filters = filters.iter().map(|text| text.parse::<Filter>().unwrap()).collect();
    RunOptions { version, filters, ..RunOptions::default() }
}

/// The events, one a line, as far as these tests care.
pub(crate) fn summary(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let line = match event {
            Event::RunStarted(run) => format!("run {} {}", run.backend, run.cilium),
            Event::Warned(warning) => format!("warning {}", warning.message),
            Event::ScenarioStarted(scenario) => format!("scenario {}", scenario.scenario),
            Event::ScenarioSkipped(skipped) => format!("skipped {}: {}", skipped.scenario, skipped.because),
            Event::ScenarioFailed(failed) => format!("failed {}: {}", failed.scenario, failed.reason),
            Event::StepStarted(step) => format!("  step {}", step.step),
            Event::ObjectJudged(judged) => format!("    {}", object(judged)),
            Event::CellSkipped(cell) => {
                format!("    {} {}: skipped, {}", cell.source, cell.attempt, cell.because)
            }
            Event::InvariantJudged(judged) => format!("    {judged}"),
            Event::CellJudged(cell) => {
                let because = cell.because.as_ref().map(|because| format!(", because {because}"));
                let (expected, verdict, result) = (&cell.expected, &cell.verdict, cell.result);
                let because = because.unwrap_or_default();
                format!(
                    "    {} {}: expected {expected}, {verdict}, {result:?}{because}",
                    cell.source, cell.attempt
                )
            }
            Event::StepFinished(step) => format!("  end {}", step.step),
            Event::RunFinished(run) => format!("run {:?}", run.outcome),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn object(judged: &ObjectJudged) -> String {
    let refused =
        judged.refused.as_ref().map_or("accepted".to_owned(), |refused| format!("refused by {}", refused.by));
    format!("{}: {refused}, as expected: {}", judged.object, judged.as_expected)
}

pub(crate) fn two_steps(name: &str) -> String {
    let open = "- step: open\n  expect:\n    tcp database/redis:6379: {allow: others}\n";
    scenario(name, ">=1.16", &format!("{open}- step: locked\n  policies: [cart-only]{TABLE}"), CART_ONLY)
}
