//! First scenarios: what manifests suggest to attempt, from whom, and the table that somebody predicts for it.
//!
//! A team reviews the result as it would a snapshot, so everything that is derived says where from.

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
use verdikt_scenario::expect::ExpectedVerdict;
use verdikt_scenario::policy::Refuser;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::Situation;
use outside::Outside;

/// How a scenario gets at manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestReference {
    /// They stand in the scenario itself.
    Inline,
    /// They are files and folders, as the scenario names them.
    Paths {
        /// Those of the topology.
        manifests: Vec<String>,
        /// Those with the policies.
        policies: Vec<String>,
    },
}

/// What a first scenario is made of.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioDraft<'a> {
    /// The manifests.
    pub situation: &'a Situation,
    /// How the scenario gets at them.
    pub reference: &'a ManifestReference,
    /// The file of Helm values that says what Cilium is configured to do, as the scenario names it.
    pub values: Option<&'a str>,
    /// The scenario's name.
    pub name: &'a str,
    /// The command that makes it, for its reader.
    pub command: &'a str,
    /// The namespace of what names none, if any does.
    pub namespace: Option<&'a str>,
    /// How many cells the table may have.
    pub most_cells: usize,
}

/// An object that is refused: its index among the policies of the situation, who refuses it, and what that one says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPolicy {
    /// The index.
    pub policy: usize,
    /// Who refuses it.
    pub by: Refuser,
    /// What the refusal says.
    pub message: String,
}

/// What is predicted for a topology.
#[derive(Clone, Debug, Default)]
pub struct Predicted {
    /// The verdict of every cell in the order asked for; none where the policy model does not know.
    pub verdicts: Vec<Option<ExpectedVerdict>>,
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
    /// How many attempts it has.
    pub attempts: usize,
    /// How many cells.
    pub cells: usize,
    /// How many attempts were suggested beyond the most cells.
    pub left_out: usize,
    /// The attempts of which the policy model does not know a verdict.
    pub unknown: Vec<String>,
}

/// Writes a first scenario; none if there is nothing to attempt.
pub fn first_scenario(draft: &ScenarioDraft<'_>, predict: Predict<'_>) -> Option<FirstScenario> {
    let clauses = policies::clauses(&draft.situation.policies);
    let mut topology = draft.situation.topology.clone();
    let changed = attempts::serve_http(&mut topology, &clauses);
    let mut outside = Outside::of(&clauses);
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
