//! Version numbers of programs.

use std::fmt;

use serde::Deserialize;

/// Major, minor and patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct VersionNumber([u32; 3]);

impl VersionNumber {
    /// Finds the first version number in a program's output: `kind v0.32.0 go1.26.1 linux/amd64`.
    pub(crate) fn first_in(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::of_word)
    }

    /// Parses a word as a version, with or without a leading `v`; what follows the patch is ignored: `v3.18.4+gd80839c`.
    fn of_word(word: &str) -> Option<Self> {
        let mut parts = word.strip_prefix('v').unwrap_or(word).splitn(3, '.');
        let mut number = || {
            let part = parts.next()?;
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        };
        Some(Self([number()?, number()?, number()?]))
    }
}

impl TryFrom<String> for VersionNumber {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::of_word(&text).ok_or_else(|| format!("`{text}` is not a version"))
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        f.pad(&format!("{major}.{minor}.{patch}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_say() {
        let check = |text: &str, expected: Option<&str>| {
            let found = VersionNumber::first_in(text).map(|version| version.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("kind v0.32.0 go1.26.1 linux/amd64", Some("0.32.0"));
        check("v3.18.4+gd80839c\n", Some("3.18.4"));
        check("28.2.2", Some("28.2.2"));
        check("27.5.1-rd", Some("27.5.1"));
        check("kind version 0.32.0-alpha", Some("0.32.0"));
        check("v4.2", None);
        check("", None);
        let [old, new] = ["0.9.0", "0.32.0"].map(|text| VersionNumber::first_in(text).unwrap());
        assert!(old < new);
    }
}
