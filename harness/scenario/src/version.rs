//! Cilium versions, and ranges of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A minor version of Cilium whose decisions verdikt knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CiliumVersion {
    /// Cilium 1.16.
    #[serde(rename = "1.16")]
    V1_16,
    /// Cilium 1.17.
    #[serde(rename = "1.17")]
    V1_17,
    /// Cilium 1.18.
    #[serde(rename = "1.18")]
    V1_18,
    /// Cilium 1.19.
    #[serde(rename = "1.19")]
    V1_19,
    /// Cilium 1.20, the newest stable minor.
    #[default]
    #[serde(rename = "1.20")]
    V1_20,
}

impl CiliumVersion {
    /// Every known version, oldest first.
    pub const ALL: [Self; 5] = [Self::V1_16, Self::V1_17, Self::V1_18, Self::V1_19, Self::V1_20];
}

impl fmt::Display for CiliumVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1_16 => "1.16",
            Self::V1_17 => "1.17",
            Self::V1_18 => "1.18",
            Self::V1_19 => "1.19",
            Self::V1_20 => "1.20",
        })
    }
}

/// Why a text is no version or range of versions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not one of the versions verdikt knows.
    #[error("`{0}` is not a Cilium version verdikt knows; it knows 1.16, 1.17, 1.18, 1.19 and 1.20")]
    Unknown(String),
    /// No version lies in the range.
    #[error("no Cilium version verdikt knows lies in `{0}`")]
    Empty(String),
}

impl FromStr for CiliumVersion {
    type Err = VersionError;

    /// Takes a minor version, with or without a leading `v` and a patch level: `1.18`, `v1.18.3`.
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
    /// Every version verdikt knows.
    pub fn all() -> Self {
        Self { text: ">=1.16".to_owned(), versions: CiliumVersion::ALL.to_vec() }
    }

    /// Whether the version lies in the range.
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
    use super::*;

    #[test]
    fn ranges() {
        let check = |text: &str, expected: &str| {
            let range: VersionRange = text.parse().unwrap();
            let held: Vec<String> =
                CiliumVersion::ALL.iter().filter(|v| range.contains(**v)).map(ToString::to_string).collect();
            assert_eq!(held.join(" "), expected, "{text}");
        };
        check("1.18", "1.18");
        check("<1.18", "1.16 1.17");
        check(">=1.17 <1.20", "1.17 1.18 1.19");
        check("v1.20.3", "1.20");
        for text in ["", "1.15", ">1.20", "latest", "==1.18.x", "~1.18", "1.18 1.19"] {
            assert!(text.parse::<VersionRange>().is_err(), "{text}");
        }
    }
}
