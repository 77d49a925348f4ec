//! `verdikt diff`: what differs between two situations.

use std::path::PathBuf;
use std::process::ExitCode;

use verdikt_analysis::diff::{ChangeKind, ComparedSituation, Diff};
use verdikt_analysis::render::diff::{DiffView, json, markdown, sarif, text};

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

/// The two situations that are compared.
fn situations(arguments: &DiffArguments, printer: &Printer) -> Result<[LoadedSituation; 2], Failure> {
    let DiffArguments { paths, git, step, cilium, files, .. } = arguments;
    let read = |paths: &[PathBuf], step: Option<&str>| {
        LoadedSituation::read(
            &SituationRequest { paths, context: None, step, reach: files.reach(), command: "diff" },
            printer,
        )
    };
    let one_step = step.first().map(String::as_str);
    if let Some(revisions) = git {
        return of_revisions(arguments, &revisions.parse()?, printer);
    }
    if let [first, second] = step.as_slice() {
        let [path] = paths.as_slice() else {
            return Err(Failure::wrong("two steps are of one scenario").hint("name one scenario file"));
        };
        let base = read(std::slice::from_ref(path), Some(first))?;
        let scenario = base.scenario().cloned().unwrap_or_else(|| unreachable!("only a scenario has steps"));
        let index = step_index(&scenario, Some(second))?;
        return Ok([base, LoadedSituation::of_step(scenario, index)]);
    }
    if step.len() > 2 {
        return Err(Failure::wrong("`--step` is given at most twice"));
    }
    if cilium.differ() {
        return Ok([read(paths, one_step)?, read(paths, one_step)?]);
    }
    match paths.as_slice() {
        [base, head] => {
            Ok([read(std::slice::from_ref(base), one_step)?, read(std::slice::from_ref(head), one_step)?])
        }
        _ => Err(Failure::wrong("two situations are compared: BASE and HEAD")
            .hint("or one, with `--git REV`, `--cilium 1.18..1.20`, or `--step` twice")),
    }
}

/// The paths as they are in one revision, and in another or in the work tree.
fn of_revisions(
    arguments: &DiffArguments,
    revisions: &Revisions,
    printer: &Printer,
) -> Result<[LoadedSituation; 2], Failure> {
    let DiffArguments { paths, step, files, cilium, .. } = arguments;
    if cilium.differ() {
        return Err(Failure::wrong(
            "two revisions are compared for one Cilium version, and `--cilium` has two",
        ));
    }
    if step.len() > 1 {
        return Err(Failure::wrong("`--git` compares one step, and `--step` is given twice"));
    }
    let step = step.first().map(String::as_str);
    let repository = Repository::around(paths)?;
    let read = |paths: &[PathBuf]| {
        LoadedSituation::read(
            &SituationRequest { paths, context: None, step, reach: files.reach(), command: "diff" },
            printer,
        )
    };
    let of_revision = |revision: &str| {
        let checkout = repository.read(revision, paths)?;
        let situation = read(&checkout.paths);
        let situation = situation.map_err(|failure| failure.renamed(|file| checkout.name_of(file)))?;
        let mut situation = situation.renamed(|file| checkout.name_of(file));
        if situation.scenario().is_none() {
            situation.title.clone_from(&checkout.title);
        } else {
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
    let head = read(paths)?;
    Ok([base, head])
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
