//! `verdikt cluster`: creates, lists and removes kind clusters.

use std::fmt::Write as _;
use std::process::ExitCode;

use verdikt_kind::cluster::{self, LocalParts, RunningCluster};
use verdikt_kind::doctor::{ProgramFinding, examine};
use verdikt_kind::error::Error;
use verdikt_kind::profile::{PREFIX, Profile, profiles};

use crate::arguments::{ClusterArguments, ClusterCommand, ClusterUp};
use crate::exit;
use crate::failure::Failure;
use crate::kind_use::{bring_up, failure, named, phases};
use crate::printer::Printer;

pub(crate) fn cluster(
    ClusterArguments { command }: ClusterArguments,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match command {
        ClusterCommand::Up(arguments) => up(&arguments),
        ClusterCommand::Down { profile } => down(&profile),
        ClusterCommand::List => list(printer),
        ClusterCommand::Doctor { profile } => doctor(profile.as_deref()),
    }
}

fn up(arguments: &ClusterUp) -> Result<ExitCode, Failure> {
    let profile = named(&arguments.profile)?;
    let mut progress = phases();
    let RunningCluster { cluster, context, was_up } =
        bring_up(&profile, &arguments.options(), &mut progress)?;
    progress(&if was_up {
        format!("the cluster `{cluster}` is already up, and complete")
    } else {
        format!("the cluster `{cluster}` is up")
    });
    Printer::data(&format!("{context}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn down(name: &str) -> Result<ExitCode, Failure> {
    let profile = named(name)?;
    let was_there = cluster::down(&profile).map_err(|error| failure(&error))?;
    let cluster = profile.cluster();
    Printer::tell(&if was_there {
        format!("the cluster `{cluster}` is removed\n")
    } else {
        format!("there is no cluster `{cluster}`\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn list(printer: &Printer) -> Result<ExitCode, Failure> {
    let clusters = match cluster::clusters() {
        Ok(clusters) => clusters,
        Err(error) => {
            printer.note(&format!("cannot list the clusters: {error}"));
            Vec::new()
        }
    };
    let mut text = String::new();
    let widest = profiles().map(|profile| profile.name.len()).max().unwrap_or_default();
    for profile in profiles() {
        let release = profile.release();
        let state = if clusters.contains(&profile.cluster()) { "exists" } else { "-" };
        let _ = writeln!(
            text,
            "{:<widest$}  Cilium {:<8}  Kubernetes {}  {state:<6}  {}",
            profile.name,
            release.version,
            release.kubernetes,
            profile.about()
        );
    }
    let known: Vec<String> = profiles().map(|profile| profile.cluster()).collect();
    for other in clusters.iter().filter(|cluster| !known.contains(cluster)) {
        let name = other.strip_prefix(PREFIX).unwrap_or(other);
        printer.note(&format!("the cluster `{other}` exists, and there is no profile `{name}`"));
    }
    Printer::data(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn doctor(profile: Option<&str>) -> Result<ExitCode, Failure> {
    let profile = profile.map(named).transpose()?;
    let findings = examine();
    let mut text = String::new();
    for ProgramFinding { program, wanted, found } in &findings {
        // Writing to text cannot fail.
        let _ = match found {
            Ok(version) => writeln!(text, "{program:<8}ok       {version}; {wanted} or newer is needed"),
            Err(error) => {
                let state = match error {
                    Error::NotInstalled(_) => "missing",
                    Error::Old { .. } => "too old",
                    _ => "fails",
                };
                let what = error.to_string().replace('\n', "\n                 ");
                writeln!(text, "{program:<8}{state:<9}{what}\n                 {}", error.advice())
            }
        };
    }
    let well = findings.iter().all(|finding| finding.found.is_ok());
    if let Some(profile) = profile.filter(|_| well) {
        text.push_str(&stock_of(&profile)?);
    }
    Printer::data(&text)?;
    Ok(ExitCode::from(if well { exit::AS_EXPECTED } else { exit::MACHINE_FAILED }))
}

/// The lines of the doctor about a profile.
fn stock_of(profile: &Profile) -> Result<String, Failure> {
    let LocalParts { cluster_exists, here, missing } =
        cluster::stock(profile).map_err(|error| failure(&error))?;
    let mut text = String::new();
    let all = here.len() + missing.len();
    let _ = writeln!(
        text,
        "images  {:<9}{} of {all} are on this machine",
        if missing.is_empty() { "ok" } else { "-" },
        here.len()
    );
    for image in missing {
        let _ = writeln!(text, "                 `cluster up` pulls {image}");
    }
    let (name, profile) = (profile.cluster(), profile.name);
    // Writing to text cannot fail.
    let _ = if cluster_exists {
        writeln!(text, "cluster exists   `verdikt cluster up {profile}` checks whether `{name}` is complete")
    } else {
        writeln!(text, "cluster -        `verdikt cluster up {profile}` creates `{name}`")
    };
    Ok(text)
}
