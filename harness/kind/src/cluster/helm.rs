//! Cilium in a cluster, through Helm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::KindOptions;
use crate::call::ProgramCall;
use crate::error::Error;
use crate::profile::Profile;
use crate::program::Program;
use crate::versions::versions;

/// How much longer than Helm's own timeout verdikt waits, so that Helm can say what it waited for.
const GRACE: Duration = Duration::from_secs(15);

/// The images of the chart that are named by digest by default.
const IMAGES: &[&str] = &["image", "operator.image", "hubble.relay.image", "envoy.image"];

/// The values that restart Cilium's pods whenever its configuration changes.
const ROLL_OUT: &str = "rollOutCiliumPods";

/// The Helm release `cilium`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Installed {
    /// The chart with its version: `cilium-1.20.2`.
    pub(super) chart: String,
    /// Its status: `deployed`, `failed`, `pending-install`.
    pub(super) status: String,
}

/// A chart, as `helm show chart` prints it.
#[derive(Deserialize)]
struct Chart {
    name: String,
    version: String,
}

/// Checks that the given chart is the profile's. A cluster with another one would not match the profile, and later calls
/// would refuse it.
pub(super) fn require_chart(profile: &Profile, options: &KindOptions) -> Result<(), Error> {
    let Some(chart) = &options.chart else { return Ok(()) };
    let said = ProgramCall::new(Program::Helm, format!("read the chart `{chart}`"))
        .arguments(["show", "chart", chart])
        .run()?;
    let Chart { name, version } = serde_saphyr::from_str(&said)
        .map_err(|_| Error::Answer { program: Program::Helm, said: said.trim().to_owned() })?;
    let wanted = &profile.release().chart;
    if (name.as_str(), &version) != ("cilium", wanted) {
        let found = format!("{name} {version}");
        return Err(Error::Chart { chart: chart.clone(), found, wanted, profile: profile.name });
    }
    Ok(())
}

/// Reads the Helm release of the cluster, if there is one.
pub(super) fn installed(profile: &Profile) -> Result<Option<Installed>, Error> {
    let said = ProgramCall::new(Program::Helm, format!("ask for Cilium in `{}`", profile.cluster()))
        .arguments([
            "list",
            "--deployed",
            "--failed",
            "--pending",
            "--filter",
            "^cilium$",
            "--output",
            "json",
        ])
        .arguments(place(profile))
        .run()?;
    let releases: Vec<Installed> = serde_json::from_str(&said)
        .map_err(|_| Error::Answer { program: Program::Helm, said: said.trim().to_owned() })?;
    Ok(releases.into_iter().next())
}

/// The settings that an earlier run has installed Cilium with, beside the profile's values.
pub(super) struct InstalledValues {
    /// The settings, in the form of [`KindOptions::settings`].
    pub(super) settings: BTreeMap<String, String>,
    pub(super) images: ImageSource,
}

/// Reads the settings that Cilium was installed with.
pub(super) fn installed_values(profile: &Profile) -> Result<InstalledValues, Error> {
    let said =
        ProgramCall::new(Program::Helm, format!("read the values of Cilium in `{}`", profile.cluster()))
            .arguments(["get", "values", "cilium", "--output", "json"])
            .arguments(place(profile))
            .run()?;
    let mut values = flat(serde_json::from_str(&said).map_err(|_| unreadable(&said))?);
    let known = values_of(profile)?;
    let digest = format!("{}.useDigest", IMAGES[0]);
    let images = match values.get(&digest).map(String::as_str) {
        Some("false") => ImageSource::Loaded,
        _ => ImageSource::Registry,
    };
    // What somebody else has set by hand is theirs.
    if !values.contains_key(ROLL_OUT) {
        values.clear();
    }
    values.retain(|name, value| {
        known.get(name) != Some(value) && !name.ends_with(".useDigest") && name != ROLL_OUT
    });
    Ok(InstalledValues { settings: values, images })
}

/// Flattens nested values to dotted names.
fn flat(values: Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let mut left = vec![(String::new(), values)];
    while let Some((name, value)) = left.pop() {
        match value {
            Value::Object(table) => {
                let prefix = if name.is_empty() { name } else { name + "." };
                left.extend(table.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
            other => drop(flat.insert(name, other.to_string())),
        }
    }
    flat
}

/// Leaves out the settings that the profile has anyway.
pub(super) fn beside_profile(
    profile: &Profile,
    settings: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    let (known, mut settings) = (values_of(profile)?, settings.clone());
    settings.retain(|name, value| known.get(name) != Some(value));
    Ok(settings)
}

/// The values of a profile, each in JSON, by its name with dots.
fn values_of(profile: &Profile) -> Result<BTreeMap<String, String>, Error> {
    serde_saphyr::from_str(profile.values).map(flat).map_err(|_| unreadable(profile.values))
}

fn unreadable(said: &str) -> Error {
    Error::Answer { program: Program::Helm, said: said.trim().to_owned() }
}

/// Removes an installation that was interrupted, or that failed.
pub(super) fn remove(profile: &Profile) -> Result<(), Error> {
    ProgramCall::new(Program::Helm, format!("remove a half-installed Cilium from `{}`", profile.cluster()))
        .arguments(["uninstall", "cilium", "--wait"])
        .arguments(place(profile))
        .deadline(Duration::from_mins(5))
        .run()
        .map(drop)
}

/// Where the nodes get the images of Cilium from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageSource {
    /// They were loaded into the nodes, which know them by tag alone.
    Loaded,
    /// The nodes pull them from a registry.
    Registry,
}

/// Installs Cilium and waits until it is ready.
pub(super) fn install(profile: &Profile, options: &KindOptions, images: ImageSource) -> Result<(), Error> {
    let release = profile.release();
    let call = ProgramCall::new(
        Program::Helm,
        format!("install Cilium {} in `{}`", release.version, profile.cluster()),
    );
    let call = call.arguments(["upgrade", "--install", "cilium"]);
    let call = match &options.chart {
        Some(chart) => call.arguments([chart]),
        None => call.arguments(["cilium", "--repo", &versions().charts, "--version", &release.chart]),
    };
    let mut call = call.arguments(place(profile)).arguments(["--values", "-"]);
    if images == ImageSource::Loaded {
        call = call.arguments(
            IMAGES.iter().flat_map(|image| ["--set".to_owned(), format!("{image}.useDigest=false")]),
        );
    }
    if let Some(settings) = &options.settings {
        // Agents read their configuration when they start.
        call = call.arguments(["--set".to_owned(), format!("{ROLL_OUT}=true")]);
        for (name, value) in settings {
            call = call.arguments(["--set-json".to_owned(), format!("{name}={value}")]);
        }
    }
    call.arguments(["--wait", "--timeout", &format!("{}s", options.timeout.as_secs())])
        .input(profile.values)
        .deadline(options.timeout + GRACE)
        .run()
        .map(drop)
}

fn place(profile: &Profile) -> [String; 4] {
    ["--namespace".to_owned(), "kube-system".to_owned(), "--kube-context".to_owned(), profile.context()]
}
