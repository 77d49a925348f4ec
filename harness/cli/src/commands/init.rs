//! `verdikt init`: a first scenario from manifests, with the table that the policy model predicts.

mod reference;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_manifests::Situation;
use verdikt_manifests::init::{
    FirstScenario, ManifestReference, Predicted, RefusedPolicy, ScenarioDraft, first_scenario,
};
use verdikt_manifests::situation::{loader, read};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::expect::VerdictWord;
use verdikt_scenario::plain::{Plain, counted};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Answer;
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_scenario::version::CiliumVersion;

use self::reference::{CommandPaths, is_stream};
use crate::arguments::Init;
use crate::exit;
use crate::failure::Failure;
use crate::files::{self, NewFolder};
use crate::live;
use crate::printer::Printer;
use crate::situation::{paths_with, take_settings};

/// The most cells of a table; nobody would review more.
const MOST_CELLS: usize = 200_000;

pub(crate) fn init(arguments: &Init, printer: &Printer) -> Result<ExitCode, Failure> {
    let is_for_stdout = arguments.output == Path::new("-");
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| reference::name_of(&arguments.paths, arguments.context.as_deref()));
    let target = arguments.output.join(format!("{name}.yaml"));
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(Failure::wrong(format!(
            "`{}` cannot be the name of a scenario and its file",
            Plain::line(&name)
        ))
        .hint("name it with `--name`"));
    }
    check_output(&arguments.output)?;
    if !is_for_stdout && !arguments.force && target.symlink_metadata().is_ok() {
        let message = format!("there is a scenario `{}` already", Plain::line(&target.display().to_string()));
        return Err(Failure::wrong(message).hint("replace it with `--force`, or name another with `--name`"));
    }
    let situation = situation(arguments, printer)?;
    let folder = if is_for_stdout { PathBuf::from(".") } else { arguments.output.clone() };
    let is_cluster = arguments.context.is_some();
    let settings = arguments.settings.file();
    let given = CommandPaths { paths: &arguments.paths, policies: &arguments.policies, settings, is_cluster };
    let _folder = NewFolder::make(&folder).map_err(|error| Failure::file("make", &folder, &error))?;
    let reference = given.reference(&folder, &situation.policies)?;
    let written = ReferenceText { manifests: &reference, values: given.values(&folder)? };
    let first = draft(arguments, &situation, &written, &name)?;
    if is_for_stdout {
        Printer::data(&first.text)?;
    } else {
        files::replace(&target, first.text.as_bytes())
            .map_err(|error| Failure::file("write", &target, &error))?;
    }
    tell(&first, &situation, printer);
    if !is_for_stdout {
        let outside = if given.is_reachable_from(&folder) { "" } else { " --allow-outside" };
        let target = target.display();
        Printer::tell(&format!("wrote {target}; read it, and run it: `verdikt run {target}{outside}`\n"));
    }
    Ok(ExitCode::from(exit::AS_EXPECTED))
}

/// Fails if `--output` names the file, and not its folder.
fn check_output(output: &Path) -> Result<(), Failure> {
    let is_for_yaml = output.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let Some(name) = output.file_stem().filter(|_| is_for_yaml && !output.is_dir()) else { return Ok(()) };
    let folder = output.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let line = |path: &Path| Plain::line(&path.display().to_string()).to_string();
    let hint = format!("name both: `--output {} --name {}`", line(folder), line(Path::new(name)));
    Err(Failure::wrong(format!(
        "`--output` takes the folder of the scenario, and `{}` is a file",
        line(output)
    ))
    .hint(hint))
}

/// Reads the paths of the command; fails on any mistake.
fn situation(arguments: &Init, printer: &Printer) -> Result<Situation, Failure> {
    let settings = arguments.settings.file();
    let named: Vec<PathBuf> = arguments.paths.iter().chain(&arguments.policies).cloned().collect();
    let mut loader = loader(&paths_with(&named, settings), arguments.files.reach());
    take_settings(&mut loader, settings, arguments.cilium, printer)?;
    let namespace = arguments.namespace.as_ref();
    let mut situation = match &arguments.context {
        Some(context) => {
            let mut situation = live::situation(context)?;
            situation.topology.settings = loader.settings().cloned().unwrap_or(situation.topology.settings);
            situation
        }
        None => read(&mut loader, &arguments.paths, namespace),
    };
    if let Some(remark) = situation.not_rendered("init") {
        return Err(Failure::wrong(remark));
    }
    if !arguments.policies.is_empty() {
        let policies = read(&mut loader, &arguments.policies, namespace);
        if let Some(remark) = policies.not_rendered("init") {
            return Err(Failure::wrong(remark));
        }
        let of_policies = |manifest: &Manifest| manifest.object().namespace.and_then(|it| it.parse().ok());
        for namespace in policies.policies.iter().filter_map(of_policies) {
            situation.topology.add_namespace(namespace);
        }
        situation.policies = policies.policies;
        situation.diagnostics.extend(policies.diagnostics);
        situation.sources.extend(&policies.sources);
    }
    if situation.mistakes().next().is_some() {
        return Err(Failure::mistakes(situation.diagnostics, situation.sources));
    }
    printer.diagnostics(&situation.diagnostics, &situation.sources);
    Ok(situation)
}

