//! Finding the lab that is meant.

use std::fmt::Write as _;

use verdikt_lab::control::{FoundLab, LabOwner, RunningLab};

use crate::failure::Failure;

/// The lab with a name, or the only one that runs. Only labs of one's own count.
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
            .hint("`--lab NAME` says which one is meant; of two with one name end one")),
        (None, _) => {
            let others: Vec<FoundLab> = others.into_iter().filter(|found| is_meant(&found.lab)).collect();
            Err(if names.is_empty() {
                Failure::wrong("no lab of yours is running")
            } else {
                Failure::wrong(format!("no such lab of yours is running; there are {}", names.join(", ")))
            }
            .hint(advice(&others)))
        }
    }
}

/// What is said of labs that are not one's own.
fn advice(others: &[FoundLab]) -> String {
    if others.is_empty() {
        return "start one in another terminal: `verdikt lab SCENARIO`".to_owned();
    }
    let mut advice = String::new();
    for FoundLab { lab, whose } in others {
        let line = match whose {
            LabOwner::OfUser(user) => {
                format!("the lab `{}` is of the user {user}: run this as that user", lab.scenario)
            }
            LabOwner::Ours | LabOwner::NotTheLab => format!(
                "a process that is not {} listens as its lab `{}`, and is not asked anything",
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
