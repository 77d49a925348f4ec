//! `versions.yaml` by its lines, so that everything but versions, tags and digests stays as people wrote it.

use std::fmt;

use cargo_metadata::semver::Version;
use serde::Deserialize;

/// A minor of Cilium or Kubernetes: `1.20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MinorVersion {
    major: u64,
    minor: u64,
}

impl MinorVersion {
    /// Reads `1.20`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// That of a version.
    pub(super) fn of(version: &Version) -> Self {
        Self { major: version.major, minor: version.minor }
    }
}

impl fmt::Display for MinorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An image, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ImageEntry {
    pub(super) image: String,
    pub(super) tag: Option<String>,
    digest: Option<String>,
    verified: bool,
}

impl ImageEntry {
    /// One whose digest was read at its source.
    pub(super) fn verified(image: String, tag: String, digest: String) -> Self {
        Self { image, tag: Some(tag), digest: Some(digest), verified: true }
    }
}

impl fmt::Display for ImageEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.tag.as_deref().unwrap_or("null");
        let digest = self.digest.as_ref().map_or_else(|| "null".to_owned(), |digest| format!("\"{digest}\""));
        write!(f, "{{image: {}, tag: {tag}, digest: {digest}, verified: {}}}", self.image, self.verified)
    }
}

/// What a line of the file is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum VersionsLine<'a> {
    /// The oldest versions of programs.
    Programs,
    /// A minor of Cilium, of which the following lines are.
    Minor(MinorVersion),
    /// The version of the release, or of its chart, by the key.
    Release(&'a str),
    /// The node image of a minor of Kubernetes.
    Node(MinorVersion, ImageEntry),
    /// An image of the release, by its role.
    Image(&'a str, ImageEntry),
    /// Anything else.
    Other,
}

impl<'a> VersionsLine<'a> {
    pub(super) fn parse(line: &'a str) -> Self {
        if line.starts_with("programs: ") {
            return Self::Programs;
        }
        let Some((key, value)) = line.trim_start().split_once(':') else { return Self::Other };
        let (value, quoted) = (value.trim(), key.strip_prefix('"').and_then(|key| key.strip_suffix('"')));
        let minor = quoted.and_then(MinorVersion::parse);
        let image = || serde_saphyr::from_str::<ImageEntry>(value).ok();
        match (line.len() - line.trim_start().len(), minor) {
            (2, Some(minor)) if value.is_empty() => Self::Minor(minor),
            (2, Some(minor)) => image().map_or(Self::Other, |image| Self::Node(minor, image)),
            (4, None) if ["version", "chart"].contains(&key) => Self::Release(key),
            (6, None) => image().map_or(Self::Other, |image| Self::Image(key, image)),
            _ => Self::Other,
        }
    }
}

/// The address of the charts.
pub(super) fn charts(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("charts: "))
}

/// The minors of Cilium that the file has.
pub(super) fn minors(text: &str) -> Vec<MinorVersion> {
    let minor =
        |line| if let VersionsLine::Minor(minor) = VersionsLine::parse(line) { Some(minor) } else { None };
    text.lines().filter_map(minor).collect()
}

/// The minors of Kubernetes that the file has a node image of.
pub(super) fn node_minors(text: &str) -> Vec<MinorVersion> {
    let minor =
        |line| if let VersionsLine::Node(minor, _) = VersionsLine::parse(line) { Some(minor) } else { None };
    text.lines().filter_map(minor).collect()
}

/// The line of a node image.
pub(super) fn node_line(minor: MinorVersion, image: &ImageEntry) -> String {
    format!("  \"{minor}\": {image}")
}

/// The line of an image of a release.
pub(super) fn image_line(role: &str, image: &ImageEntry) -> String {
    format!("      {role}: {image}")
}

/// The line of the programs, which never asks for an older kind than it did.
pub(super) fn with_kind(line: &str, kind: &Version) -> String {
    let Some((before, rest)) = line.split_once("kind: ") else { return line.to_owned() };
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    match Version::parse(&rest[..end]) {
        Ok(current) if current < *kind => format!("{before}kind: {kind}{}", &rest[end..]),
        _ => line.to_owned(),
    }
}

/// What differs, as `diff -u` writes it; empty where nothing does.
pub(super) fn differences(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after).unified_diff().context_radius(0).to_string()
}
