//! Pulling images onto this machine, and loading them into the nodes of a cluster.

use std::path::Path;
use std::time::Duration;

use super::KindOptions;
use crate::call::ProgramCall;
use crate::error::Error;
use crate::image::Image;
use crate::profile::Profile;
use crate::program::Program;

/// The timeout of one image.
const DEADLINE: Duration = Duration::from_mins(15);

/// How `docker load` begins the lines that name what it loaded.
const LOADED: &str = "Loaded image: ";

/// Loads the archives into docker, and returns the names of their images.
pub(super) fn load_archives(options: &KindOptions) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for archive in &options.image_archives {
        let said =
            ProgramCall::new(Program::Docker, format!("load the image archive `{}`", archive.display()))
                .arguments(["load".as_ref(), "--input".as_ref(), archive.as_os_str()])
                .deadline(DEADLINE)
                .run()?;
        names.extend(said.lines().filter_map(|line| line.strip_prefix(LOADED)).map(str::to_owned));
    }
    Ok(names)
}

/// Makes sure that docker has an image under its tag, and returns that name; none if the tag is not known. Images from
/// archives are taken as they are.
pub(super) fn fetch(
    image: &Image,
    from_archives: &[String],
    options: &KindOptions,
) -> Result<Option<String>, Error> {
    let (Some(tagged), Some(pulled_as)) = (image.tagged(), image.pulled_as(options.registry.as_deref()))
    else {
        return Ok(None);
    };
    if from_archives.iter().any(|name| is_same(name, &tagged)) || is_here(&tagged, image.digest.as_deref()) {
        return Ok(Some(tagged));
    }
    ProgramCall::new(Program::Docker, format!("pull the image `{pulled_as}`"))
        .arguments(["pull", "--quiet", &pulled_as])
        .deadline(DEADLINE)
        .run()?;
    if pulled_as != tagged {
        ProgramCall::new(Program::Docker, format!("give the image `{pulled_as}` its tag"))
            .arguments(["tag", &pulled_as, &tagged])
            .run()?;
    }
    Ok(Some(tagged))
}

/// Whether two names mean the same image: docker leaves out its own registry.
pub(super) fn is_same(name: &str, tagged: &str) -> bool {
    let short = |name: &str| name.strip_prefix("docker.io/").unwrap_or(name).to_owned();
    short(name) == short(tagged)
}

/// Whether docker has the image. One that was loaded from an archive has no digests to compare.
pub(super) fn is_here(tagged: &str, digest: Option<&str>) -> bool {
    let digests = ProgramCall::new(Program::Docker, format!("look for the image `{tagged}`"))
        .arguments(["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", tagged])
        .run();
    digests.is_ok_and(|digests| {
        let digests = digests.trim();
        digests.is_empty() || digest.is_none_or(|digest| digests.contains(digest))
    })
}

/// Copies images from docker into the nodes.
pub(super) fn load_into_nodes(profile: &Profile, names: &[String]) -> Result<(), Error> {
    let cluster = profile.cluster();
    ProgramCall::new(Program::Kind, format!("load images into the nodes of `{cluster}`"))
        .arguments(["load", "docker-image", "--name", &cluster])
        .arguments(names)
        .deadline(DEADLINE)
        .run()
        .map(drop)
}

/// Copies an archive's images into the nodes, without docker.
pub(super) fn load_archive_into_nodes(profile: &Profile, archive: &Path) -> Result<(), Error> {
    let cluster = profile.cluster();
    ProgramCall::new(Program::Kind, format!("load `{}` into the nodes of `{cluster}`", archive.display()))
        .arguments([
            "load".as_ref(),
            "image-archive".as_ref(),
            "--name".as_ref(),
            cluster.as_ref(),
            archive.as_os_str(),
        ])
        .deadline(DEADLINE)
        .run()
        .map(drop)
}
