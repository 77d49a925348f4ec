//! How everything verdikt makes in a cluster is marked, so that it is found again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The label that says which run made an object. Pods carry it as an annotation: their labels are their identity.
pub const RUN_LABEL: &str = "verdikt.dev/run";
/// The label that says for which scenario of its run: a number. It stands where [`RUN_LABEL`] does.
pub const SCENARIO_LABEL: &str = "verdikt.dev/scenario";
/// The label that says that verdikt made an object.
pub const OWNER_LABEL: &str = "verdikt.dev/owner";
/// The value of [`OWNER_LABEL`].
pub const OWNER: &str = "verdikt";
/// The selector of all that any run ever made.
pub const OWNED: &str = "verdikt.dev/owner=verdikt";
/// What the keys of all of verdikt's labels begin with.
pub const PREFIX: &str = "verdikt.dev/";
/// Who changes fields, as the API server records it.
pub const FIELD_MANAGER: &str = "verdikt";
/// The namespace of what belongs to no scenario.
pub const SYSTEM_NAMESPACE: &str = "verdikt-system";

/// A run, or one scenario of it. Its name takes at most 63 letters, digits, `-`, `_` and `.`, as a label's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    name: String,
    scenario: Option<usize>,
}

/// Why a text names no run.
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

    /// One scenario of the run, by a number that no other one has.
    #[must_use]
    pub fn scenario(&self, number: usize) -> Self {
        Self { name: self.name.clone(), scenario: Some(number) }
    }

    /// The run that a scenario belongs to, as a whole.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { name: self.name.clone(), scenario: None }
    }

    /// The labels of what is made for it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let scenario = self.scenario.map(|number| (SCENARIO_LABEL, number.to_string()));
        let labels = [(OWNER_LABEL, OWNER.to_owned()), (RUN_LABEL, self.name.clone())];
        labels.into_iter().chain(scenario).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The label selector of all that was made for it; for a run, that of all its scenarios too.
    pub fn selector(&self) -> String {
        let labels = self.labels();
        labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }

    /// Whether labels or annotations say that something was made for it; for a run, or for one of its scenarios.
    pub fn made<'a>(&self, mark: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.labels().iter().all(|(key, value)| mark(key) == Some(value.as_str()))
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

/// As part of the names of objects: those of two scenarios differ.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scenario {
            None => f.pad(&self.name),
            Some(number) => f.pad(&format!("{}-{number}", self.name)),
        }
    }
}

/// Whether labels or annotations say that verdikt made an object.
pub fn is_ours(marks: Option<&BTreeMap<String, String>>) -> bool {
    marks.is_some_and(|marks| marks.get(OWNER_LABEL).is_some_and(|owner| owner == OWNER))
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
            let labels = maker.labels();
            let made = whose.made(|key| labels.get(key).map(String::as_str));
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
