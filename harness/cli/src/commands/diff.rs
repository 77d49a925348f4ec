//! `verdikt diff`: what differs between two situations.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use verdikt_analysis::diff::{ChangeKind, ComparedSituation, Diff};
use verdikt_analysis::render::diff::{DiffView, json, markdown, sarif, text};
use verdikt_scenario::plain::Plain;
use verdikt_scenario::version::CiliumVersion;

use crate::arguments::FileArguments;
use crate::arguments::questions::{DiffArguments, DiffFormat, FailOn};
use crate::exit;
use crate::failure::Failure;
use crate::git::{Repository, Revisions};
use crate::printer::Printer;
use crate::situation::{LoadedSituation, SituationRequest, step_index};

pub(crate) fn diff(arguments: &DiffArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let [base, head] = situations(arguments, printer)?;
    let versions = arguments.cilium;
    let models = (base.model(versions.base), head.model(versions.head));
    let answer = Diff::new(
        ComparedSituation { model: &models.0, manifests: base.policies() },
        ComparedSituation { model: &models.1, manifests: head.policies() },
    );
    for (situation, model) in [(&base, &models.0), (&head, &models.1)] {
        situation.tell_refused(model, printer);
    }
    let titles = [
        format!("{}, Cilium {}", base.title, versions.base),
        format!("{}, Cilium {}", head.title, versions.head),
    ];
    let shown = DiffView {
        diff: &answer,
        titles: [&titles[0], &titles[1]],
        topologies: [base.topology(), head.topology()],
    };
    match arguments.format {
        DiffFormat::Text => Printer::data(&text(&shown))?,
        DiffFormat::Markdown => Printer::data(&markdown(&shown))?,
        DiffFormat::Json => Printer::json(&json(&shown))?,
        DiffFormat::Sarif => Printer::json(&sarif(&shown))?,
    }
    let code = if arguments.fail_on.iter().any(|what| fails(&answer, *what)) {
        exit::DIFFERS
    } else if answer.changes.iter().any(|change| change.kind == ChangeKind::Unknown) {
        exit::INCONCLUSIVE
    } else {
        exit::AS_EXPECTED
    };
    Ok(ExitCode::from(code))
}

/// What is read for one side of a comparison.
#[derive(Clone, Copy)]
struct Side<'a> {
    paths: &'a [PathBuf],
    /// What to call them in place of their paths.
    title: Option<&'a str>,
    step: Option<&'a str>,
    settings: Option<&'a Path>,
    version: CiliumVersion,
}

impl Side<'_> {
    fn read(self, files: FileArguments, printer: &Printer) -> Result<LoadedSituation, Failure> {
        let Self { paths, title, step, settings, version } = self;
        let reach = files.reach();
        let asked =
            SituationRequest { paths, title, context: None, step, settings, version, reach, command: "diff" };
        LoadedSituation::read(&asked, printer)
    }
}

/// The two situations that are compared.
fn situations(arguments: &DiffArguments, printer: &Printer) -> Result<[LoadedSituation; 2], Failure> {
    let DiffArguments { paths, git, step, cilium, settings, files, .. } = arguments;
    if settings.len() > 2 {
        return Err(Failure::wrong("`--settings` is given at most twice"));
    }
    let base = Side {
        paths,
        title: None,
        step: step.first().map(String::as_str),
        settings: settings.first().map(PathBuf::as_path),
        version: cilium.base,
    };
    let head = Side { settings: settings.last().map(PathBuf::as_path), version: cilium.head, ..base };
    if let Some(revisions) = git {
        return of_revisions(arguments, base, &revisions.parse()?, printer);
    }
    if let [_, second] = step.as_slice() {
        if paths.len() != 1 {
            return Err(Failure::wrong("two steps are of one scenario").hint("name one scenario file"));
        }
        let base = base.read(*files, printer)?;
        let scenario = base.scenario().cloned().unwrap_or_else(|| unreachable!("only a scenario has steps"));
        let index = step_index(&scenario, Some(second))?;
        return Ok([base, LoadedSituation::of_step(scenario, index)]);
    }
    if step.len() > 2 {
        return Err(Failure::wrong("`--step` is given at most twice"));
    }
    match paths.as_slice() {
        [one, other] if !cilium.differ() => {
            if !one.exists() && other.exists() {
                return Err(not_there(one, other));
            }
            let base = Side { paths: std::slice::from_ref(one), ..base };
            let head = Side { paths: std::slice::from_ref(other), ..head };
            Ok([base.read(*files, printer)?, head.read(*files, printer)?])
        }
        _ if cilium.differ() => Ok([base.read(*files, printer)?, head.read(*files, printer)?]),
        [_] if settings.len() == 2 => {
            let [mut base, mut head] = [base.read(*files, printer)?, head.read(*files, printer)?];
            for (situation, settings) in [&mut base, &mut head].into_iter().zip(settings) {
                let shown = Plain::line(&settings.display().to_string());
                situation.title = format!("{} with the settings of {shown}", situation.title);
            }
            Ok([base, head])
        }
        _ => Err(Failure::wrong("cannot compare: only one of BASE and HEAD is given")
            .hint("give both paths; or one, with `--git REV`, `--cilium 1.18..1.20`, or `--step` or `--settings` twice")),
    }
}

