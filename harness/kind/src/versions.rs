//! The versions and images of every profile, read from `clusters/versions.yaml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use verdikt_scenario::version::CiliumVersion;

use crate::image::Image;
pub use crate::version_number::VersionNumber;

/// The file.
pub const FILE: &str = include_str!("../clusters/versions.yaml");

/// The content of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionsFile {
    /// The oldest versions of the programs.
    pub programs: Programs,
    /// Where the chart `cilium` comes from.
    pub charts: String,
    /// The node image of each Kubernetes minor.
    pub kubernetes: BTreeMap<String, Image>,
    /// The release of each Cilium minor.
    pub cilium: BTreeMap<CiliumVersion, Release>,
    /// The profiles by name.
    pub profiles: BTreeMap<String, ProfileEntry>,
}

/// The oldest versions of the programs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Of `docker`: its daemon.
    pub docker: VersionNumber,
    /// Of `kind`.
    pub kind: VersionNumber,
    /// Of `helm`.
    pub helm: VersionNumber,
}

/// A release of Cilium.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The patch version: `1.20.2`.
    pub version: String,
    /// The version of the chart.
    pub chart: String,
    /// The Kubernetes minor of its clusters.
    pub kubernetes: String,
    /// Its images.
    pub images: ReleaseImages,
}

/// The images of a release of Cilium.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseImages {
    /// The agent of each node.
    pub agent: Image,
    /// The operator.
    pub operator: Image,
    /// Hubble's Relay.
    pub relay: Image,
    /// The L7 proxy.
    pub envoy: Image,
}

impl ReleaseImages {
    /// Each image with its role.
    pub fn by_role(&self) -> [(&'static str, &Image); 4] {
        [("agent", &self.agent), ("operator", &self.operator), ("relay", &self.relay), ("envoy", &self.envoy)]
    }
}

/// A profile, as the file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileEntry {
    /// The Cilium minor.
    pub cilium: CiliumVersion,
    /// Its purpose: a sentence fragment.
    pub about: String,
    /// The addresses of the manifests that are applied before Cilium is installed.
    #[serde(default)]
    pub manifests: Vec<String>,
}

/// The versions that this binary was built with.
pub fn versions() -> &'static VersionsFile {
    static VERSIONS: LazyLock<VersionsFile> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "the file is part of the binary and read by a test")]
        serde_saphyr::from_str(FILE).expect("clusters/versions.yaml is as `Versions` has it")
    });
    &VERSIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole() {
        let versions = versions();
        assert_eq!(versions.cilium.keys().copied().collect::<Vec<_>>(), CiliumVersion::ALL);
        for (minor, release) in &versions.cilium {
            let minor = minor.to_string();
            for version in [&release.version, &release.chart] {
                assert!(version.starts_with(&format!("{minor}.")), "{version} is not a patch of {minor}");
            }
            assert!(versions.kubernetes.contains_key(&release.kubernetes), "Kubernetes of Cilium {minor}");
        }
        let of_cilium = versions.cilium.values().flat_map(|release| release.images.by_role());
        let images = of_cilium.map(|(_, image)| image).chain(versions.kubernetes.values());
        for image in images {
            let digest = image.digest.as_deref();
            let hexadecimal = digest.map(|digest| digest.strip_prefix("sha256:").unwrap());
            assert!(
                hexadecimal
                    .is_none_or(|text| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit())),
                "{image}"
            );
            assert!(
                !image.verified || digest.is_some() && image.tag.is_some(),
                "{image}: what was verified?"
            );
        }
    }
}
