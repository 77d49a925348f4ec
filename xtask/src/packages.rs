//! The packages that a release consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::build::{cargo, packages_of, root, text_of};

/// A package of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// As SPDX writes it: `MIT OR Apache-2.0`.
    pub(crate) licence: Option<String>,
    /// Where its sources are.
    pub(crate) folder: PathBuf,
    /// Whether it is of this workspace.
    pub(crate) is_ours: bool,
    /// The packages it needs, as [`Package::key`] names them.
    pub(crate) needs: BTreeSet<String>,
}

impl Package {
    /// Its name and version: `clap@4.6.7`.
    pub(crate) fn key(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The packages that the programs of a platform are built of, in order of name and version.
pub(crate) fn packages(target: &str) -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", target].map(str::to_owned))
        .exec()
        .context("cannot read the packages of the workspace")?;
    let built = built(target)?;
    let keys: BTreeMap<&PackageId, String> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, format!("{}@{}", package.name, package.version)))
        .collect();
    let needs = needs(&metadata, &keys);
    let mut packages: Vec<Package> = metadata
        .packages
        .iter()
        .filter(|package| built.contains(&keys[&package.id]))
        .map(|package| Package {
            name: package.name.to_string(),
            version: package.version.to_string(),
            // The form from before SPDX expressions.
            licence: package.license.as_ref().map(|licence| licence.replace('/', " OR ")),
            folder: package
                .manifest_path
                .parent()
                .map(|folder| folder.as_std_path().to_owned())
                .unwrap_or_default(),
            is_ours: package.source.is_none(),
            needs: needs
                .get(&package.id)
                .map(|needs| needs.intersection(&built).cloned().collect())
                .unwrap_or_default(),
        })
        .collect();
    packages.sort_by_key(Package::key);
    Ok(packages)
}

/// The names and versions of what a build of the released packages alone consists of. Cargo's metadata has the features
/// of the whole workspace, and with them what only tests need.
fn built(target: &str) -> Result<BTreeSet<String>> {
    let mut command = cargo();
    command.args([
        "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target", target,
    ]);
    for package in packages_of(target) {
        command.args(["--package", package]);
    }
    // `name v1.2.3`, with more behind it for packages of the workspace and macros.
    let key = |line: &str| {
        let mut words = line.split(' ');
        Some(format!("{}@{}", words.next()?, words.next()?.strip_prefix('v')?))
    };
    Ok(text_of(&mut command)?.lines().filter_map(key).collect())
}

fn needs<'a>(
    metadata: &'a Metadata,
    keys: &BTreeMap<&PackageId, String>,
) -> BTreeMap<&'a PackageId, BTreeSet<String>> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let needs = nodes.map(|node| {
        let normal = node
            .deps
            .iter()
            .filter(|needed| needed.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        (&node.id, normal.map(|needed| keys[&needed.pkg].clone()).collect())
    });
    needs.collect()
}
