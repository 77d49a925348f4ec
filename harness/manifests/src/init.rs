//! Writes first scenarios: attempts that manifests suggest, and the table that the caller predicts.
//!
//! Authors review the result like a snapshot, so everything that is derived says where it comes from.

mod attempts;
mod blocks;
mod outside;
mod policies;
mod redirects;
mod table;
mod words;
mod write;
mod yaml;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::expect::VerdictWord;
use verdikt_scenario::policy::Refuser;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::Situation;
use outside::OutsideHosts;

/// How a scenario refers to manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestReference {
    /// They are in the scenario file itself.
    Inline,
    /// They are files and folders, named relative to the scenario.
    Paths {
        /// The manifests of the topology.
        manifests: Vec<String>,
        /// The manifests with the policies.
        policies: Vec<String>,
    },
}

/// The input of a first scenario.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioDraft<'a> {
    /// The manifests.
    pub situation: &'a Situation,
    /// How the scenario refers to them.
    pub reference: &'a ManifestReference,
    /// The Helm values file with the settings of Cilium, named relative to the scenario.
    pub values: Option<&'a str>,
    /// The scenario's name.
    pub name: &'a str,
    /// The command that writes it, for its reader.
    pub command: &'a str,
    /// The namespace of objects that name none, if there are any.
    pub namespace: Option<&'a str>,
    /// The largest number of cells.
    pub most_cells: usize,
}

/// A refused object: its index among the policies of the situation, who refuses it, and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPolicy {
    /// The index.
    pub policy: usize,
    /// Who refuses it.
    pub by: Refuser,
    /// What the refusal says.
    pub message: String,
}

/// The predictions for a topology.
#[derive(Clone, Debug, Default)]
pub struct Predicted {
    /// The verdict of every cell in the given order; none if the policy model abstains.
    pub verdicts: Vec<Option<VerdictWord>>,
    /// The policies that are refused.
    pub refused: Vec<RefusedPolicy>,
}

/// Predicts cells of a topology under the policies of the situation.
pub type Predict<'a> = &'a dyn Fn(&Topology, &[(Endpoint, Attempt)]) -> Predicted;

/// A first scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstScenario {
    /// The file.
    pub text: String,
    /// The number of attempts.
    pub attempts: usize,
    /// The number of cells.
    pub cells: usize,
    /// The number of suggested attempts that did not fit.
    pub left_out: usize,
    /// The attempts about which the policy model abstains.
    pub unknown: Vec<String>,
}

/// Writes a first scenario; none if there is nothing to attempt.
pub fn first_scenario(draft: &ScenarioDraft<'_>, predict: Predict<'_>) -> Option<FirstScenario> {
    let clauses = policies::clauses(&draft.situation.policies);
    let mut topology = draft.situation.topology.clone();
    let changed = attempts::serve_http(&mut topology, &clauses);
    let mut outside = OutsideHosts::of(&clauses);
    outside.add_host_of_ports(&topology);
    outside.add_to(&mut topology);
    let suggested = attempts::suggest(draft.situation, &topology, &clauses, &outside);
    let (table, refused) = table::predict(&topology, suggested, draft.most_cells, predict);
    if table.rows.is_empty() {
        return None;
    }
    let text = write::scenario(draft, &topology, &changed, &outside, &table, &refused);
    let cells = table.rows.iter().map(|row| row.cells).sum();
    Some(FirstScenario {
        text,
        attempts: table.rows.len(),
        cells,
        left_out: table.left_out,
        unknown: table.unknown,
    })
}
