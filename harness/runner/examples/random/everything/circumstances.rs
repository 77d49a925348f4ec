//! What happens in a step besides its policies: modes, pods in audit mode, names that move or are forgotten, labels that
//! change, pods that come and go.

use std::error::Error;
use std::fmt::Write as _;

use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::drawn;

/// What earlier steps have changed.
#[derive(Default)]
pub(super) struct Circumstances {
    name_has_moved: bool,
    late_pod: Presence,
    source: Presence,
    team: Presence,
}

/// Whether something is as it was in the beginning: a pod, a label.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Unchanged,
    Changed,
}

impl Circumstances {
    /// Whether a pod has come that is not there from the beginning.
    pub(super) fn late_pod_is_there(&self) -> bool {
        self.late_pod == Presence::Changed
    }

    /// The keys of the next step.
    pub(super) fn of_step(&mut self, step: usize, runner: &mut TestRunner) -> Result<String, Box<dyn Error>> {
        let modes = vec!["", "", "", "", "", "  mode: audit\n", "  mode: always\n", "  mode: never\n"];
        let audited = vec!["", "", "", "  audit: [a/web]\n", "  audit: [b/web, b/job]\n"];
        let mut keys = drawn(runner, select(modes))?.to_owned();
        keys += drawn(runner, select(audited))?;
        if step > 0 {
            keys += drawn(runner, select(vec!["", "", "  expired: [api.random.test]\n"]))?;
            keys += self.labels(runner)?;
            keys += &self.changes(runner)?;
        }
        Ok(keys)
    }

    /// Labels that change. One that is gone cannot be removed again.
    fn labels(&mut self, runner: &mut TestRunner) -> Result<&'static str, Box<dyn Error>> {
        let labels = drawn(runner, select(vec!["", "", "", RELABELLED, OTHER_TEAM, NO_TEAM]))?;
        match labels {
            NO_TEAM if self.team == Presence::Changed => return Ok(""),
            NO_TEAM => self.team = Presence::Changed,
            OTHER_TEAM => self.team = Presence::Unchanged,
            _ => {}
        }
        Ok(labels)
    }

    /// What changes from a later step on.
    fn changes(&mut self, runner: &mut TestRunner) -> Result<String, Box<dyn Error>> {
        let mut keys = String::new();
        if drawn(runner, proptest::bool::weighted(0.4))? {
            self.name_has_moved = !self.name_has_moved;
            let host = if self.name_has_moved { "other" } else { "server" };
            writeln!(keys, "  names: {{api.random.test: {host}}}")?;
        }
        if self.late_pod == Presence::Unchanged && drawn(runner, proptest::bool::weighted(0.3))? {
            self.late_pod = Presence::Changed;
            keys += "  pods: {b/late: {labels: {app: web, tier: front}, serves: [http 8080 as web]}}\n";
        }
        if self.source == Presence::Unchanged && drawn(runner, proptest::bool::weighted(0.2))? {
            self.source = Presence::Changed;
            keys += "  remove: [b/west]\n";
        }
        Ok(keys)
    }
}

const RELABELLED: &str = "  labels: {pod a/db: {tier: front}}\n";
const OTHER_TEAM: &str = "  labels: {namespace b: {team: a}}\n";
const NO_TEAM: &str = "  labels: {namespace b: {team: null}}\n";