/// How the scenario refers to the files.
struct ReferenceText<'a> {
    manifests: &'a ManifestReference,
    values: Option<String>,
}

fn draft(
    arguments: &Init,
    situation: &Situation,
    written: &ReferenceText<'_>,
    name: &str,
) -> Result<FirstScenario, Failure> {
    let no_namespace = |diagnostic: &Diagnostic| diagnostic.code.as_deref() == Some("no-namespace");
    let named = arguments.namespace.as_ref().map(verdikt_scenario::name::NamespaceName::as_str);
    let default = situation.diagnostics.iter().any(no_namespace).then_some("default");
    let command = reference::command(arguments);
    let draft = ScenarioDraft {
        situation,
        reference: written.manifests,
        values: written.values.as_deref(),
        name,
        command: &command,
        namespace: named.or(default),
        most_cells: MOST_CELLS,
    };
    let predict = |topology: &Topology, cells: &[(Endpoint, Attempt)]| {
        predict(topology, &situation.policies, cells, arguments.cilium)
    };
    first_scenario(&draft, &predict).ok_or_else(|| {
        let message =
            "there is nothing to attempt: no workload declares a port, and no policy names a host outside";
        Failure::nothing(message)
            .hint("name the manifests of workloads and services beside those of policies")
    })
}

/// Predicts the table.
fn predict(
    topology: &Topology,
    policies: &[Manifest],
    cells: &[(Endpoint, Attempt)],
    version: CiliumVersion,
) -> Predicted {
    let enforcement = topology.settings.enforcement;
    let options = ModelOptions { version, enforcement, ..ModelOptions::default() };
    let model = PolicyModel::new(topology, policies, &options, &LearnedNames::default());
    let refusals = model.acceptances().iter().enumerate();
    let refused = refusals
        .filter_map(|(policy, acceptance)| {
            let refused = acceptance.refused()?;
            Some(RefusedPolicy { policy, by: refused.by, message: refused.message.clone() })
        })
        .collect();
    let step = model.in_step(cells.iter().map(|(source, attempt)| (source, attempt)));
    let verdicts =
        cells.iter().map(|(source, attempt)| expected(step.predict(source, attempt).answer)).collect();
    Predicted { verdicts, refused }
}

/// The expected verdict for an answer; none if the model abstains.
fn expected(answer: Answer) -> Option<VerdictWord> {
    match answer {
        Answer::Allow => Some(VerdictWord::Allow),
        Answer::Deny(point) => Some(VerdictWord::DenyAt(point)),
        Answer::Audit(_) => Some(VerdictWord::Audit),
        Answer::Redirect => Some(VerdictWord::Redirect),
        Answer::Abstain => None,
    }
}

/// Prints what was read, what was skipped, and how large the result is.
fn tell(first: &FirstScenario, situation: &Situation, printer: &Printer) {
    let topology = &situation.topology;
    Printer::tell(&format!(
        "{}, {} and {} read; {} with {}\n",
        counted(topology.pods.len(), "workload"),
        counted(topology.services.len(), "service"),
        counted(situation.policies.len(), "policy object"),
        counted(first.attempts, "attempt"),
        counted(first.cells, "cell"),
    ));
    let skipped: Vec<String> =
        situation.objects.skipped.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !skipped.is_empty() {
        Printer::tell(&format!("skipped: {}\n", skipped.join(", ")));
    }
    if topology.pods.is_empty() {
        printer.note(
            "without workloads the table has no pods as sources: name their manifests beside the policies",
        );
    }
    let on_nodes = situation.objects.host_network.len();
    if on_nodes > 0 {
        let workloads = counted(on_nodes, "workload");
        printer.note(&format!(
            "{workloads} in the network of their nodes: to policies they are the node, whatever their labels"
        ));
    }
    if first.left_out > 0 {
        printer.note(&format!(
            "the table has {} of {} suggested attempts, because it would be too large: run `verdikt init` on a part of the \
             manifests for the others",
            first.attempts,
            first.attempts + first.left_out,
        ));
    }
    for attempt in &first.unknown {
        printer.note(&format!("left out, because the policy model abstains: {attempt}"));
    }
}

/// Whether any of the paths comes through a pipe.
fn any_stream(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| is_stream(path))
}
