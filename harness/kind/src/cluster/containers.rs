//! verdikt's own containers beside those of kind, found by their labels.

use crate::call::ProgramCall;
use crate::error::Error;
use crate::program::Program;

/// The label of every container that verdikt makes.
pub(super) const OURS: &str = "verdikt.dev/owner=verdikt";

/// The label of the containers beside one cluster.
pub(super) fn of_cluster(cluster: &str) -> String {
    format!("verdikt.dev/cluster={cluster}")
}

/// Removes the containers with a label, and returns their names in order.
pub(super) fn remove_all(label: &str) -> Result<Vec<String>, Error> {
    let listed = docker("list the containers of verdikt".to_owned())
        .arguments(["container", "ls", "--all", "--filter", &format!("label={label}")])
        .arguments(["--format", "{{.Names}}"])
        .run()?;
    let mut names: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    names.sort();
    if !names.is_empty() {
        remove(&names)?;
    }
    Ok(names)
}

/// Removes containers, running or not, with their volumes.
pub(super) fn remove(names: &[String]) -> Result<(), Error> {
    docker(format!("remove the container `{}`", names.join("`, `")))
        .arguments(["container", "rm", "--force", "--volumes"])
        .arguments(names)
        .run()
        .map(drop)
}

/// Runs commands in a container, until one fails.
pub(super) fn shell(
    container: &str,
    doing: String,
    commands: &[String],
    input: Option<Vec<u8>>,
) -> Result<(), Error> {
    let mut call = docker(doing).arguments(["exec"]);
    if let Some(input) = input {
        call = call.arguments(["--interactive"]).input(input);
    }
    call.arguments([container, "sh", "-ec", &commands.join("; ")]).run().map(drop)
}

/// A call of docker.
pub(super) fn docker(doing: String) -> ProgramCall {
    ProgramCall::new(Program::Docker, doing)
}

/// Splits an answer into the expected number of words.
pub(super) fn words<const COUNT: usize>(said: &str) -> Result<[&str; COUNT], Error> {
    let words: Vec<&str> = said.split_whitespace().collect();
    words.try_into().map_err(|_| unreadable(said))
}

/// The error for an unexpected answer.
pub(super) fn unreadable(said: &str) -> Error {
    Error::Answer { program: Program::Docker, said: said.trim().chars().take(200).collect() }
}
