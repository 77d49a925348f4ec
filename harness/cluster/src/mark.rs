//! How everything verdikt makes in a cluster is marked, so that it is found again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The label that says which run made an object. Pods carry it as an annotation: their labels are their identity.
pub const RUN_LABEL: &str = "verdikt.dev/run";
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

/// The name of a run: at most 63 letters, digits, `-`, `_` and `.`, as a label's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

/// Why a text names no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a run: it takes at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"
)]
pub struct RunIdError(String);

impl RunId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels of what this run makes.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(OWNER_LABEL.to_owned(), OWNER.to_owned()), (RUN_LABEL.to_owned(), self.0.clone())])
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let bytes = text.as_bytes();
        let edges = matches!((bytes.first(), bytes.last()), (Some(a), Some(b)) if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric());
        if edges && bytes.len() <= 63 && bytes.iter().all(|c| inner(*c)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
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
}
