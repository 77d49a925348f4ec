//! The licences of everything in a release, each text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::packages::Package;

/// How files with such texts begin.
const NAMES: &[&str] = &["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// One document with the licences of all packages that are not ours.
pub(crate) fn document(packages: &[Package]) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut document = "verdikt contains these packages:\n\n".to_owned();
    for package in packages.iter().filter(|package| !package.is_ours) {
        let found = texts_of(&package.folder)?;
        let licence = package.licence.as_deref().unwrap_or("see its text");
        let remark = if found.is_empty() { ", without a text in the package" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(document, "{} {}: {licence}{remark}", package.name, package.version);
        for text in found {
            texts.entry(text).or_default().push(package.key());
        }
    }
    for (text, packages) in texts {
        let _ = write!(document, "\n{}\n{}\n\n{}\n", "=".repeat(80), packages.join(", "), text);
    }
    Ok(document)
}

/// The texts in the folder of a package, in order of their names.
fn texts_of(folder: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot read the licences in {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type().with_context(failed)?.is_file()
            && NAMES.iter().any(|start| name.starts_with(start))
        {
            files.push(entry.path());
        }
    }
    files.sort();
    let read = |path| fs::read_to_string(path).map(|text| text.replace("\r\n", "\n").trim().to_owned());
    files.into_iter().map(read).collect::<Result<_, _>>().with_context(failed)
}
