//! `verdikt clean`: removes what runs left in a cluster.

use std::process::ExitCode;

use verdikt_cluster::clean::{Whose, clean as remove};
use verdikt_cluster::connect::{Connection, Wanted};
use verdikt_runner::backend::reason;

use super::run::cluster::{told, wait};
use crate::arguments::Clean;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn clean(arguments: &Clean) -> Result<ExitCode, Failure> {
    let Clean { context, force } = arguments;
    let whose = if *force { Whose::AllRunsForced } else { Whose::AllRuns };
    wait(async {
        let wanted = Wanted { context: context.clone(), kubeconfig: None };
        let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
        let (connection, _) = Connection::open(&wanted).await.map_err(|error| failed(&error))?;
        let removed = remove(&connection, &whose, &told()).await.map_err(|error| failed(&error))?;
        for object in &removed {
            Printer::data(&format!("{object}\n"))?;
        }
        if removed.is_empty() {
            Printer::tell(&format!("nothing of any run is left in {}\n", connection.context()));
        }
        Ok(ExitCode::SUCCESS)
    })
}
