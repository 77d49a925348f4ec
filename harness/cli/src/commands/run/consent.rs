//! Asks whether a run may use a cluster.

use std::io::{self, IsTerminal as _};

use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::inspect::Facts;
use verdikt_runner::cluster::access::name_for_people;

use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the cluster that a run is about to use. If it is not a kind cluster, asks for confirmation, unless `yes` is
/// given.
pub(super) fn ask(connection: &ApiConnection, facts: &Facts, yes: bool) -> Result<(), Failure> {
    Printer::tell(&format!("using {}\n", name_for_people(connection, facts)));
    if yes || facts.kind_cluster().is_some() {
        return Ok(());
    }
    let context = connection.context();
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::wrong(format!(
            "cannot use context {context} without confirmation: it is not a kind cluster, and there is no terminal to ask at"
        ))
        .hint("give `--yes`, or set VERDIKT_YES=1, if verdikt may create namespaces, pods and policies there"));
    }
    Printer::tell(
        "verdikt creates namespaces, pods and policies there, and removes them at the end. Continue? [y/N] ",
    );
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    let agrees = read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if agrees {
        Ok(())
    } else {
        Err(Failure::wrong(format!("context {context} is not used: the answer was no")))
    }
}
