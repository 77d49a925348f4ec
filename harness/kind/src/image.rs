//! Container images by name, tag and digest.

use std::fmt;

use serde::Deserialize;

/// An image that a profile needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Registry and repository: `quay.io/cilium/cilium`.
    #[serde(rename = "image")]
    pub name: String,
    /// The tag; none where only the chart knows it.
    pub tag: Option<String>,
    /// The digest of the image for all platforms, `sha256:…`; none if it could not be read.
    pub digest: Option<String>,
    /// Whether the digest was read at its source: a release's notes, or the registry.
    pub verified: bool,
}

impl Image {
    /// Name and tag, which is how a node knows an image that was loaded into it.
    pub fn tagged(&self) -> Option<String> {
        Some(format!("{}:{}", self.name, self.tag.as_ref()?))
    }

    /// The reference to pull: by digest if there is one, from another registry if one is given. None where neither tag nor
    /// digest is known. In another registry the repository is the same: `quay.io/cilium/cilium` is
    /// `HOST/cilium/cilium`.
    pub fn pulled_as(&self, registry: Option<&str>) -> Option<String> {
        let name = match registry {
            None => self.name.clone(),
            Some(host) => {
                let repository = self.name.split_once('/').map_or(self.name.as_str(), |(_, rest)| rest);
                format!("{}/{repository}", host.trim_end_matches('/'))
            }
        };
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Some(format!("{name}@{digest}")),
            (None, Some(tag)) => Some(format!("{name}:{tag}")),
            (None, None) => None,
        }
    }
}

impl fmt::Display for Image {
    /// The full reference, as far as it is known: `quay.io/cilium/cilium:v1.20.2@sha256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_image() {
        let check = |tag: Option<&str>, digest: Option<&str>, registry: Option<&str>, expected: [&str; 3]| {
            let image = Image {
                name: "quay.io/cilium/cilium".to_owned(),
                tag: tag.map(str::to_owned),
                digest: digest.map(str::to_owned),
                verified: false,
            };
            let [shown, tagged, pulled] = expected;
            assert_eq!(image.to_string(), shown);
            assert_eq!(image.tagged().unwrap_or_default(), tagged, "{image}");
            assert_eq!(image.pulled_as(registry).unwrap_or_default(), pulled, "{image} from {registry:?}");
        };
        let cilium = "quay.io/cilium/cilium";
        let tagged = &format!("{cilium}:v1");
        let by_digest = &format!("{cilium}@sha256:a");
        check(Some("v1"), Some("sha256:a"), None, [&format!("{tagged}@sha256:a"), tagged, by_digest]);
        check(Some("v1"), None, None, [tagged, tagged, tagged]);
        check(Some("v1"), None, Some("mirror:5000/"), [tagged, tagged, "mirror:5000/cilium/cilium:v1"]);
        check(None, Some("sha256:a"), Some("mirror"), [by_digest, "", "mirror/cilium/cilium@sha256:a"]);
        check(None, None, Some("mirror"), [cilium, "", ""]);
    }
}
