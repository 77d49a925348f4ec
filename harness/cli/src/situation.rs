//! The situation that a question is about: a topology, the policies in force, and the settings. It is read from a step of a
//! scenario, or from manifests.

mod manifests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_runner::model::model_of_step;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::loader::{FileReach, Loader};
use verdikt_scenario::place::Place;
use verdikt_scenario::plain::Plain;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::{FieldValidation, Scenario, Step};
use verdikt_scenario::topology::Topology;
use verdikt_scenario::version::{CiliumVersion, VersionRange};

use crate::failure::Failure;
use crate::live;
use crate::printer::Printer;

/// A situation that was read from files, standard input or a cluster.
#[derive(Debug)]
pub(crate) struct LoadedSituation {
    /// Where it comes from, for titles.
    pub(crate) title: String,
    /// The files that it was read from.
    pub(crate) files: BTreeSet<PathBuf>,
    content: SituationContent,
}

/// The sources of a situation, as a command names them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SituationRequest<'a> {
    pub(crate) paths: &'a [PathBuf],
    /// What to call them in place of their paths.
    pub(crate) title: Option<&'a str>,
    /// The context of a cluster to read instead of files.
    pub(crate) context: Option<&'a str>,
    /// The step of a scenario; none is the last.
    pub(crate) step: Option<&'a str>,
    /// The file of Helm values with the settings of Cilium.
    pub(crate) settings: Option<&'a Path>,
    pub(crate) version: CiliumVersion,
    pub(crate) reach: FileReach,
    /// The name of the command.
    pub(crate) command: &'static str,
}

#[derive(Debug)]
enum SituationContent {
    /// A step of a scenario, by its index.
    Step(Box<Scenario>, usize),
    /// Manifests, or a topology file with policies.
    Manifests(Box<Topology>, Vec<Manifest>),
}

impl LoadedSituation {
    /// Reads a situation from the paths of a command.
    pub(crate) fn read(asked: &SituationRequest<'_>, printer: &Printer) -> Result<Self, Failure> {
        let SituationRequest { paths, title, context, step, settings, version, reach, .. } = *asked;
        // One loader for all: a stream can be read only once.
        let mut loader = verdikt_manifests::loader(&paths_with(paths, settings), reach);
        take_settings(&mut loader, settings, version, printer)?;
        if let Some(context) = context {
            let title = Plain::line(&format!("context {context}")).into();
            let mut read = live::situation(context)?;
            read.topology.settings = loader.settings().cloned().unwrap_or(read.topology.settings);
            return manifests::of_cluster(read, asked.command, title, printer);
        }
        let names = || paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        let title = title.map_or_else(|| Plain::line(&names()).into(), str::to_owned);
        if let [path] = paths
            && !path.is_dir()
            && loader.has_scenario(path)
        {
            return Self::of_scenario(&mut loader, path, step, printer);
        }
        if let Some(step) = step {
            return Err(Failure::wrong(format!("there is no step `{step}`: manifests have none"))
                .hint("name the file of a scenario, or leave `--step` out"));
        }
        manifests::read(asked, &mut loader, title, printer)
    }

    fn of_scenario(
        loader: &mut Loader,
        path: &Path,
        step: Option<&str>,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let mut loaded = loader.scenarios(&[path.to_owned()]);
        if loaded.diagnostics.iter().any(|found| found.severity == Severity::Error) {
            return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
        }
        printer.diagnostics(&loaded.diagnostics, &loaded.sources);
        let (Some(scenario), true) = (loaded.scenarios.pop(), loaded.scenarios.is_empty()) else {
            return Err(Failure::wrong(format!("`{}` holds more than one scenario", path.display()))
                .hint("name the file of one"));
        };
        let index = step_index(&scenario, step)?;
        Ok(Self { files: loaded.used, ..Self::of_step(scenario, index) })
    }

    /// A step of a scenario.
    pub(crate) fn of_step(scenario: Scenario, index: usize) -> Self {
        let title = format!("{}/{}", scenario.name, scenario.steps[index].name);
        let (title, files) = (Plain::line(&title).into(), BTreeSet::new());
        Self { title, files, content: SituationContent::Step(Box::new(scenario), index) }
    }

    /// The same as a scenario, by this name where it is none, and the index of its step. Manifests are one of a single step
    /// without a table.
    pub(crate) fn into_scenario(self, name: &str) -> (Scenario, usize) {
        let (topology, policies) = match self.content {
            SituationContent::Step(scenario, index) => return (*scenario, index),
            SituationContent::Manifests(topology, policies) => (*topology, policies),
        };
        let place = Place::start_of(self.title);
        let step = Step {
            name: "as they are".to_owned(),
            place: place.clone(),
            expired: BTreeSet::new(),
            enforcement: topology.settings.enforcement,
            field_validation: FieldValidation::default(),
            policies,
            rejected: Vec::new(),
            sources: topology.sources(),
            table: Vec::new(),
            differences: Vec::new(),
            topology,
        };
        let scenario = Scenario {
            name: name.to_owned(),
            about: String::new(),
            place,
            cilium: VersionRange::all(),
            invariants: Vec::new(),
            steps: vec![step],
        };
        (scenario, 0)
    }

    /// The same situation with other names for its files.
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

    /// The policies of the situation, refused ones too.
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
            let enforcement = self.topology().settings.enforcement;
            let options = ModelOptions { version, enforcement, ..ModelOptions::default() };
            PolicyModel::new(self.topology(), self.policies(), &options, &LearnedNames::default())
        })
    }

    /// Prints every policy that is refused, and therefore not part of an answer.
    pub(crate) fn tell_refused(&self, model: &PolicyModel<'_>, printer: &Printer) {
        let judged = self.policies().iter().zip(model.acceptances());
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

/// The paths of a command, and beside them the file of settings that it names.
pub(crate) fn paths_with(paths: &[PathBuf], settings: Option<&Path>) -> Vec<PathBuf> {
    paths.iter().cloned().chain(settings.map(Path::to_owned)).collect()
}

/// Makes a loader read the settings of Cilium from a file of Helm values.
pub(crate) fn take_settings(
    loader: &mut Loader,
    file: Option<&Path>,
    version: CiliumVersion,
    printer: &Printer,
) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let loaded = loader.take_settings(file, version);
    if loaded.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(Failure::mistakes(loaded.diagnostics, loaded.sources));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    Ok(())
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
