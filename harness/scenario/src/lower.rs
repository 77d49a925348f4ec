//! Turns a scenario file into a [`Scenario`]: resolves every name and collects every mistake, without reading the
//! disk.

mod answers;
pub(crate) mod attempt;
mod audited;
mod backend;
pub(crate) mod changes;
mod invariants;
pub(crate) mod manifest;
pub(crate) mod mistake;
mod names_over_time;
pub(crate) mod policies;
pub(crate) mod served;
pub(crate) mod settings;
pub(crate) mod suggest;
pub(crate) mod table;
pub(crate) mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::file::{Located, ModeWord, ScenarioFile, StepFile};
use crate::policy::Manifest;
use crate::scenario::{Difference, Enforcement, Row, Scenario, Step};
use crate::settings::Settings;
use crate::topology::Topology;
use crate::version::{CiliumVersion, VersionRange};

use mistake::{Mistake, Mistakes};
use settings::{GivenSettings, SettingVersions};
use topology::{TopologyDraft, TopologyPart};

/// A scenario file with everything it refers to.
pub(crate) struct ScenarioInput<'a> {
    /// The file, as the user named it.
    pub(crate) file: &'a Arc<str>,
    /// Its content.
    pub(crate) content: &'a ScenarioFile,
    /// The topology files in the order of rising precedence; the scenario's own is last.
    pub(crate) parts: &'a [TopologyPart],
    /// The settings that the command is given.
    pub(crate) given: Option<&'a GivenSettings>,
    /// The manifests that follow in the scenario file.
    pub(crate) inline: &'a [Manifest],
    /// The manifests of every policy file and folder that a step names. Entries that cannot be read are missing.
    pub(crate) entries: &'a BTreeMap<String, Vec<Manifest>>,
}

