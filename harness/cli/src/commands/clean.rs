//! `verdikt clean`: removes what runs left behind in a cluster, or all that verdikt created on this machine.

use std::process::ExitCode;

use verdikt_cluster::clean::{CleanScope, clean as remove};
use verdikt_cluster::connect::{ApiConnection, ContextChoice};
use verdikt_kind::cluster::Cleaned;
use verdikt_runner::backend::reason;

use crate::arguments::Clean;
use crate::cluster_use::{progress_on_terminal, wait};
use crate::failure::Failure;
use crate::kind_use::failure;
use crate::printer::Printer;

pub(crate) fn clean(arguments: &Clean) -> Result<ExitCode, Failure> {
    let Clean { context, force, local } = arguments;
    if *local {
        return clean_machine();
    }
    let whose = if *force { CleanScope::AllRunsForced } else { CleanScope::AllRuns };
    wait(async {
        let wanted = ContextChoice { context: context.clone(), kubeconfig: None };
        let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
        let (connection, _) = ApiConnection::open(&wanted).await.map_err(|error| failed(&error))?;
        let removed =
            remove(&connection, &whose, &progress_on_terminal()).await.map_err(|error| failed(&error))?;
        for object in &removed {
            Printer::data(&format!("{object}\n"))?;
        }
        if removed.is_empty() {
            Printer::tell(&format!("nothing to remove in {}\n", connection.context()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn clean_machine() -> Result<ExitCode, Failure> {
    let Cleaned { containers, clusters, others } =
        verdikt_kind::cluster::clean().map_err(|error| failure(&error))?;
    if containers.is_empty() && clusters.is_empty() {
        Printer::tell("nothing to remove on this machine\n");
    }
    let containers = containers.iter().map(|name| format!("container {name}\n"));
    for line in containers.chain(clusters.iter().map(|name| format!("cluster {name}\n"))) {
        Printer::data(&line)?;
    }
    for name in others {
        Printer::tell(&format!(
            "the cluster `{name}` belongs to no profile, and stays: `kind delete cluster --name {name}` removes it\n"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
