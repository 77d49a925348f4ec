//! Which parts of a profile this machine has before its cluster is brought up.

use std::iter::once;

use super::{clusters, images};
use crate::error::Error;
use crate::profile::Profile;

/// Which parts of a profile this machine has, and which are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalParts {
    /// Whether its cluster exists.
    pub cluster_exists: bool,
    /// The images that docker has, by name and tag.
    pub here: Vec<String>,
    /// The images that are pulled when the cluster is brought up. Those whose tag the chart alone knows are in neither.
    pub missing: Vec<String>,
}

/// Looks for the cluster and the images of a profile.
pub fn stock(profile: &Profile) -> Result<LocalParts, Error> {
    let cluster_exists = clusters()?.contains(&profile.cluster());
    let of_cilium = profile.release().images.by_role().map(|(_, image)| image);
    let images =
        once(profile.node_image()).chain(of_cilium).filter_map(|image| Some((image.tagged()?, image)));
    let (here, missing): (Vec<_>, Vec<_>) =
        images.partition(|(tagged, image)| images::is_here(tagged, image.digest.as_deref()));
    let names = |images: Vec<(String, _)>| images.into_iter().map(|(tagged, _)| tagged).collect();
    Ok(LocalParts { cluster_exists, here: names(here), missing: names(missing) })
}