/// Lowers a scenario. The result may only be used if no mistake was found.
pub(crate) fn lower(input: &ScenarioInput<'_>, mistakes: &mut Mistakes) -> Scenario {
    let ScenarioInput { file, content, .. } = *input;
    check_text(&content.scenario, "the scenario's name", file, mistakes);
    check_text(&content.about, "`about`", file, mistakes);
    let cilium = content.cilium.as_ref().and_then(|range| version_range(range, file, mistakes));
    let cilium = cilium.unwrap_or_else(VersionRange::all);
    let before = mistakes.errors();
    let mut draft = topology::lower(input.parts, mistakes);
    settings::lower(input.parts, input.given, SettingVersions::OfScenario(&cilium), &mut draft, mistakes);
    let mut is_sound = mistakes.errors() == before;
    if content.steps.value.is_empty() {
        mistakes.add(file, content.steps.position, Mistake::new("a scenario has at least one step"));
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut drafts = Vec::new();
    for raw in &content.steps.value {
        let name = &raw.value.step;
        check_text(name, "the step's name", file, mistakes);
        if !names.insert(&name.value) {
            let message = format!("two steps are called `{}`", name.value);
            mistakes.add(file, name.position, Mistake::new(message));
        }
        let before = mistakes.errors();
        changes::apply(&raw.value, file, &mut draft, mistakes);
        draft.topology.audited = audited::lower(&raw.value, file, &draft, mistakes);
        names_over_time::apply(&raw.value, drafts.last(), file, &mut draft, mistakes);
        is_sound &= mistakes.errors() == before;
        drafts.push(draft.clone());
    }
    let topologies: Vec<&Topology> = drafts.iter().map(|draft| &draft.topology).collect();
    if !topologies.is_empty() {
        let before = mistakes.errors();
        topology::services::check(input.parts, &topologies, &draft.broken, mistakes);
        is_sound &= mistakes.errors() == before;
    }
    let invariants = invariants::lower(&content.invariants, (&names, &topologies), file, mistakes);
    manifest::check_all(input.inline, mistakes);
    manifest::check_twice(input.inline, mistakes);
    if !is_sound {
        // If the topology has mistakes, those of its tables would only follow from them.
        drafts.clear();
    }
    let steps = content.steps.value.iter().zip(drafts);
    let mut lowered: Vec<Step> = Vec::new();
    for (raw, draft) in steps {
        let before = lowered.last().map(|step| step.table.as_slice());
        let step = step(input, (raw, draft, before), &cilium, mistakes);
        lowered.push(step);
    }
    if is_sound {
        policies::check_unused(input, mistakes);
    }
    let (name, about) = (content.scenario.value.clone(), content.about.value.clone());
    let place = content.scenario.position.in_file(file);
    Scenario { name, about, place, cilium, invariants, steps: lowered }
}

fn step(
    input: &ScenarioInput<'_>,
    (raw, draft, before): (&Located<StepFile>, TopologyDraft, Option<&[Row]>),
    cilium: &VersionRange,
    mistakes: &mut Mistakes,
) -> Step {
    let file = input.file;
    let content = &raw.value;
    let in_force = policies::in_force(input, content, &draft, mistakes);
    let rejected = policies::refusals(&content.rejected, &in_force, file, mistakes);
    if content.expect.value.0.is_empty() {
        let mistake = Mistake::new(format!("step `{}` expects nothing", content.step.value));
        mistakes.add(file, content.expect.position, mistake);
    }
    let sources = draft.sources();
    let against = table::TableContext { file, draft: &draft, sources: &sources, in_force: &in_force, before };
    let table = table::rows(&against, &content.expect.value, mistakes);
    names_over_time::hold_against_kept(&content.expired, &table, &draft.topology, file, mistakes);
    let mut differences: Vec<Difference> = Vec::new();
    for difference in &content.differs {
        let difference = &difference.value;
        check_text(&difference.because, "`because`", file, mistakes);
        if let Some(see) = difference.see.as_ref().filter(|see| !see.value.starts_with("https://")) {
            let message = format!("`{}` is not an address that begins with `https://`", see.value);
            mistakes.add(file, see.position, Mistake::new(message));
        }
        let range = version_range(&difference.cilium, file, mistakes);
        let cells = table::replaced_cells(&against, &difference.expect, &table, mistakes);
        let rejected =
            difference.rejected.as_ref().map(|table| policies::refusals(table, &in_force, file, mistakes));
        if difference.expect.0.is_empty() && rejected.is_none() {
            let mistake = Mistake::new("this difference has neither `expect` nor `rejected`");
            mistakes.add(file, difference.cilium.position, mistake);
        }
        let Some(range) = range else { continue };
        if !CiliumVersion::ALL.iter().any(|version| range.contains(*version) && cilium.contains(*version)) {
            let message = format!("`{range}` has no version in common with the scenario's `{cilium}`");
            mistakes.add(file, difference.cilium.position, Mistake::new(message));
        }
        let because = difference.because.value.clone();
        let see = difference.see.as_ref().map(|see| see.value.clone());
        let new = Difference { cilium: range, because, see, cells, rejected };
        overlaps(&differences, &new, difference.cilium.position, file, mistakes);
        differences.push(new);
    }
    Step {
        name: content.step.value.clone(),
        place: content.step.position.in_file(file),
        expired: content.expired.iter().filter_map(|name| name.value.parse().ok()).collect(),
        enforcement: enforcement(content, &draft.topology.settings),
        field_validation: content.field_validation.into(),
        policies: in_force.manifests.into_iter().map(|(manifest, _)| manifest).collect(),
        rejected,
        sources,
        table,
        differences,
        topology: draft.topology,
    }
}

/// How policies are enforced in a step: by its own mode, else by the settings.
fn enforcement(step: &StepFile, settings: &Settings) -> Enforcement {
    match step.mode {
        ModeWord::Default => settings.enforcement,
        mode => mode.into(),
    }
}

/// A mistake if two differences give the same cell, or the refusals, for the same version.
fn overlaps(
    earlier: &[Difference],
    new: &Difference,
    position: crate::place::Position,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) {
    for other in earlier {
        let common = CiliumVersion::ALL
            .iter()
            .find(|version| new.cilium.contains(**version) && other.cilium.contains(**version));
        let Some(version) = common else { continue };
        for (attempt, source, expectation) in &new.cells {
            if let Some((.., first)) = other.cells.iter().find(|cell| cell.0 == *attempt && cell.1 == *source)
            {
                let message = format!("for Cilium {version}, the cell of `{source}` is given twice");
                let position =
                    crate::place::Position { line: expectation.place.line, column: expectation.place.column };
                let help = format!("it is also given at line {}", first.place.line);
                mistakes.add(file, position, Mistake::new(message).help(help));
            }
        }
        if new.rejected.is_some() && other.rejected.is_some() {
            let message = format!("for Cilium {version}, `rejected` is given twice");
            mistakes.add(file, position, Mistake::new(message));
        }
    }
}

fn version_range(text: &Located<String>, file: &Arc<str>, mistakes: &mut Mistakes) -> Option<VersionRange> {
    mistakes.keep(file, text.position, text.value.parse::<VersionRange>())
}

fn check_text(text: &Located<String>, what: &str, file: &Arc<str>, mistakes: &mut Mistakes) {
    if text.value.trim().is_empty() {
        mistakes.add(file, text.position, Mistake::new(format!("{what} is empty")));
    } else if what.ends_with("name") && text.value.chars().any(char::is_control) {
        mistakes.add(file, text.position, Mistake::new(format!("{what} is more than one line of text")));
    }
}
