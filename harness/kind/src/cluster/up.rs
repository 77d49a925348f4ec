//! Bringing a cluster up, in phases that can each be repeated.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::helm::ImageSource;
use super::{KindOptions, clusters, delete, helm, images, kubectl, waiting};
use crate::call::ProgramCall;
use crate::doctor;
use crate::error::Error;
use crate::profile::Profile;
use crate::program::Program;
use tracing::warn;

/// How much longer than a program's own timeout verdikt waits, so that the program can say what it waited for.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// How long the cluster's DNS and nodes may take once Cilium is ready.
pub(super) const READY: Duration = Duration::from_mins(3);

/// How long the API server of nodes that have just been started may take to answer.
const STARTED: Duration = Duration::from_mins(1);

/// What `kubectl` prints, one after the other, while an API server starts.
const STARTING: &[&str] = &["was refused", "(Forbidden)", "(InternalError)"];

/// A cluster that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningCluster {
    /// Its name.
    pub cluster: String,
    /// Its context in the kubeconfig.
    pub context: String,
    /// Whether it was there before.
    pub was_up: bool,
}

/// Brings the cluster of a profile up, or checks that the running one matches the profile. Reports each phase when it
/// begins. Phases that an earlier, interrupted call has finished are skipped.
pub fn up(
    profile: &Profile,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<RunningCluster, Error> {
    progress("check docker, kind and helm");
    doctor::require_all()?;
    let manifests = read_manifests(options)?;
    helm::require_chart(profile, options)?;
    let cluster = profile.cluster();
    let context = profile.context();
    let exists = clusters()?.contains(&cluster);
    if exists {
        progress(&format!("the cluster `{cluster}` exists: check whether it is complete"));
        take_context(profile)?;
        wait_for_api(profile, progress);
        match helm::installed(profile)? {
            Some(found) if found.chart != format!("cilium-{}", profile.release().chart) => {
                return Err(Error::Differs {
                    cluster,
                    found: found.chart,
                    wanted: format!("cilium-{}", profile.release().chart),
                    profile: profile.name,
                });
            }
            Some(found) if found.status == "deployed" => {
                reconfigure(profile, options, progress)?;
                wait_ready(profile).inspect_err(|_| waiting::tell(profile, progress))?;
                return Ok(RunningCluster { cluster, context, was_up: true });
            }
            // Helm does not go on with an installation that was interrupted, and gives up at once on one that failed: a
            // workload that was not ready in time counts as failed until it is another one.
            Some(_) => {
                progress("remove a half-installed Cilium");
                helm::remove(profile)?;
            }
            None => {}
        }
    }
    let loaded = fetch_images(profile, options, progress)?;
    if !exists {
        create(profile, &loaded.node, options, progress)?;
    }
    let in_nodes = load(profile, options, &loaded.names, progress)?;
    let images = if in_nodes { ImageSource::Loaded } else { ImageSource::Registry };
    apply(profile, &manifests, progress)?;
    progress(&format!("install Cilium {} and wait until it is ready", profile.release().version));
    helm::install(profile, options, images).inspect_err(|_| waiting::tell(profile, progress))?;
    apply_after(profile, progress)?;
    progress("wait for the nodes and the cluster's DNS");
    wait_ready(profile).inspect_err(|_| waiting::tell(profile, progress))?;
    Ok(RunningCluster { cluster, context, was_up: false })
}

/// Gives an installed Cilium the settings of this run, and removes those of an earlier one.
fn reconfigure(
    profile: &Profile,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let Some(settings) = &options.settings else { return Ok(()) };
    let installed = helm::installed_values(profile)?;
    if installed.settings == helm::beside_profile(profile, settings)? {
        return Ok(());
    }
    progress("install Cilium again, with the settings of the scenarios");
    helm::install(profile, options, installed.images).inspect_err(|_| waiting::tell(profile, progress))
}

/// The images that docker has for a cluster.
struct Fetched {
    /// The name of the node image.
    node: String,
    /// The names of the images to load into the nodes.
    names: Vec<String>,
}

fn fetch_images(
    profile: &Profile,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Fetched, Error> {
    if !options.image_archives.is_empty() {
        progress("load the image archives");
    }
    let mut names = images::load_archives(options)?;
    let node_image = profile.node_image();
    progress("fetch the images that are missing");
    let node = images::fetch(node_image, &names, options)?.unwrap_or_else(|| node_image.to_string());
    names.retain(|name| !images::is_same(name, &node));
    for (_, image) in profile.release().images.by_role() {
        match images::fetch(image, &names, options)? {
            Some(name) if !names.contains(&name) => names.push(name),
            Some(_) => {}
            None if names.iter().any(|name| name.starts_with(&image.name)) => {}
            None => {
                progress(&format!(
                    "only the chart knows the tag of `{}`: the nodes pull it themselves",
                    image.name
                ));
            }
        }
    }
    Ok(Fetched { node, names })
}

fn create(
    profile: &Profile,
    node: &str,
    options: &KindOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let cluster = profile.cluster();
    progress(&format!("create the nodes of `{cluster}`, Kubernetes {}", profile.release().kubernetes));
    let created = ProgramCall::new(Program::Kind, format!("create the cluster `{cluster}`"))
        .arguments(["create", "cluster", "--name", &cluster, "--image", node, "--config", "-"])
        .input(profile.kind_configuration)
        .deadline(options.timeout)
        .run();
    if let Err(Error::TimedOut { .. } | Error::Interrupted { .. }) = &created {
        // kind cleans up after a failure, but not when it is stopped. A failure to remove the rest is only logged.
        progress(&format!("remove the unfinished `{cluster}`"));
        if let Err(error) = delete(&cluster) {
            warn!(%error, cluster, "cannot remove an unfinished cluster");
        }
    }
    created.map(drop)
}

/// Copies the images into the nodes. Returns whether they are there; nodes that can pull them may do so.
fn load(
    profile: &Profile,
    options: &KindOptions,
    names: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<bool, Error> {
    progress(&format!("copy {} images into the nodes", names.len()));
    match images::load_into_nodes(profile, names) {
        Ok(()) => Ok(true),
        Err(Error::Failed { said, .. })
            if options.registry.is_none() && options.image_archives.is_empty() =>
        {
            let why = said.lines().last().unwrap_or("kind says nothing").to_owned();
            progress(&format!("the nodes pull the images themselves, as copying failed: {why}"));
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// Writes the cluster's context to the kubeconfig if it is missing.
fn take_context(profile: &Profile) -> Result<(), Error> {
    ProgramCall::new(Program::Kind, format!("write the context `{}` to the kubeconfig", profile.context()))
        .arguments(["export", "kubeconfig", "--name", &profile.cluster()])
        .run()
        .map(drop)
}

/// Waits for an API server that is just starting, as after a restart of docker. If it never answers, the next call that
/// needs it fails.
#[expect(clippy::disallowed_methods, reason = "between two calls of a program, until a deadline")]
fn wait_for_api(profile: &Profile, progress: &mut dyn FnMut(&str)) {
    let until = Instant::now() + STARTED;
    let mut told = false;
    while Instant::now() < until {
        let asked = kubectl(profile, format!("ask the API server of `{}`", profile.cluster()))
            .arguments(["get", "--raw", "/readyz"])
            .run();
        match asked {
            Err(Error::Failed { said, .. }) if STARTING.iter().any(|text| said.contains(text)) => {}
            _ => return,
        }
        if !told {
            progress("wait for the API server, which has just been started");
        }
        told = true;
        thread::sleep(Duration::from_millis(500));
    }
}

fn read_manifests(options: &KindOptions) -> Result<Vec<String>, Error> {
    let read = |path: &std::path::PathBuf| {
        fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })
    };
    options.manifests.iter().map(read).collect()
}

/// Applies the profile's manifests from their addresses, or the files given in their place.
fn apply(profile: &Profile, files: &[String], progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
    if profile.manifests().is_empty() && files.is_empty() {
        return Ok(());
    }
    progress("apply the manifests");
    if files.is_empty() {
        for address in profile.manifests() {
            kubectl_apply(profile, &format!("`{address}`")).arguments([address]).run()?;
        }
    }
    for file in files {
        kubectl_apply(profile, "the manifests").arguments(["-"]).input(file.as_str()).run()?;
    }
    Ok(())
}

/// Applies the manifests that the profile has for after the installation of Cilium.
fn apply_after(profile: &Profile, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let Some(manifest) = profile.manifest_after() else { return Ok(()) };
    progress("apply the manifests that need Cilium");
    kubectl_apply(profile, "the manifests").arguments(["-"]).input(manifest).run().map(drop)
}

fn kubectl_apply(profile: &Profile, what: &str) -> ProgramCall {
    kubectl(profile, format!("apply {what} to `{}`", profile.cluster()))
        .arguments(["apply", "--server-side", "--filename"])
        .deadline(READY)
}

fn wait_ready(profile: &Profile) -> Result<(), Error> {
    let timeout = format!("--timeout={}s", READY.as_secs());
    let wait = |what: &str, arguments: &[&str]| {
        kubectl(profile, format!("wait for {what} of `{}`", profile.cluster()))
            .arguments(["wait", &timeout])
            .arguments(arguments)
            .deadline(READY + GRACE)
            .run()
    };
    wait("the nodes", &["--for=condition=Ready", "nodes", "--all"])?;
    wait("the DNS", &["--for=condition=Available", "--namespace", "kube-system", "deployment/coredns"])?;
    Ok(())
}
