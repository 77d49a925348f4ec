//! Profiles: kinds of clusters, each with the reason it exists in its `README.md`.

use verdikt_scenario::version::CiliumVersion;

use crate::image::Image;
use crate::versions::{ProfileEntry, Release, versions};

/// The prefix of the names of verdikt's clusters. Clusters with other names are never touched.
pub const PREFIX: &str = "verdikt-";

/// The default profile.
pub const DEFAULT: &str = "cilium-1.20";

/// The files of a profile: its name, kind's configuration, Helm's values.
type ProfileFiles = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../clusters/", $name, "/kind.yaml")),
            include_str!(concat!("../clusters/", $name, "/values.yaml")),
        )),*]
    };
}

/// Every profile's files, in the order they are listed.
static FILES: &[ProfileFiles] = files![
    "cilium-1.16",
    "cilium-1.17",
    "cilium-1.18",
    "cilium-1.19",
    "cilium-1.20",
    "kube-proxy-replacement",
    "dual-stack",
    "two-workers",
    "audit",
    "wireguard",
    "host-firewall",
    "cluster-network-policy",
    "node-local-dns",
    "gateway",
];

/// The manifests that are applied once Cilium is installed, by profile: those of kinds that Cilium itself brings.
static AFTER: &[(&str, &str)] = &[("node-local-dns", include_str!("../clusters/node-local-dns/after.yaml"))];

/// A kind of cluster.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name: `dual-stack`.
    pub name: &'static str,
    /// The configuration of kind, without the node image.
    pub kind_configuration: &'static str,
    /// The Helm values of Cilium's chart.
    pub values: &'static str,
    entry: &'static ProfileEntry,
}

/// There is no such profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{name}`{}", .meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
pub struct UnknownProfile {
    name: String,
    meant: Option<&'static str>,
}

impl Profile {
    /// Its purpose: a sentence fragment.
    pub fn about(&self) -> &'static str {
        &self.entry.about
    }

    /// The Cilium minor.
    pub fn cilium(&self) -> CiliumVersion {
        self.entry.cilium
    }

    /// The addresses of the manifests that are applied before Cilium is installed.
    pub fn manifests(&self) -> &'static [String] {
        &self.entry.manifests
    }

    /// The manifests that are applied after Cilium is installed.
    pub fn manifest_after(&self) -> Option<&'static str> {
        AFTER.iter().find(|(name, _)| *name == self.name).map(|(_, manifest)| *manifest)
    }

    /// The release of Cilium that is installed.
    pub fn release(&self) -> &'static Release {
        &versions().cilium[&self.entry.cilium]
    }

    /// The image of the nodes.
    pub fn node_image(&self) -> &'static Image {
        &versions().kubernetes[&self.release().kubernetes]
    }

    /// The name of its cluster.
    pub fn cluster(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The context of its cluster in the kubeconfig.
    pub fn context(&self) -> String {
        format!("kind-{}", self.cluster())
    }

    /// The container that is the cluster's control plane.
    pub(crate) fn control_plane(&self) -> String {
        format!("{}-control-plane", self.cluster())
    }
}

/// Every profile, in the order they are listed.
pub fn profiles() -> impl Iterator<Item = Profile> {
    FILES.iter().filter_map(|&(name, kind_configuration, values)| {
        let entry = versions().profiles.get(name)?;
        Some(Profile { name, kind_configuration, values, entry })
    })
}

/// Finds a profile by its name.
pub fn profile(name: &str) -> Result<Profile, UnknownProfile> {
    profiles().find(|profile| profile.name == name).ok_or_else(|| {
        let distance = |known: &str| strsim::damerau_levenshtein(known, name);
        let nearest = profiles().map(|profile| profile.name).min_by_key(|known| distance(known));
        let meant = nearest.filter(|known| distance(known) <= 3);
        UnknownProfile { name: name.to_owned(), meant }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_versions_name_the_same_profiles() {
        let mut of_files: Vec<_> = FILES.iter().map(|(name, ..)| *name).collect();
        of_files.sort_unstable();
        let of_versions: Vec<_> = versions().profiles.keys().map(String::as_str).collect();
        assert_eq!(of_files, of_versions);
        assert_eq!(profile(DEFAULT).unwrap().cilium(), CiliumVersion::default());
    }

    #[test]
    fn configurations_and_values_are_as_every_profile_needs_them() {
        for profile in profiles() {
            let yaml =
                |text: &str| -> serde_json::Value { serde_saphyr::from_str(text).expect(profile.name) };
            let (kind, values) = (yaml(profile.kind_configuration), yaml(profile.values));
            let check = |of: &serde_json::Value, path: &str, expected: serde_json::Value| {
                assert_eq!(of.pointer(path), Some(&expected), "{}: {path}", profile.name);
            };
            check(&kind, "/name", profile.cluster().into());
            check(&kind, "/networking/disableDefaultCNI", true.into());
            check(&values, "/ipam/mode", "kubernetes".into());
            check(&values, "/hubble/enabled", true.into());
            check(&values, "/hubble/relay/enabled", true.into());
            check(&values, "/bpf/monitorAggregation", "medium".into());
            for image in ["", "/operator", "/envoy", "/hubble/relay"] {
                check(&values, &format!("{image}/image/pullPolicy"), "IfNotPresent".into());
            }
            // Somebody must translate services, and only one may.
            let replaced = kind.pointer("/networking/kubeProxyMode") == Some(&"none".into());
            check(&values, "/kubeProxyReplacement", replaced.into());
            if replaced {
                check(&values, "/k8sServiceHost", profile.control_plane().into());
            }
            let control_planes = kind["nodes"].as_array().unwrap().iter();
            let control_planes = control_planes.filter(|node| node["role"] == "control-plane").count();
            assert_eq!(control_planes, 1, "{}", profile.name);
        }
    }

    #[test]
    fn unknown_profiles() {
        let check = |name: &str, expected: &str| {
            assert_eq!(profile(name).map(|profile| profile.name).unwrap_err().to_string(), expected);
        };
        check("dualstack", "there is no profile `dualstack`; did you mean `dual-stack`?");
        check("cilium-1.21", "there is no profile `cilium-1.21`; did you mean `cilium-1.20`?");
        check("production", "there is no profile `production`");
    }
}
