//! `cargo xtask refresh`: brings `clusters/versions.yaml` to what the sources of charts and images have.

mod chart;
mod document;
mod kind;
mod registry;
mod web;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::semver::Version;

use chart::Charts;
use document::{ImageEntry, VersionsLine};
use kind::NodeImages;
use registry::Registry;
use web::Web;

/// The releases of kind, whose notes name the node images that were made for them.
const KIND_RELEASES: &str = "https://api.github.com/repos/kubernetes-sigs/kind/releases";

/// Where to read, and what to do with what is found.
#[derive(Debug, clap::Args)]
pub(crate) struct Refresh {
    /// The file
    #[arg(default_value = "clusters/versions.yaml")]
    file: PathBuf,
    /// Write nothing, and print what would change
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Write nothing, and fail if anything would change
    #[arg(long)]
    check: bool,
    /// The releases of kind, as GitHub's API has them
    #[arg(long, value_name = "URL", default_value = KIND_RELEASES)]
    kind_releases: String,
    /// A server to ask in place of every registry
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
}

/// Reads every source, and then rewrites the file, unless it is only to be compared.
pub(crate) fn refresh(options: &Refresh) -> Result<()> {
    let file = options.file.display();
    let text = fs::read_to_string(&options.file).with_context(|| format!("cannot read {file}"))?;
    let web = Web::new()?;
    let charts =
        Charts::read(&web, document::charts(&text).with_context(|| format!("{file} names no charts"))?)?;
    let nodes = NodeImages::read(&web, &options.kind_releases)?;
    let registry = Registry::new(&web, options.registry.as_deref());
    let fresh = rewrite(&text, &charts, &nodes, &registry)?;
    if let Some(minor) = charts.minor_after(&document::minors(&text)) {
        say(&format!(
            "Cilium {minor} is released and has no row; harness/scenario/src/version.rs says what a new minor needs"
        ));
    }
    let differences = document::differences(&text, &fresh);
    if differences.is_empty() {
        say(&format!("{file} is current"));
        return Ok(());
    }
    say(differences.trim_end());
    if options.check {
        bail!("{file} is not current; run `cargo xtask refresh`");
    }
    if !options.dry_run {
        fs::write(&options.file, fresh).with_context(|| format!("cannot write {file}"))?;
    }
    Ok(())
}

/// The text with every version, tag and digest as its source has it.
fn rewrite(text: &str, charts: &Charts<'_>, nodes: &NodeImages, registry: &Registry<'_>) -> Result<String> {
    let newest_node = document::node_minors(text).into_iter().max();
    let mut version: Option<Version> = None;
    let mut fresh = Vec::new();
    for line in text.lines() {
        fresh.push(match VersionsLine::parse(line) {
            VersionsLine::Programs => document::with_kind(line, nodes.made_for()),
            VersionsLine::Minor(minor) => {
                version = Some(charts.newest_patch(minor)?);
                line.to_owned()
            }
            VersionsLine::Release(key) => {
                let version = version.as_ref().context("a version stands before its minor")?;
                format!("    {key}: {version}")
            }
            VersionsLine::Node(minor, image) => {
                document::node_line(minor, &node(image, minor, nodes, registry)?)
            }
            VersionsLine::Image(role, image) => {
                let version = version.as_ref().context("an image stands before its minor")?;
                let tag = match role {
                    "envoy" => charts.envoy_tag(version)?,
                    _ => format!("v{version}"),
                };
                let digest = registry.digest(&image.image, &tag)?;
                document::image_line(role, &ImageEntry::verified(image.image, tag, digest))
            }
            VersionsLine::Other => line.to_owned(),
        });
        if let (VersionsLine::Node(minor, _), Some(newest)) = (VersionsLine::parse(line), newest_node)
            && minor == newest
        {
            fresh.extend(nodes.after(minor).map(|(minor, image)| document::node_line(minor, &image)));
        }
    }
    fresh.push(String::new());
    Ok(fresh.join("\n"))
}

/// The node image of a minor: that of kind's notes, or the one that there is, as its registry has it.
fn node(
    image: ImageEntry,
    minor: document::MinorVersion,
    nodes: &NodeImages,
    registry: &Registry<'_>,
) -> Result<ImageEntry> {
    if let Some(found) = nodes.of(minor) {
        return Ok(found);
    }
    let tag = image.tag.with_context(|| format!("the node image of Kubernetes {minor} has no tag"))?;
    let digest = registry.digest(&image.image, &tag)?;
    Ok(ImageEntry::verified(image.image, tag, digest))
}

#[expect(clippy::print_stdout, reason = "what was found is the answer of the task")]
fn say(text: &str) {
    println!("{text}");
}
