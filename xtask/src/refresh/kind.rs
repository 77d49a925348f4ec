//! The node images that the releases of kind name in their notes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use cargo_metadata::semver::Version;
use serde::Deserialize;

use super::document::{ImageEntry, MinorVersion};
use super::registry::is_digest;
use super::web::Web;

/// The repository of the images.
const IMAGE: &str = "docker.io/kindest/node";

/// The node image of each minor of Kubernetes, from the newest release of kind that has one.
#[derive(Debug)]
pub(super) struct NodeImages {
    newest: BTreeMap<MinorVersion, (Version, ImageEntry)>,
    made_for: Version,
}

#[derive(Deserialize)]
struct KindRelease {
    tag_name: String,
    #[serde(default)]
    prerelease: bool,
    body: Option<String>,
}

impl NodeImages {
    /// Reads the notes of all releases. <https://docs.github.com/en/rest/releases/releases#list-releases>
    pub(super) fn read(web: &Web, address: &str) -> Result<Self> {
        let doing = || format!("cannot read the releases of kind at {address}");
        let text = web.text(address).with_context(doing)?;
        let releases: Vec<KindRelease> = serde_json::from_str(&text).with_context(doing)?;
        let mut dated: Vec<(Version, String)> = releases
            .into_iter()
            .filter(|release| !release.prerelease)
            .filter_map(|release| {
                Some((Version::parse(release.tag_name.trim_start_matches('v')).ok()?, release.body?))
            })
            .collect();
        dated.sort();
        let mut newest = BTreeMap::new();
        for (_, notes) in &dated {
            for (version, image) in images(notes) {
                newest.insert(MinorVersion::of(&version), (version, image));
            }
        }
        let (made_for, _) = dated.pop().with_context(|| format!("{address} has no release of kind"))?;
        Ok(Self { newest, made_for })
    }

    /// The newest release of kind, which the images are made for, or an older one.
    pub(super) fn made_for(&self) -> &Version {
        &self.made_for
    }

    /// The image of a minor, where a release names one.
    pub(super) fn of(&self, minor: MinorVersion) -> Option<ImageEntry> {
        self.newest.get(&minor).map(|(_, image)| image.clone())
    }

    /// The images of all newer minors.
    pub(super) fn after(&self, minor: MinorVersion) -> impl Iterator<Item = (MinorVersion, ImageEntry)> {
        let newer = self.newest.iter().filter(move |(other, _)| **other > minor);
        newer.map(|(minor, (_, image))| (*minor, image.clone()))
    }
}

/// The node images that some notes name: `kindest/node:v1.37.0@sha256:…`.
fn images(notes: &str) -> impl Iterator<Item = (Version, ImageEntry)> {
    notes.split("kindest/node:v").skip(1).filter_map(|rest| {
        let (version, rest) = rest.split_once('@')?;
        let digest: String =
            rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == ':').collect();
        let parsed = Version::parse(version).ok().filter(|version| version.pre.is_empty())?;
        let image = ImageEntry::verified(IMAGE.to_owned(), format!("v{version}"), digest.clone());
        is_digest(&digest).then_some((parsed, image))
    })
}
