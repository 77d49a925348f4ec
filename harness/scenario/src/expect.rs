//! What an author expects: the words of a table's cells.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::prediction::EnforcementPoint;

/// The verdict of one cell, as the author expects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedVerdict {
    /// `allow`.
    Allow,
    /// `deny`: somewhere.
    Deny,
    /// `deny egress`, `deny ingress`, `deny dns`, `deny http` or `deny tls`: exactly there.
    DenyAt(EnforcementPoint),
    /// `audit`: a policy would deny it, and audit mode let it pass.
    Audit,
    /// `redirect`: the HTTP proxy sends the client to the plain form of its path.
    Redirect,
}

impl fmt::Display for ExpectedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.pad("allow"),
            Self::Deny => f.pad("deny"),
            Self::DenyAt(point) => f.pad(&format!("deny {point}")),
            Self::Audit => f.pad("audit"),
            Self::Redirect => f.pad("redirect"),
        }
    }
}

/// A policy as a cell names it: `database/lockdown`, or `lockdown` for a clusterwide one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PolicyName(pub Arc<str>);

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The verdict words of a cell, with the policy that decides where the author names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The verdict.
    pub verdict: ExpectedVerdict,
    /// The policy that decides.
    pub by: Option<PolicyName>,
}

/// A cell's expectation, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The words.
    pub expected: Expected,
    /// Where the author wrote them.
    pub place: Place,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            None => self.verdict.fmt(f),
            Some(by) => f.pad(&format!("{} by {by}", self.verdict)),
        }
    }
}

/// The words there are, for messages and suggestions.
pub const VERDICT_WORDS: [&str; 9] = [
    "allow",
    "deny",
    "deny egress",
    "deny ingress",
    "deny dns",
    "deny http",
    "deny tls",
    "audit",
    "redirect",
];

impl FromStr for Expected {
    type Err = String;

    /// The error is the text that is no verdict, without the `by` part.
    fn from_str(text: &str) -> Result<Self, String> {
        let (words, by) = match text.split_once(" by ") {
            Some((words, by)) => (words.trim(), Some(PolicyName(by.trim().into()))),
            None => (text.trim(), None),
        };
        let verdict = match words {
            "allow" => ExpectedVerdict::Allow,
            "deny" => ExpectedVerdict::Deny,
            "deny egress" => ExpectedVerdict::DenyAt(EnforcementPoint::Egress),
            "deny ingress" => ExpectedVerdict::DenyAt(EnforcementPoint::Ingress),
            "deny dns" => ExpectedVerdict::DenyAt(EnforcementPoint::Dns),
            "deny http" => ExpectedVerdict::DenyAt(EnforcementPoint::Http),
            "deny tls" => ExpectedVerdict::DenyAt(EnforcementPoint::Tls),
            "audit" => ExpectedVerdict::Audit,
            "redirect" => ExpectedVerdict::Redirect,
            _ => return Err(words.to_owned()),
        };
        Ok(Self { verdict, by })
    }
}
