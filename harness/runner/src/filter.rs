//! Which cells of a run are wanted.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::Endpoint;

/// The name of a cell: `scenario/step/attempt/source`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellName(String);

impl CellName {
    /// The name of one cell.
    pub fn new(scenario: &Scenario, step: &Step, attempt: &Attempt, source: &Endpoint) -> Self {
        Self(format!("{}/{}/{attempt}/{source}", scenario.name, step.name))
    }
}

impl fmt::Display for CellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that stands somewhere in the names of the cells wanted; where it has stars, each stands for any text,
/// and the whole name must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl FromStr for Filter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Filter {
    /// Whether this is the full name of the cell.
    pub fn is(&self, CellName(name): &CellName) -> bool {
        self.0 == *name
    }

    /// Whether the cell is wanted.
    pub fn wants(&self, CellName(name): &CellName) -> bool {
        if !self.0.contains('*') {
            return name.contains(&self.0);
        }
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_stars() {
        let name = CellName("three-tier/locked down/tcp database/redis:6379/client".to_owned());
        let check = |text: &str, expected: bool| {
            let Ok(filter) = text.parse::<Filter>();
            assert_eq!(filter.wants(&name), expected, "{text}");
        };
        check("", true);
        check("redis", true);
        check("locked down/tcp", true);
        check("monitor", false);
        check("three-tier/*/client", true);
        check("three-tier/*", true);
        check("*/client", true);
        check("*redis*client*", true);
        check("*redis*redis*", false);
        check("tier/*", false);
        check("*/clien", false);
    }
}
