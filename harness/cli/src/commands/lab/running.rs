//! Finds a running lab.

use std::fmt::Write as _;

use verdikt_lab::control::{FoundLab, LabOwner, RunningLab};

use crate::failure::Failure;

/// The lab with a name, or the only running one. Only the user's own labs count.
pub(super) fn find(name: Option<&str>) -> Result<RunningLab, Failure> {
    let found = RunningLab::all().map_err(|error| Failure::machine("cannot look for labs").cause(&error))?;
    let (ours, others): (Vec<FoundLab>, Vec<FoundLab>) =
        found.into_iter().partition(|found| found.whose == LabOwner::Ours);
    let names: Vec<String> = ours.iter().map(|found| format!("`{}`", found.lab.scenario)).collect();
    let name = name.map(RunningLab::name_of);
    let is_meant = |lab: &RunningLab| name.as_ref().is_none_or(|name| lab.scenario == *name);
    let mut meant = ours.into_iter().map(|found| found.lab).filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(lab), None) => Ok(lab),
        (Some(_), Some(_)) => Err(Failure::wrong(format!("several labs run: {}", names.join(", ")))
            .hint("choose one with `--lab NAME`; if two have the same name, stop one of them")),
        (None, _) => {
            let others: Vec<FoundLab> = others.into_iter().filter(|found| is_meant(&found.lab)).collect();
            Err(if names.is_empty() {
                Failure::wrong("you have no running lab")
            } else {
                Failure::wrong(format!(
                    "you have no running lab of that name; your labs: {}",
                    names.join(", ")
                ))
            }
            .hint(advice(&others)))
        }
    }
}

/// The hint about labs of other users.
fn advice(others: &[FoundLab]) -> String {
    if others.is_empty() {
        return "start one in another terminal: `verdikt lab SCENARIO`".to_owned();
    }
    let mut advice = String::new();
    for FoundLab { lab, whose } in others {
        let line = match whose {
            LabOwner::OfUser(user) => {
                format!("the lab `{}` belongs to user {user}: run this as that user", lab.scenario)
            }
            LabOwner::Ours | LabOwner::NotTheLab => format!(
                "another process than {} listens in place of the lab `{}`, and is ignored",
                lab.pid, lab.scenario
            ),
        };
        let _ = writeln!(advice, "{line}");
    }
    advice.truncate(advice.trim_end().len());
    advice
}

/// A lab that does not answer has ended.
pub(super) fn gone(error: &std::io::Error) -> Failure {
    Failure::machine("the lab has ended").cause(error)
}
