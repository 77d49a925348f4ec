//! Loaded scenarios: everything resolved, every name checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::attempt::Attempt;
pub use crate::enforcement::{Enforcement, EnforcementMode};
use crate::expect::Expectation;
use crate::invariant::Invariant;
use crate::name::DnsName;
use crate::place::Place;
use crate::policy::{Manifest, Refuser};
use crate::topology::{Endpoint, Topology};
use crate::version::{CiliumVersion, VersionRange};

/// One scenario file.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name, unique in a run.
    pub name: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// The file.
    pub place: Place,
    /// The Cilium versions it is for.
    pub cilium: VersionRange,
    /// What must hold at every step.
    pub invariants: Vec<Invariant>,
    /// Its steps, in order. Never empty.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, unique in the scenario.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// The topology at this step, with the changes of all steps so far.
    pub topology: Topology,
    /// Names whose learned addresses are forgotten when the step starts.
    pub expired: BTreeSet<DnsName>,
    /// How policies are enforced.
    pub enforcement: Enforcement,
    /// What happens to fields that the API server does not know.
    pub field_validation: FieldValidation,
    /// Every policy in force, in the order of the files.
    pub policies: Vec<Manifest>,
    /// Objects that must be refused, for the versions that have no entry of their own in `differences`.
    pub rejected: Vec<ExpectedRefusal>,
    /// The sources of the table, in the order of the files.
    pub sources: Vec<Endpoint>,
    /// The table: every (attempt, source) pair that a policy can decide, attempts in the order of the file, sources
    /// in that of `sources`.
    pub table: Vec<Row>,
    /// Cells and refusals that differ in some versions.
    pub differences: Vec<Difference>,
}

/// One attempt, with an expectation for each source.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The attempt.
    pub attempt: Attempt,
    /// Where it is written.
    pub place: Place,
    /// One cell for every source.
    pub cells: Vec<(Endpoint, Expectation)>,
}

/// What differs in a range of versions, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The versions.
    pub cilium: VersionRange,
    /// Why they differ.
    pub because: String,
    /// A link to the change in Cilium.
    pub see: Option<String>,
    /// Cells that replace those of the table.
    pub cells: Vec<(Attempt, Endpoint, Expectation)>,
    /// Refusals that replace those of the step, if given.
    pub rejected: Option<Vec<ExpectedRefusal>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.because)?;
        self.see.as_ref().map_or(Ok(()), |see| write!(f, ", see {see}"))
    }
}

/// The expected refusal of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedRefusal {
    /// The object, as an index into the step's policies.
    pub policy: usize,
    /// Who refuses it.
    pub by: Refuser,
    /// Part of the refusal's message; letter case does not matter.
    pub saying: String,
    /// Where it is written.
    pub place: Place,
}

/// What the API server does with fields it does not know.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// It refuses the object, as for `kubectl apply`.
    #[default]
    Strict,
    /// It drops them, as for many controllers.
    Ignore,
}

impl Step {
    /// The cells that differ from the table in one version, each with its difference. If two differences give a cell,
    /// the first counts.
    pub fn replaced_cells(
        &self,
        version: CiliumVersion,
    ) -> BTreeMap<(&Attempt, &Endpoint), (&Expectation, &Difference)> {
        let mut replaced = BTreeMap::new();
        for difference in self.differences.iter().filter(|difference| difference.cilium.contains(version)) {
            for (attempt, endpoint, cell) in &difference.cells {
                replaced.entry((attempt, endpoint)).or_insert((cell, difference));
            }
        }
        replaced
    }

    /// The objects that must be refused in one version.
    pub fn refusals(&self, version: CiliumVersion) -> &[ExpectedRefusal] {
        let replaced = self
            .differences
            .iter()
            .filter(|difference| difference.cilium.contains(version))
            .find_map(|difference| difference.rejected.as_deref());
        replaced.unwrap_or(&self.rejected)
    }
}
