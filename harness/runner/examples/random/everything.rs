//! Random situations over a topology with every kind of endpoint and way: nodes, pods of the host network and of another
//! cluster, silent ones, ports of the node, services of every type, the gateway with routes, TLS, names that move, and
//! settings. Model and lab are held against each other by them; few clusters could run one.

mod attempts;
mod circumstances;
mod policies;
mod settings;
mod tiers;
mod topology;

use std::error::Error;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use self::circumstances::Circumstances;
use self::settings::DrawnSettings;

/// A scenario of so many steps, each with policies of its own, after one without any in which connections are made.
pub(super) fn scenario(
    seed: u64,
    number: usize,
    steps: usize,
    runner: &mut TestRunner,
) -> Result<String, Box<dyn Error>> {
    let settings = drawn(runner, settings::some())?;
    let mut text = format!(
        "scenario: everything {seed} {number}\nabout: A topology of every kind, and policies drawn at random.\n"
    );
    text += &settings.versions();
    text += &drawn(runner, topology::topology(&settings))?;
    let policies = proptest::collection::vec(policies::policy(&settings), 1..6);
    let mut manifests = String::new();
    let mut circumstances = Circumstances::default();
    if settings.connections_are_made() {
        text += "- step: open\n  expect:\n";
        text.extend(attempts::KEPT.lines().map(row));
    }
    for step in 0..steps {
        let policies = drawn(runner, &policies)?;
        let names: Vec<String> = (0..policies.len()).map(|index| format!("s{step}p{index}")).collect();
        writeln!(text, "- step: \"{step}\"\n  policies: [{}]", names.join(", "))?;
        text += &refusals(&names, &policies, &settings);
        text += &circumstances.of_step(step, runner)?;
        text += "  expect:\n";
        text.extend(attempts::of_step(&settings, &circumstances).iter().map(|attempt| row(attempt)));
        if step == 0 && settings.connections_are_made() {
            text.extend(attempts::KEPT.lines().map(|made| row(&format!("{made} kept"))));
        }
        for (name, policy) in names.iter().zip(policies) {
            writeln!(manifests, "---\n{}", policy.replace("NAME", name))?;
        }
    }
    Ok(text + &manifests)
}

/// A row of a table.
fn row(attempt: &str) -> String {
    format!("    {attempt}: {{allow: others}}\n")
}

/// The policies that the settings make somebody refuse, as a step expects them.
fn refusals(names: &[String], policies: &[String], settings: &DrawnSettings) -> String {
    let refused = names.iter().zip(policies).filter_map(|(name, policy)| {
        settings
            .refuser(policy)
            .map(|(refuser, saying)| format!("    {name}: {{by: {refuser}, saying: {saying}}}\n"))
    });
    let refused: String = refused.collect();
    if refused.is_empty() { refused } else { format!("  rejected:\n{refused}") }
}

/// One value of a strategy.
fn drawn<S: Strategy>(runner: &mut TestRunner, strategy: S) -> Result<S::Value, Box<dyn Error>> {
    Ok(strategy.new_tree(runner).map_err(|reason| reason.to_string())?.current())
}
