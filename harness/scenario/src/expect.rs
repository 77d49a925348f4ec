//! Expectations: the words of a table's cells.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::prediction::EnforcementPoint;

/// The verdict of a cell that an author expects, in the words of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictWord {
    /// `allow`.
    Allow,
    /// `deny`, at any enforcement point.
    Deny,
    /// `deny egress`, `deny ingress`, `deny dns`, `deny http` or `deny tls`: at exactly this point.
    DenyAt(EnforcementPoint),
    /// `audit`: a policy would deny it, and audit mode let it pass.
    Audit,
    /// `redirect`: the HTTP proxy sends the client to the plain form of its path.
    Redirect,
}

impl VerdictWord {
    /// Every verdict that a table can name.
    pub const ALL: [Self; 9] = [
        Self::Allow,
        Self::Deny,
        Self::DenyAt(EnforcementPoint::Egress),
        Self::DenyAt(EnforcementPoint::Ingress),
        Self::DenyAt(EnforcementPoint::Dns),
        Self::DenyAt(EnforcementPoint::Http),
        Self::DenyAt(EnforcementPoint::Tls),
        Self::Audit,
        Self::Redirect,
    ];

    /// The words in a table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::DenyAt(EnforcementPoint::Egress) => "deny egress",
            Self::DenyAt(EnforcementPoint::Ingress) => "deny ingress",
            Self::DenyAt(EnforcementPoint::Dns) => "deny dns",
            Self::DenyAt(EnforcementPoint::Http) => "deny http",
            Self::DenyAt(EnforcementPoint::Tls) => "deny tls",
            Self::Audit => "audit",
            Self::Redirect => "redirect",
        }
    }

    /// The word that includes this one: `deny` for `deny egress`.
    pub(crate) const fn wider(self) -> Option<Self> {
        match self {
            Self::DenyAt(_) => Some(Self::Deny),
            Self::Allow | Self::Deny | Self::Audit | Self::Redirect => None,
        }
    }

    /// The only enforcement point at which it is met, if there is one.
    pub const fn point(self) -> Option<EnforcementPoint> {
        match self {
            Self::DenyAt(point) => Some(point),
            Self::Allow | Self::Deny | Self::Audit | Self::Redirect => None,
        }
    }

    /// Whether it leaves a connection open, which an attempt of the next step can use.
    pub(crate) const fn leaves_connection(self) -> bool {
        match self {
            Self::Allow | Self::Audit => true,
            Self::Deny | Self::DenyAt(_) | Self::Redirect => false,
        }
    }
}

impl fmt::Display for VerdictWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// A policy, as a cell names it: `database/lockdown`, or `lockdown` for a clusterwide one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PolicyName(pub Arc<str>);

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The verdict words of a cell, with the deciding policy if the author names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The verdict.
    pub verdict: VerdictWord,
    /// The deciding policy.
    pub by: Option<PolicyName>,
}

/// A cell's expectation, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The expectation.
    pub expected: Expected,
    /// Where it is written.
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

/// All verdict words, for messages and suggestions.
pub const VERDICT_WORDS: [&str; VerdictWord::ALL.len()] = {
    let mut words = [""; VerdictWord::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = VerdictWord::ALL[at].words();
        at += 1;
    }
    words
};

impl FromStr for Expected {
    type Err = String;

    /// The error is the text that is not a verdict word, without the `by` part.
    fn from_str(text: &str) -> Result<Self, String> {
        let (words, by) = match text.split_once(" by ") {
            Some((words, by)) => (words.trim(), Some(PolicyName(by.trim().into()))),
            None => (text.trim(), None),
        };
        let verdict = VerdictWord::ALL.into_iter().find(|verdict| verdict.words() == words);
        let verdict = verdict.ok_or_else(|| words.to_owned())?;
        Ok(Self { verdict, by })
    }
}
