//! The repository of Cilium's charts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::semver::Version;
use flate2::read::GzDecoder;
use serde::Deserialize;

use super::document::MinorVersion;
use super::web::Web;

/// The charts of Cilium that are released.
#[derive(Debug)]
pub(super) struct Charts<'a> {
    web: &'a Web,
    address: &'a str,
    versions: BTreeSet<Version>,
}

#[derive(Deserialize)]
struct ChartIndex {
    entries: BTreeMap<String, Vec<ChartIndexEntry>>,
}

#[derive(Deserialize)]
struct ChartIndexEntry {
    version: String,
}

#[derive(Deserialize)]
struct ChartValues {
    envoy: EnvoyValues,
}

#[derive(Deserialize)]
struct EnvoyValues {
    image: EnvoyImageValues,
}

#[derive(Deserialize)]
struct EnvoyImageValues {
    tag: String,
}

impl<'a> Charts<'a> {
    /// Reads the index of a chart repository. <https://helm.sh/docs/topics/chart_repository/#the-index-file>
    pub(super) fn read(web: &'a Web, address: &'a str) -> Result<Self> {
        let doing = || format!("cannot read the chart repository {address}");
        let text = web.text(&format!("{address}/index.yaml")).with_context(doing)?;
        let index: ChartIndex = serde_saphyr::from_str(&text).with_context(doing)?;
        let of_cilium =
            index.entries.into_iter().filter(|(chart, _)| chart == "cilium").flat_map(|(_, all)| all);
        let versions = of_cilium.filter_map(|entry| Version::parse(&entry.version).ok());
        // Versions with a suffix are not yet releases.
        Ok(Self { web, address, versions: versions.filter(|version| version.pre.is_empty()).collect() })
    }

    /// The newest patch of a minor.
    pub(super) fn newest_patch(&self, minor: MinorVersion) -> Result<Version> {
        let of_minor = self.versions.iter().filter(|version| MinorVersion::of(version) == minor);
        let newest = of_minor
            .max()
            .with_context(|| format!("the chart repository has no release of Cilium {minor}"))?;
        Ok(newest.clone())
    }

    /// The newest minor, if it is newer than all of these.
    pub(super) fn minor_after(&self, known: &[MinorVersion]) -> Option<MinorVersion> {
        self.versions.last().map(MinorVersion::of).filter(|newest| known.iter().all(|minor| minor < newest))
    }

    /// The tag of Envoy that a chart names.
    pub(super) fn envoy_tag(&self, version: &Version) -> Result<String> {
        let doing = || format!("cannot read the chart of Cilium {version}");
        let packed = self.web.get(&format!("{}/cilium-{version}.tgz", self.address)).with_context(doing)?;
        let mut chart = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        for file in chart.entries().with_context(doing)? {
            let mut file = file.with_context(doing)?;
            if file.path().with_context(doing)?.to_str() != Some("cilium/values.yaml") {
                continue;
            }
            let mut text = String::new();
            file.read_to_string(&mut text).with_context(doing)?;
            let values: ChartValues = serde_saphyr::from_str(&text).with_context(doing)?;
            return Ok(values.envoy.image.tag);
        }
        bail!("the chart of Cilium {version} has no values.yaml")
    }
}
