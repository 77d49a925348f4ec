//! The objects of a live cluster, read in place of manifests.

use verdikt_cluster::connect::{ApiConnection, ContextChoice};
use verdikt_cluster::inventory::inventory;
use verdikt_manifests::Situation;
use verdikt_runner::backend::reason;
use verdikt_scenario::plain::Plain;

use crate::cluster_use::wait;
use crate::failure::Failure;

/// Reads what runs in the cluster of a context. A part of it would give wrong answers, so all of it or nothing.
pub(crate) fn situation(context: &str) -> Result<Situation, Failure> {
    let wanted = ContextChoice { context: Some(context.to_owned()), kubeconfig: None };
    let failed = |error: &dyn std::error::Error| Failure::machine(reason(error));
    let inventory = wait(async {
        let (connection, _) = ApiConnection::open(&wanted).await.map_err(|error| failed(&error))?;
        inventory(&connection).await.map_err(|error| failed(&error))
    })?;
    if !inventory.missing.is_empty() {
        let missing: Vec<String> = inventory.missing.into_iter().collect();
        let message = format!("cannot read context `{}`: rights are missing", Plain::line(context));
        return Err(Failure::machine(message).hint(format!("grant: {}", missing.join(", "))));
    }
    Ok(Situation::of_cluster(inventory.manifests))
}
