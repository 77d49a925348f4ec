//! Completion of cell names: the scenario first, then the step, then the rest.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::CompletionCandidate;
use verdikt_manifests::situation::load;
use verdikt_runner::plan::{RunOptions, cell_names};

use crate::files::DEFAULT_FOLDER;
use crate::shell::{meant, offered};

/// How many parts of a name are completed separately.
const PARTS: usize = 2;

/// The completions of a filter.
pub(crate) fn complete(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else { return Vec::new() };
    let begun = meant(begun);
    let scenarios = load(&paths()).scenarios;
    let names = cell_names(&scenarios, &RunOptions::default()).collect();
    let candidates = candidates(&names, &begun).into_iter();
    candidates.map(|name| CompletionCandidate::new(offered(&name))).collect()
}

/// The paths on the command line typed so far.
fn paths() -> Vec<PathBuf> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(2).map(PathBuf::from);
    let named: Vec<PathBuf> = words.filter(|path| path.exists()).collect();
    if named.is_empty() { vec![PathBuf::from(DEFAULT_FOLDER)] } else { named }
}

/// The names with this beginning, each up to the end of its next part.
fn candidates(names: &BTreeSet<String>, begun: &str) -> BTreeSet<String> {
    let going_on = names.range(begun.to_owned()..).take_while(|name| name.starts_with(begun));
    going_on
        .map(|name| part_ends(name).find(|end| *end > begun.len()).map_or(name.as_str(), |end| &name[..end]))
        .map(str::to_owned)
        .collect()
}

/// The positions behind the slashes between the first parts of a name. An escaped slash belongs to its part.
fn part_ends(name: &str) -> impl Iterator<Item = usize> {
    let mut escaped = false;
    let slashes = name.char_indices().filter_map(move |(at, c)| {
        let ends = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    });
    slashes.take(PARTS)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing("", &["a\\/b/", "shop/"])]
    #[case::a_scenario("sh", &["shop/"])]
    #[case::a_step("shop/", &["shop/locked down/", "shop/open/"])]
    #[case::cells("shop/open/", &["shop/open/tcp shop/web:80/client", "shop/open/udp shop/dns:53/client"])]
    #[case::no_such("x", &[])]
    fn names_go_on_part_by_part(#[case] begun: &str, #[case] expected: &[&str]) {
        let names = BTreeSet::from(
            [
                "a\\/b/open/tcp x/y:1/client",
                "shop/locked down/tcp shop/web:80/client",
                "shop/open/tcp shop/web:80/client",
                "shop/open/udp shop/dns:53/client",
            ]
            .map(str::to_owned),
        );
        assert_eq!(candidates(&names, begun), expected.iter().map(|name| (*name).to_owned()).collect());
    }
}