/// The first of two paths is not there: it may be meant as a revision.
fn not_there(base: &Path, head: &Path) -> Failure {
    let line = |path: &Path| Plain::line(&path.display().to_string()).to_string();
    let (base, head) = (line(base), line(head));
    Failure::wrong(format!("there is no file or folder `{base}`"))
        .hint(format!("if it is a revision of git, write `verdikt diff --git {base} {head}`"))
}

/// The paths as they are in one revision, and in another or in the work tree.
fn of_revisions(
    arguments: &DiffArguments,
    side: Side<'_>,
    revisions: &Revisions,
    printer: &Printer,
) -> Result<[LoadedSituation; 2], Failure> {
    let DiffArguments { paths, step, files, cilium, settings, .. } = arguments;
    if cilium.differ() {
        return Err(Failure::wrong(
            "two revisions are compared for one Cilium version, and `--cilium` has two",
        ));
    }
    if step.len() > 1 {
        return Err(Failure::wrong("`--git` compares one step, and `--step` is given twice"));
    }
    if settings.len() > 1 {
        return Err(Failure::wrong("`--git` reads one file of settings, and `--settings` is given twice"));
    }
    let repository = Repository::around(paths)?;
    // Settings that are kept beside the policies change with them.
    let of_repository = side.settings.filter(|file| repository.holds(file));
    let of_revision = |revision: &str| {
        let checkout = repository.read(revision, paths, of_repository)?;
        let settings = checkout.settings.as_deref().or(side.settings);
        let title = Some(checkout.title.as_str());
        let situation = Side { paths: &checkout.paths, title, settings, ..side }.read(*files, printer);
        let situation = situation.map_err(|failure| failure.renamed(|file| checkout.name_of(file)))?;
        let mut situation = situation.renamed(|file| checkout.name_of(file));
        if situation.scenario().is_some() {
            situation.title = format!("{} in {revision}", situation.title);
        }
        for remark in &checkout.remarks {
            printer.note(remark);
        }
        Ok::<LoadedSituation, Failure>(situation)
    };
    let base = of_revision(&revisions.base)?;
    if let Some(head) = &revisions.head {
        return Ok([base, of_revision(head)?]);
    }
    if let Some(remark) = repository.uncommitted(paths)? {
        printer.note(&remark);
    }
    Ok([base, side.read(*files, printer)?])
}

fn fails(answer: &Diff, what: FailOn) -> bool {
    let any = |kind: ChangeKind| answer.changes.iter().any(|change| change.kind == kind);
    match what {
        FailOn::Opened => any(ChangeKind::Opened),
        FailOn::Closed => any(ChangeKind::Closed),
        FailOn::Proxied => any(ChangeKind::Proxied),
        FailOn::Unproxied => any(ChangeKind::Unproxied),
        FailOn::ProxyRules => any(ChangeKind::ProxyRules),
        FailOn::Unknown => any(ChangeKind::Unknown),
        FailOn::Isolation => !answer.isolation.is_empty(),
        FailOn::Refused => !answer.refused.is_empty(),
        FailOn::Any => {
            !answer.changes.is_empty() || !answer.isolation.is_empty() || !answer.refused.is_empty()
        }
    }
}
