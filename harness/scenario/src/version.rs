//! Cilium versions, and ranges of them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A minor version of Cilium whose decisions verdikt knows.
///
/// ```
/// use verdikt_scenario::version::CiliumVersion;
///
/// let version: CiliumVersion = "v1.18.3".parse()?;
/// assert_eq!(version, CiliumVersion::V1_18);
/// assert!(version < CiliumVersion::default());
/// # Ok::<(), verdikt_scenario::version::VersionError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct CiliumVersion {
    minor: u8,
}

/// Defines a constant for each minor, and the list of all.
macro_rules! minors {
    ($($name:ident = $minor:literal),+ $(,)?) => {
        impl CiliumVersion {
            $(
                #[doc = concat!("Cilium 1.", stringify!($minor), ".")]
                pub const $name: Self = Self { minor: $minor };
            )+
            /// Every known version, oldest first. The newest is the default of a run.
            pub const ALL: [Self; [$($minor),+].len()] = [$(Self::$name),+];
        }
    };
}

// A new minor is one row here; it behaves like the one before it. Then:
//
// 1. compare it with vectors: `cargo run --release -p verdikt-engine --example vectors -- --cilium 1.N FILES`;
// 2. write what differs into `harness/engine/src/behaviour.rs`, with `since` or `only`, and nowhere else;
// 3. add its release to `clusters/versions.yaml` and its profile to `clusters/`: tests of `verdikt-kind` ask for both;
// 4. correct the range in README and book, which a test of `verdikt` compares with this list.
minors! {
    V1_16 = 16,
    V1_17 = 17,
    V1_18 = 18,
    V1_19 = 19,
    V1_20 = 20,
}

impl CiliumVersion {
    /// The oldest and the newest known version.
    pub const RANGE: [Self; 2] = [Self::ALL[0], Self::ALL[Self::ALL.len() - 1]];

    /// The minor after this one, known or not.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { minor: self.minor + 1 }
    }

    /// Every known version in a sentence: `1.19 and 1.20`.
    pub fn all_named() -> String {
        let names = Self::ALL.map(|version| version.to_string());
        let [rest @ .., last] = names.as_slice() else { return String::new() };
        if rest.is_empty() { last.clone() } else { format!("{} and {last}", rest.join(", ")) }
    }
}

impl Default for CiliumVersion {
    fn default() -> Self {
        Self::RANGE[1]
    }
}

impl fmt::Display for CiliumVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("1.{}", self.minor))
    }
}

impl fmt::Debug for CiliumVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V1_{}", self.minor)
    }
}

impl From<CiliumVersion> for String {
    fn from(version: CiliumVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for CiliumVersion {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::ALL.into_iter().find(|version| version.to_string() == text).ok_or(VersionError::Unknown(text))
    }
}

/// Why a text is not a version or range of versions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is not a version that verdikt knows.
    #[error("`{0}` is not a Cilium version verdikt knows; it knows {known}", known = CiliumVersion::all_named())]
    Unknown(String),
    /// No known version is in the range.
    #[error("verdikt knows no Cilium version in `{0}`")]
    Empty(String),
}

impl FromStr for CiliumVersion {
    type Err = VersionError;

    /// Parses a minor version, with or without a leading `v` and a patch level: `1.18`, `v1.18.3`.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let minor = text.strip_prefix('v').unwrap_or(text);
        let known = Self::ALL.into_iter().find(|version| {
            minor.strip_prefix(&version.to_string()).is_some_and(|rest| {
                rest.is_empty()
                    || rest
                        .strip_prefix('.')
                        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|c| c.is_ascii_digit()))
            })
        });
        known.ok_or_else(|| VersionError::Unknown(text.to_owned()))
    }
}

/// A range of versions, written as comparisons that must all hold: `>=1.17 <1.20`, `1.19`, `<=1.18`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    versions: Vec<CiliumVersion>,
}

impl VersionRange {
    /// Every version that verdikt knows.
    pub fn all() -> Self {
        Self { text: format!(">={}", CiliumVersion::RANGE[0]), versions: CiliumVersion::ALL.to_vec() }
    }

    /// Whether the version is in the range.
    pub fn contains(&self, version: CiliumVersion) -> bool {
        self.versions.contains(&version)
    }
}

impl FromStr for VersionRange {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut versions = CiliumVersion::ALL.to_vec();
        if text.split_whitespace().next().is_none() {
            return Err(VersionError::Unknown(text.to_owned()));
        }
        for part in text.split_whitespace() {
            let number = part.trim_start_matches(['<', '>', '=']);
            let bound: CiliumVersion = number.parse()?;
            let holds: fn(CiliumVersion, CiliumVersion) -> bool = match &part[..part.len() - number.len()] {
                "" | "=" => |version, bound| version == bound,
                "<" => |version, bound| version < bound,
                "<=" => |version, bound| version <= bound,
                ">" => |version, bound| version > bound,
                ">=" => |version, bound| version >= bound,
                _ => return Err(VersionError::Unknown(part.to_owned())),
            };
            versions.retain(|version| holds(*version, bound));
        }
        if versions.is_empty() {
            return Err(VersionError::Empty(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), versions })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("1.18", "1.18")]
    #[case::before("<1.18", "1.16 1.17")]
    #[case::between(">=1.17 <1.20", "1.17 1.18 1.19")]
    #[case::a_patch("v1.20.3", "1.20")]
    fn ranges(#[case] text: &str, #[case] expected: &str) {
        let range: VersionRange = text.parse().unwrap();
        let held: Vec<String> =
            CiliumVersion::ALL.iter().filter(|v| range.contains(**v)).map(ToString::to_string).collect();
        assert_eq!(held.join(" "), expected);
    }

    #[rstest]
    #[case::nothing("")]
    #[case::an_unknown_minor("1.15")]
    #[case::beyond_the_newest(">1.20")]
    #[case::a_word("latest")]
    #[case::a_star("==1.18.x")]
    #[case::an_operator_of_others("~1.18")]
    #[case::two_versions("1.18 1.19")]
    fn what_is_no_range(#[case] text: &str) {
        assert!(text.parse::<VersionRange>().is_err());
    }
}
