//! Mistakes in the policies of a step, and warnings of legal ones that are almost surely wrong.

mod certificate_dates;

use std::collections::{BTreeMap, BTreeSet};

use verdikt_engine::lint::{EGRESS_CUTS_DNS, Findings, lint};
use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::expect::{Expectation, VerdictWord};
use verdikt_scenario::name::{DnsName, NamespacedName};
use verdikt_scenario::prediction::Answer;
use verdikt_scenario::scenario::{Row, Scenario, Step};
use verdikt_scenario::topology::{CLUSTER_DOMAIN, DNS_PORT, Endpoint, Protocol};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::timestamp::Timestamp;

use self::certificate_dates::certificate_dates;
use crate::filter::{Filter, selected};
use crate::refusals::options;

/// How many sources a warning names.
const NAMED: usize = 3;

/// The findings about a step before it is run.
#[derive(Clone, Debug, Default)]
pub struct StepFindings {
    /// Objects that are refused although nobody expects it.
    pub mistakes: Vec<Diagnostic>,
    /// What is legal and almost surely not what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// Checks the policies of a step. That they cut off the DNS server is told of those in files of their own, which are deployed
/// as they are, and of all where the scenario looks up a name: one that stands beside its policies and looks up none is about
/// something else. Dates in certificates are checked if the time is given.
pub fn findings(
    scenario: &Scenario,
    step: &Step,
    version: CiliumVersion,
    now: Option<Timestamp>,
) -> StepFindings {
    let expected: BTreeSet<usize> = step.refusals(version).iter().map(|refusal| refusal.policy).collect();
    let Findings { refusals, mut warnings } =
        lint(Some(&step.topology), &step.policies, &options(step, version));
    let unexpected = refusals.into_iter().filter(|refusal| !expected.contains(&refusal.object));
    let mistakes = unexpected.map(|refusal| refusal.mistake).collect();
    if !looks_up_names(scenario) {
        let is_of_names = |warning: &Diagnostic| warning.code.as_deref() == Some(EGRESS_CUTS_DNS);
        warnings.retain(|warning| !(is_of_names(warning) && warning.place.file == scenario.place.file));
    }
    warnings.extend(not_looked_up(step, version));
    warnings.extend(now.map(|now| certificate_dates(step, now)).unwrap_or_default());
    StepFindings { mistakes, warnings }
}

/// The warnings before a run: of the steps that the filters want, each warning once, in the order of places.
pub fn warnings(
    scenarios: &[Scenario],
    version: CiliumVersion,
    filters: &[Filter],
    now: Option<Timestamp>,
) -> Vec<Diagnostic> {
    let applicable = scenarios.iter().filter(|scenario| scenario.cilium.contains(version));
    let steps = applicable.flat_map(|scenario| {
        let is_selected = |step: &&Step| filters.is_empty() || !selected(scenario, step, filters).is_empty();
        scenario.steps.iter().filter(is_selected).map(move |step| (scenario, step))
    });
    let warnings: BTreeSet<Diagnostic> =
        steps.flat_map(|(scenario, step)| findings(scenario, step, version, now).warnings).collect();
    warnings.into_iter().collect()
}

/// Whether an attempt of a scenario looks up a name.
fn looks_up_names(scenario: &Scenario) -> bool {
    let mut rows = scenario.steps.iter().flat_map(|step| &step.table);
    rows.any(|row| match row.attempt.plain() {
        Attempt::Dns { .. } => true,
        attempt => matches!(attempt.target(), Some(Target::Name(_))),
    })
}

/// Attempts that name a service by its short form, and so look up no name, where a program that asks for the name would
/// fail: its queries are denied.
fn not_looked_up(step: &Step, version: CiliumVersion) -> Vec<Diagnostic> {
    let passes = |(source, cell): &&(Endpoint, Expectation)| {
        matches!(source, Endpoint::Pod(_)) && cell.expected.verdict == VerdictWord::Allow
    };
    let rows = step.table.iter().filter(|row| row.cells.iter().any(|cell| passes(&cell)));
    let rows: Vec<(&Row, DnsName)> =
        rows.filter_map(|row| Some((row, name_of(service_of(&row.attempt)?)?))).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let model =
        PolicyModel::new(&step.topology, &step.policies, &options(step, version), &LearnedNames::default());
    let mut answers: BTreeMap<(&Endpoint, &DnsName), bool> = BTreeMap::new();
    let mut warnings = Vec::new();
    for (row, name) in &rows {
        let query = Attempt::Dns { name: name.clone(), protocol: Protocol::Udp };
        let mut denied: Vec<&Endpoint> = Vec::new();
        for (source, _) in row.cells.iter().filter(|cell| passes(cell)) {
            let is_denied = || matches!(model.predict(source, &query).answer, Answer::Deny(_));
            if *answers.entry((source, name)).or_insert_with(is_denied) {
                denied.push(source);
            }
        }
        if !denied.is_empty() {
            warnings.push(warning(row, name, &denied));
        }
    }
    warnings
}

fn warning(row: &Row, name: &DnsName, denied: &[&Endpoint]) -> Diagnostic {
    let named: Vec<String> = denied.iter().take(NAMED).map(|source| format!("`{source}`")).collect();
    let more = denied.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = format!(
        "`{}` looks up no name, and the policy of {}{more} denies the query for `{name}`",
        row.attempt,
        named.join(", ")
    );
    let help =
        "a program that uses the name fails: write the name in place of the service to have it looked up";
    Diagnostic::warning(row.place.clone(), "not-looked-up", message).help(help)
}

/// The service that an attempt names by its short form, other than the one in front of the DNS server.
fn service_of(attempt: &Attempt) -> Option<&NamespacedName> {
    let (Target::Service(service) | Target::Backend { service, .. }) = attempt.target()? else { return None };
    (attempt.port().is_none_or(|port| port.get() != DNS_PORT)).then_some(service)
}

fn name_of(service: &NamespacedName) -> Option<DnsName> {
    format!("{}.{}.svc.{CLUSTER_DOMAIN}", service.name, service.namespace).parse().ok()
}
