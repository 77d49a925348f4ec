//! Finding the lab that is meant.

use verdikt_lab::control::RunningLab;

use crate::failure::Failure;

/// The lab with a name, or the only one that runs.
pub(super) fn find(name: Option<&str>) -> Result<RunningLab, Failure> {
    let labs = RunningLab::all().map_err(|error| Failure::machine("cannot look for labs").cause(&error))?;
    let names: Vec<String> = labs.iter().map(|lab| format!("`{}`", lab.scenario)).collect();
    let mut meant = labs.into_iter().filter(|lab| name.is_none_or(|name| lab.scenario == name));
    match (meant.next(), meant.next()) {
        (Some(lab), None) => Ok(lab),
        (Some(_), Some(_)) => Err(Failure::wrong(format!("several labs run: {}", names.join(", ")))
            .hint("`--lab NAME` says which one is meant; of two with one name end one")),
        (None, _) if names.is_empty() => {
            Err(Failure::wrong("no lab is running")
                .hint("start one in another terminal: `verdikt lab SCENARIO`"))
        }
        (None, _) => Err(Failure::wrong(format!("no such lab is running; there are {}", names.join(", ")))),
    }
}

/// A lab that does not answer has ended.
pub(super) fn gone(error: &std::io::Error) -> Failure {
    Failure::machine("the lab has ended").cause(error)
}
