//! Label selectors.

use std::fmt;

use compact_str::CompactString;

use crate::identity::Identity;
use crate::label::{Label, LabelSource};

/// A selector: every requirement must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// Its requirements; none selects everything.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The source of the key; none means any source.
    pub source: Option<LabelSource>,
    /// The key without its source.
    pub key: CompactString,
    /// The condition on its value.
    pub operator: Operator,
    /// Whether the engine added it: the namespace or cluster that the policy implies.
    pub implied: bool,
}

/// The condition on the value of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// The key is present with one of these values.
    In(Vec<CompactString>),
    /// The key is absent, or has none of these values.
    NotIn(Vec<CompactString>),
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl Operator {
    /// The key is present with exactly this value.
    pub fn equals(value: &str) -> Self {
        Self::In(vec![value.into()])
    }
}

impl Selector {
    /// Whether it selects the identity.
    pub fn selects(&self, identity: &Identity) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(identity))
    }

    /// Whether any requirement is about a key that the test accepts.
    pub fn has_key(&self, mut test: impl FnMut(&Requirement) -> bool) -> bool {
        self.requirements.iter().any(&mut test)
    }
}

impl Requirement {
    /// An implied requirement.
    pub fn implied(key: &str, operator: Operator) -> Self {
        Self { source: Some(LabelSource::Kubernetes), key: key.into(), operator, implied: true }
    }

    /// Splits a key at its first colon into source and key; without a colon, any source matches.
    pub fn split_key(text: &str) -> (Option<LabelSource>, &str) {
        match text.split_once(':') {
            None => (None, text),
            Some(("any", key)) => (None, key),
            Some(("k8s", key)) => (Some(LabelSource::Kubernetes), key),
            Some(("reserved", key)) => (Some(LabelSource::Reserved), key),
            Some(("cidrgroup", key)) => (Some(LabelSource::CidrGroup), key),
            Some(("node", key)) => (Some(LabelSource::Node), key),
            Some(("cidr", key)) => (Some(LabelSource::Cidr), key),
            Some((_, key)) => (Some(LabelSource::Other), key),
        }
    }

    fn label<'a>(&self, identity: &'a Identity) -> Option<&'a Label> {
        identity
            .labels
            .iter()
            .find(|label| label.key == self.key && self.source.is_none_or(|source| label.source == source))
    }

    /// Whether an identity fulfils it.
    pub fn holds(&self, identity: &Identity) -> bool {
        if self.source == Some(LabelSource::Cidr) {
            let inside = self
                .key
                .parse::<ipnet::IpNet>()
                .is_ok_and(|prefix| identity.address.is_some_and(|address| prefix.contains(&address)));
            return inside == matches!(self.operator, Operator::In(_) | Operator::Exists);
        }
        if self.source == Some(LabelSource::CidrGroup) {
            return self.holds_of_groups(identity);
        }
        let value = self.label(identity).map(|label| label.value.as_str());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }

    /// Whether it holds for the labels of CIDR groups, of which several may have the same key.
    fn holds_of_groups(&self, identity: &Identity) -> bool {
        let mut values = identity
            .labels
            .iter()
            .filter(|label| label.source == LabelSource::CidrGroup && label.key == self.key)
            .map(|label| &label.value);
        match &self.operator {
            Operator::In(wanted) => values.any(|value| wanted.contains(value)),
            Operator::NotIn(excluded) => !values.any(|value| excluded.contains(value)),
            Operator::Exists => values.next().is_some(),
            Operator::DoesNotExist => values.next().is_none(),
        }
    }

    /// What the identity has instead, if the requirement does not hold: `app is frontend`.
    pub fn instead(&self, identity: &Identity) -> String {
        match self.label(identity) {
            Some(label) if label.value.is_empty() => format!("it has {}", self.key),
            Some(label) => format!("its {} is {}", self.key, label.value),
            None => format!("it has no label {}", self.key),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.source {
            Some(LabelSource::Reserved) => "reserved:",
            Some(LabelSource::Cidr) => "cidr:",
            Some(LabelSource::CidrGroup) => "cidrgroup:",
            _ => "",
        };
        let key = &self.key;
        match &self.operator {
            Operator::In(values) if values.len() == 1 => write!(f, "{prefix}{key}={}", values[0]),
            Operator::In(values) => write!(f, "{prefix}{key} in ({})", values.join(", ")),
            Operator::NotIn(values) => write!(f, "{prefix}{key} not in ({})", values.join(", ")),
            Operator::Exists => write!(f, "{prefix}{key}"),
            Operator::DoesNotExist => write!(f, "no {prefix}{key}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requirements.is_empty() {
            return f.write_str("everything");
        }
        let parts: Vec<String> = self.requirements.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(", "))
    }
}
