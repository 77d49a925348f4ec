//! What a question is about: a topology, the policies in force, and the settings, from a scenario's step or from
//! manifests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verdikt_engine::model::{Learned, ModelOptions, PolicyModel};
use verdikt_runner::model::model_of_step;
use verdikt_scenario::loader::FileReach;
use verdikt_scenario::plain::Plain;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::topology::Topology;
use verdikt_scenario::version::CiliumVersion;

use crate::commands::load_scenarios;
use crate::failure::Failure;
use crate::live;
use crate::printer::Printer;

/// A situation, read.
#[derive(Debug)]
pub(crate) struct LoadedSituation {
    /// Where it comes from, for titles.
    pub(crate) title: String,
    content: SituationContent,
}

/// What a command asks to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SituationRequest<'a> {
    pub(crate) paths: &'a [PathBuf],
    /// The context of a cluster that is read in their place.
    pub(crate) context: Option<&'a str>,
    /// The step of a scenario; none is the last.
    pub(crate) step: Option<&'a str>,
    pub(crate) reach: FileReach,
    /// The name of the command.
    pub(crate) command: &'static str,
}

#[derive(Debug)]
enum SituationContent {
    /// A step of a scenario, by its index.
    Step(Box<Scenario>, usize),
    /// Manifests.
    Manifests(Box<Topology>, Vec<Manifest>),
}

impl LoadedSituation {
    /// Reads what the paths of a command are about.
    pub(crate) fn read(asked: &SituationRequest<'_>, printer: &Printer) -> Result<Self, Failure> {
        let SituationRequest { paths, context, step, reach, .. } = *asked;
        if let Some(context) = context {
            return of_manifests(asked, Plain::line(&format!("context {context}")).into(), printer);
        }
        let title = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        let title = Plain::line(&title).into();
        if let [path] = paths
            && !path.is_dir()
            && verdikt_manifests::loader(paths, reach).has_scenario(path)
        {
            return Self::of_scenario(path, step, reach, printer);
        }
        if let Some(step) = step {
            return Err(Failure::wrong(format!("there is no step `{step}`: manifests have none"))
                .hint("name the file of a scenario, or leave `--step` out"));
        }
        of_manifests(asked, title, printer)
    }

    fn of_scenario(
        path: &Path,
        step: Option<&str>,
        reach: FileReach,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let mut loaded = load_scenarios(&[path.to_owned()], reach, printer)?;
        let (Some(scenario), true) = (loaded.scenarios.pop(), loaded.scenarios.is_empty()) else {
            return Err(Failure::wrong(format!("`{}` holds more than one scenario", path.display()))
                .hint("name the file of one"));
        };
        let index = step_index(&scenario, step)?;
        Ok(Self::of_step(scenario, index))
    }

    /// A step of a scenario.
    pub(crate) fn of_step(scenario: Scenario, index: usize) -> Self {
        let title = format!("{}/{}", scenario.name, scenario.steps[index].name);
        Self { title: Plain::line(&title).into(), content: SituationContent::Step(Box::new(scenario), index) }
    }

    /// The same situation, whose files have other names.
    #[must_use]
    pub(crate) fn renamed(mut self, rename: impl Fn(&Arc<str>) -> Arc<str>) -> Self {
        let policies: Vec<&mut Manifest> = match &mut self.content {
            SituationContent::Step(scenario, _) => {
                scenario.steps.iter_mut().flat_map(|step| &mut step.policies).collect()
            }
            SituationContent::Manifests(_, policies) => policies.iter_mut().collect(),
        };
        for manifest in policies {
            manifest.file = rename(&manifest.file);
        }
        self
    }

    /// The scenario, where it is a step of one.
    pub(crate) fn scenario(&self) -> Option<&Scenario> {
        match &self.content {
            SituationContent::Step(scenario, _) => Some(scenario),
            SituationContent::Manifests(..) => None,
        }
    }

    /// The topology.
    pub(crate) fn topology(&self) -> &Topology {
        match &self.content {
            SituationContent::Step(scenario, index) => &scenario.steps[*index].topology,
            SituationContent::Manifests(topology, _) => topology,
        }
    }

    /// The policies that somebody wants to be in force.
    pub(crate) fn policies(&self) -> &[Manifest] {
        match &self.content {
            SituationContent::Step(scenario, index) => &scenario.steps[*index].policies,
            SituationContent::Manifests(_, policies) => policies,
        }
    }

    /// The policies, compiled for a version of Cilium.
    pub(crate) fn model(&self, version: CiliumVersion) -> PolicyModel<'_> {
        let of_step = match &self.content {
            SituationContent::Step(scenario, index) => model_of_step(scenario, *index, None, version),
            SituationContent::Manifests(..) => None,
        };
        of_step.unwrap_or_else(|| {
            let options = ModelOptions { version, ..ModelOptions::default() };
            PolicyModel::new(self.topology(), self.policies(), &options, &Learned::default())
        })
    }

    /// Tells of every policy that is refused, and so has no part in an answer.
    pub(crate) fn tell_refused(&self, model: &PolicyModel<'_>, printer: &Printer) {
        let judged = self.policies().iter().zip(model.judgements());
        for (manifest, refused) in judged.filter_map(|(manifest, it)| Some((manifest, it.refused()?))) {
            printer.note(&format!(
                "not in force: {} at {}, which {} refuses: {}",
                manifest.object(),
                manifest.place(refused.position),
                refused.by,
                Plain::line(&refused.message)
            ));
        }
        if self.policies().is_empty() {
            printer.note(&format!("{} has no policies: nothing is denied", self.title));
        }
    }
}

/// The index of a step by its name; that of the last if no name is given.
pub(crate) fn step_index(scenario: &Scenario, name: Option<&str>) -> Result<usize, Failure> {
    let Some(name) = name else { return Ok(scenario.steps.len() - 1) };
    let found = scenario.steps.iter().position(|step| step.name == name);
    found.ok_or_else(|| {
        let names: Vec<String> = scenario.steps.iter().map(|step| format!("`{}`", step.name)).collect();
        Failure::wrong(format!("the scenario {} has no step `{name}`", scenario.name))
            .hint(format!("its steps are {}", names.join(", ")))
    })
}

/// Reads manifests.
fn of_manifests(
    asked: &SituationRequest<'_>,
    title: String,
    printer: &Printer,
) -> Result<LoadedSituation, Failure> {
    let SituationRequest { paths, context, reach, command, .. } = *asked;
    let read = match context {
        Some(context) => live::situation(context)?,
        None => verdikt_manifests::read(&mut verdikt_manifests::loader(paths, reach), paths, None),
    };
    if read.mistakes().next().is_some() {
        return Err(Failure::mistakes(read.diagnostics, read.sources));
    }
    if let Some(remark) = read.not_rendered(command) {
        return Err(Failure::wrong(remark));
    }
    printer.diagnostics(&read.diagnostics, &read.sources);
    if let Some(path) = read.without.first() {
        let shown = Plain::line(&path.display().to_string());
        return Err(Failure::nothing(format!("`{shown}` has no manifest"))
            .hint("manifests are in .yaml, .yml and .json files; `-` is the standard input"));
    }
    if read.topology.pods.is_empty() && read.policies.is_empty() {
        return Err(Failure::nothing(format!("{title} has neither workloads nor policies")));
    }
    if read.topology.pods.is_empty() {
        printer.note(&format!("{title} has no workloads: there are only the ends that policies name"));
    }
    Ok(LoadedSituation {
        title,
        content: SituationContent::Manifests(Box::new(read.topology), read.policies),
    })
}
