//! The marks on everything that verdikt creates in a cluster, by which it is found again.
//!
//! A mark says who created an object, in which run and for which scenario. It is in labels, by which the API server
//! selects, except where Cilium makes labels part of identities: labels of namespaces and pods become labels of the pod's
//! identity, and those of a CIDR group become labels of the identities of its addresses
//! (<https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/>). A mark there would
//! give every run new identities, which fill the policy maps of all endpoints. There the mark is in annotations.
//!
//! Annotations are not selected by the API server: such objects are found by reading the metadata of all of their kind,
//! 500 a request. A marker object with labels in each namespace would be selected, but it is made after its namespace,
//! so that a run killed in between would leave a namespace that nobody finds; the annotation is made with it. Marks in
//! labels, which runs of earlier versions left on namespaces, are still read.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The key of the mark that says which run created an object.
pub const RUN_KEY: &str = "verdikt.dev/run";
/// The key of the mark that says for which scenario of its run, by number. It stands beside [`RUN_KEY`].
pub const SCENARIO_KEY: &str = "verdikt.dev/scenario";
/// The key of the mark that says that verdikt created an object.
pub const OWNER_KEY: &str = "verdikt.dev/owner";
/// The value of [`OWNER_KEY`].
pub const OWNER: &str = "verdikt";
/// The label selector of everything that any run marked with labels.
pub const OWNED: &str = "verdikt.dev/owner=verdikt";
/// The field manager that the API server records for changes.
pub const FIELD_MANAGER: &str = "verdikt";
/// The system namespace: it holds verdikt's objects that belong to no scenario.
pub const SYSTEM_NAMESPACE: &str = "verdikt-system";

/// A run, or one scenario of it. Its name takes at most 63 letters, digits, `-`, `_` and `.`, as a label's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    name: String,
    scenario: Option<usize>,
}

/// Why a text cannot name a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a run: it takes at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"
)]
pub struct RunIdError(String);

impl RunId {
    /// The name of the run.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// One scenario of the run, by its unique number.
    #[must_use]
    pub fn scenario(&self, number: usize) -> Self {
        Self { name: self.name.clone(), scenario: Some(number) }
    }

    /// The whole run that a scenario belongs to.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { name: self.name.clone(), scenario: None }
    }

    /// The mark of what is created for it, as labels or annotations.
    pub fn marks(&self) -> BTreeMap<String, String> {
        let scenario = self.scenario.map(|number| (SCENARIO_KEY, number.to_string()));
        let marks = [(OWNER_KEY, OWNER.to_owned()), (RUN_KEY, self.name.clone())];
        marks.into_iter().chain(scenario).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The label selector of what was created for it and is marked with labels. That of a run includes its scenarios.
    pub fn selector(&self) -> String {
        let marks = self.marks();
        marks.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }

    /// Whether a mark says that an object was created for it, or, of a whole run, for one of its scenarios.
    pub fn made<'a>(&self, mark: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.marks().iter().all(|(key, value)| mark(key) == Some(value.as_str()))
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let bytes = text.as_bytes();
        let edges = matches!((bytes.first(), bytes.last()), (Some(a), Some(b)) if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric());
        if edges && bytes.len() <= 63 && bytes.iter().all(|c| inner(*c)) {
            Ok(Self { name: text.to_owned(), scenario: None })
        } else {
            Err(RunIdError(text.to_owned()))
        }
    }
}

/// As part of the names of objects, unique for each scenario.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scenario {
            None => f.pad(&self.name),
            Some(number) => f.pad(&format!("{}-{number}", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_as_label_values() {
        let check = |text: &str, ok: bool| assert_eq!(text.parse::<RunId>().is_ok(), ok, "{text}");
        check("a", true);
        check("run-2026.1_x", true);
        check("", false);
        check("-a", false);
        check("a b", false);
        check(&"a".repeat(64), false);
    }

    #[test]
    fn what_a_scenario_makes_is_its_own_and_the_runs() {
        let run: RunId = "run-1".parse().unwrap();
        let scenario = run.scenario(3);
        assert_eq!(run.selector(), "verdikt.dev/owner=verdikt,verdikt.dev/run=run-1");
        assert_eq!(scenario.selector(), format!("{},verdikt.dev/scenario=3", run.selector()));
        assert_eq!((scenario.to_string().as_str(), scenario.as_str()), ("run-1-3", "run-1"));
        assert_eq!(scenario.whole(), run);
        let check = |whose: &RunId, maker: &RunId, expected: bool| {
            let marks = maker.marks();
            let made = whose.made(|key| marks.get(key).map(String::as_str));
            assert_eq!(made, expected, "{maker} for {whose}");
        };
        check(&run, &run, true);
        check(&run, &scenario, true);
        check(&scenario, &scenario, true);
        check(&scenario, &run.scenario(30), false);
        check(&scenario, &run, false);
        check(&run, &"run-10".parse().unwrap(), false);
        check(&scenario, &"run-2".parse::<RunId>().unwrap().scenario(3), false);
    }
}
