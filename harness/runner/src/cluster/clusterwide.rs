//! Clusterwide policies: which scenarios have them, and what they select outside their scenario.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use verdikt_cluster::inspect::Facts;
use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_engine::selected::Selected;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::{Labels, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::refusals::options;

/// How many names are listed for each kind.
const LISTED: usize = 8;

/// Whether scenarios with clusterwide policies run on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clusterwide {
    /// They are skipped.
    Skipped,
    /// They run, and what they select outside their scenario is listed: the user has allowed it on a shared cluster.
    Listed,
    /// They run: verdikt created the cluster.
    Allowed,
}

/// Why a scenario is skipped; none if it has no clusterwide policy and no local redirect policy.
pub(super) fn unfit(clusterwide: Clusterwide, scenario: &Scenario) -> Option<String> {
    if clusterwide != Clusterwide::Skipped {
        return None;
    }
    if let Some(redirect) = redirects(scenario).next() {
        return Some(format!(
            "it has the local redirect policy {redirect}, which is in force for every pod of its node; `--clusterwide` runs it"
        ));
    }
    let policy = scenario.steps.iter().flat_map(of_step).next()?.object();
    Some(format!(
        "it has a policy that is in force for every pod of the cluster, {policy}; `--clusterwide` lists the pods \
         that it selects, and runs it"
    ))
}

/// Whether a scenario has policies that may select pods outside the scenario.
pub fn has_clusterwide_policies(scenario: &Scenario) -> bool {
    scenario.steps.iter().flat_map(of_step).next().is_some()
}

/// The local redirect policies of a scenario, which may lead elsewhere what pods outside the scenario send.
pub(super) fn redirects(scenario: &Scenario) -> impl Iterator<Item = &NamespacedName> {
    scenario.steps.iter().flat_map(|step| step.topology.redirects.keys())
}

/// The clusterwide policies of a step: all kinds except namespaced ones and those that select nothing.
fn of_step(step: &Step) -> impl Iterator<Item = &Manifest> {
    step.policies.iter().filter(|manifest| {
        let kind = manifest.object().policy_kind();
        kind != Some(PolicyKind::CiliumCidrGroup) && !kind.is_some_and(PolicyKind::is_namespaced)
    })
}

/// What one clusterwide policy selects outside its scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterwideReach {
    /// The scenario.
    pub scenario: String,
    /// The policy.
    pub policy: ObjectRef,
    /// The pods and nodes outside the scenario.
    pub selected: Selected,
}

/// Finds what the clusterwide policies of a scenario select outside it. `others` are the existing pods. A policy that
/// the engine cannot read selects nothing.
pub fn reach(
    facts: &Facts,
    others: &Topology,
    scenario: &Scenario,
    version: CiliumVersion,
) -> Vec<ClusterwideReach> {
    let nodes: BTreeMap<String, Labels> =
        facts.nodes.iter().map(|(name, node)| (name.clone(), node.labels.clone())).collect();
    let mut found: BTreeMap<ObjectRef, Selected> = BTreeMap::new();
    for step in &scenario.steps {
        let policies: Vec<Manifest> = of_step(step).cloned().collect();
        for policy in &policies {
            found.entry(policy.object()).or_default();
        }
        let others = Topology { settings: step.topology.settings.clone(), ..others.clone() };
        let model = PolicyModel::new(&others, &policies, &options(step, version), &LearnedNames::default());
        for (policy, selected) in model.selected(&nodes) {
            let of_others = |pod: &_| others.pods.contains_key(pod) && !step.topology.pods.contains_key(pod);
            let all = found.entry(policy).or_default();
            all.pods.extend(selected.pods.into_iter().filter(of_others));
            all.nodes.extend(selected.nodes);
        }
    }
    let reach = |(policy, selected)| ClusterwideReach { scenario: scenario.name.clone(), policy, selected };
    found.into_iter().map(reach).collect()
}

impl fmt::Display for ClusterwideReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selected { pods, nodes } = &self.selected;
        let pods = listed("pod", pods.iter().map(ToString::to_string));
        let nodes = listed("node", nodes.iter().cloned());
        let all: Vec<String> = pods.into_iter().chain(nodes).collect();
        let all = if all.is_empty() { "nothing outside it".to_owned() } else { all.join("; ") };
        write!(f, "{} of {}: {all}", self.policy, self.scenario)
    }
}

/// `3 pods (a, b, c)`, with the first of many names; none for an empty list.
fn listed(what: &str, names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let count = names.len();
    let shown: Vec<String> = names.take(LISTED).collect();
    let more = if count > LISTED { ", …" } else { "" };
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| format!("{count} {what}{plural} ({}{more})", shown.join(", ")))
}
