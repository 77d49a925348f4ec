//! A part of the scenarios, to divide them among several machines.

use std::fmt;
use std::str::FromStr;

use verdikt_scenario::scenario::Scenario;

/// One of several parts, written `2/5`. Every scenario is in exactly one part, which only depends on its place among all
/// scenarios, so that all machines agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    index: usize,
    /// How many there are.
    count: usize,
}

/// A text is not a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a shard is written 2/5: the second of five parts")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| ShardError);
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count { Err(ShardError) } else { Ok(Self { index, count }) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.index, self.count))
    }
}

impl Shard {
    /// The scenarios of this part, in order. Neighbours, which take about the same time, go to different parts.
    pub fn of(self, scenarios: Vec<Scenario>) -> Vec<Scenario> {
        scenarios.into_iter().skip(self.index - 1).step_by(self.count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_shard() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Shard>().is_ok(), good, "{text}");
        check("1/1", true);
        check("2/5", true);
        check("0/5", false);
        check("6/5", false);
        check("1/0", false);
        check("2", false);
        check("a/b", false);
        check("-1/5", false);
    }
}
