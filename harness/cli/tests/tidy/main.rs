//! The rules of the workspace that the compiler does not know: who may depend on whom, what pure crates may touch,
//! how long files get, and what text must not contain. Each failure names its file and what to do.

#![expect(clippy::unwrap_used, reason = "a workspace that cannot be read is not tidy")]

mod cases;
mod errors;
mod functions;
mod lists;
mod modules;
mod names;
mod scenario_words;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use verdikt_scenario::expect::VERDICT_WORDS;
use verdikt_scenario::version::CiliumVersion;

/// The packages of the workspace, and those of ours that each may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("verdikt-unify", &[]),
    ("xtask", &[]),
    ("verdikt-platform", &[]),
    ("verdikt-wire", &[]),
    ("verdikt-scenario", &[]),
    ("verdikt-engine", &["verdikt-scenario"]),
    ("verdikt-manifests", &["verdikt-scenario"]),
    ("verdikt-analysis", &["verdikt-engine", "verdikt-scenario"]),
    ("verdikt-verdict", &["verdikt-scenario"]),
    ("verdikt-report", &["verdikt-scenario", "verdikt-verdict"]),
    ("verdikt-probe", &["verdikt-platform", "verdikt-wire"]),
    ("verdikt-probes", &["verdikt-probe", "verdikt-scenario", "verdikt-wire"]),
    ("verdikt-kind", &["verdikt-platform", "verdikt-scenario"]),
    ("verdikt-hubble", &["verdikt-scenario"]),
    (
        "verdikt-lab",
        &["verdikt-engine", "verdikt-probe", "verdikt-probes", "verdikt-scenario", "verdikt-wire"],
    ),
    ("verdikt-cluster", &["verdikt-platform", "verdikt-probes", "verdikt-scenario", "verdikt-wire"]),
    (
        "verdikt-runner",
        &[
            "verdikt-analysis",
            "verdikt-probes",
            "verdikt-cluster",
            "verdikt-engine",
            "verdikt-hubble",
            "verdikt-kind",
            "verdikt-lab",
            "verdikt-platform",
            "verdikt-probe",
            "verdikt-scenario",
            "verdikt-verdict",
            "verdikt-wire",
        ],
    ),
    (
        "verdikt",
        &[
            "verdikt-analysis",
            "verdikt-cluster",
            "verdikt-engine",
            "verdikt-kind",
            "verdikt-lab",
            "verdikt-manifests",
            "verdikt-platform",
            "verdikt-probe",
            "verdikt-report",
            "verdikt-runner",
            "verdikt-scenario",
            "verdikt-test",
            "verdikt-verdict",
            "verdikt-wire",
        ],
    ),
    (
        "verdikt-test",
        &[
            "verdikt-cluster",
            "verdikt-kind",
            "verdikt-lab",
            "verdikt-manifests",
            "verdikt-probe",
            "verdikt-report",
            "verdikt-runner",
            "verdikt-scenario",
            "verdikt-verdict",
        ],
    ),
    ("verdikt-scenarios", &["verdikt-test"]),
];

/// The packages that do no I/O and know no clock, by the names of their folders below `harness`.
const PURE: &[&str] = &["scenario", "manifests", "engine", "analysis", "verdict", "report"];

/// What no pure package may depend on, however indirectly.
const IMPURE_PACKAGES: &[&str] = &["tokio", "kube", "hyper", "reqwest", "socket2", "mio"];

/// What no pure package may name.
const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::process",
    "std::env",
    "std::thread",
];

/// The only part of a pure package that may read files: its root file and its folder.
const LOADER: &[&str] = &["harness/scenario/src/loader.rs", "harness/scenario/src/loader/"];

/// What the loader may name all the same.
const PATHS_OF_THE_LOADER: &[&str] = &["std::fs", "std::env"];

/// The only package with unsafe code, which the lints of the workspace forbid.
const UNSAFE: &str = "verdikt-platform";

const MOST_LINES: usize = 400;
const MOST_LINES_IN_THE_MIDDLE: usize = 150;

/// What is not finished. Put together here, so that this file does not contain it.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimplement", "ed!"),
    concat!("db", "g!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// A text file of the repository.
struct Source {
    /// Its path from the root of the repository, with slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension() == Some(OsStr::new("rs"))
    }

    /// Whether it is part of what is built for users.
    fn is_production(&self) -> bool {
        let test = |part: &str| matches!(part, "tests" | "tests.rs" | "fixture.rs");
        self.is_rust() && self.path.contains("/src/") && !self.path.split('/').any(test)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every text file that people write, in order of path. What is recorded or built is none.
fn sources() -> Vec<Source> {
    let root = root();
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && name != "fixtures" {
                    folders.push(path);
                }
            } else if ["rs", "yaml", "md", "toml"].map(OsStr::new).map(Some).contains(&path.extension()) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        sources.iter().any(|source| source.path == "harness/cli/src/main.rs"),
        "the repository is not here"
    );
    sources
}

/// The packages as cargo sees them, for one platform: nothing must be fetched that a build did not need.
fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned))
        .exec()
        .unwrap()
}

/// Fails with everything that breaks a rule, and with what to do about it.
fn none(broken: &[String], to_do: &str) {
    assert!(broken.is_empty(), "{to_do}:\n  {}", broken.join("\n  "));
}

/// `path:line` of each line that breaks a rule.
fn lines(source: &Source, breaks: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let numbered = (1..).zip(source.text.lines());
    numbered
        .filter_map(|(number, line)| breaks(line).map(|why| format!("{}:{number}: {why}", source.path)))
        .collect()
}

#[test]
fn our_packages_depend_on_each_other_as_designed() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let metadata = metadata();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            broken.push(format!("{}: this package is not in EDGES of this test", package.manifest_path));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if ours.contains(name) && !allowed.contains(&name) {
                broken.push(format!("{}: {} depends on {name}", package.manifest_path, package.name));
            }
        }
    }
    none(&broken, "remove the dependency, or change the design and EDGES of this test");
}

#[test]
fn runs_and_tests_share_one_build() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let unify = packages.iter().find(|package| package.name == "verdikt-unify").unwrap();
    let unified = |name: &str, feature: Option<&String>| {
        let mut named = unify.dependencies.iter().filter(|dependency| dependency.name == name);
        named.any(|dependency| feature.is_none_or(|feature| dependency.features.contains(feature)))
    };
    let mut broken = Vec::new();
    for package in &packages {
        let of_tests = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Development && dependency.path.is_none());
        for dependency in of_tests {
            let name = &dependency.name;
            if !unified(name, None) {
                broken.push(format!("{}: {name}", package.name));
            }
            let missing = dependency.features.iter().filter(|feature| !unified(name, Some(feature)));
            broken.extend(missing.map(|feature| format!("{}: {name}, feature {feature}", package.name)));
        }
    }
    none(&broken, "name these development dependencies in harness/unify/Cargo.toml too");
}

#[test]
fn pure_packages_depend_on_nothing_that_does_io() {
    let metadata = metadata();
    let packages: BTreeMap<&PackageId, &Package> =
        metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let mut broken = Vec::new();
    for pure in PURE.iter().map(|folder| format!("verdikt-{folder}")) {
        let first = metadata.workspace_packages().into_iter().find(|package| package.name == pure).unwrap();
        // Each package with the way to it.
        let mut ways = BTreeMap::from([(&first.id, pure.clone())]);
        let mut open = vec![&first.id];
        while let Some(id) = open.pop() {
            let node = nodes.iter().find(|node| node.id == *id).unwrap();
            let normal = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            for dependency in normal {
                let way = format!("{} -> {}", ways[id], packages[&dependency.pkg].name);
                if !ways.contains_key(&dependency.pkg) {
                    ways.insert(&dependency.pkg, way);
                    open.push(&dependency.pkg);
                }
            }
        }
        let impure = ways.iter().filter(|(id, _)| IMPURE_PACKAGES.contains(&packages[*id].name.as_str()));
        broken.extend(impure.map(|(_, way)| way.clone()));
    }
    none(&broken, "pure packages do no I/O: move what needs this dependency to `runner` or `cli`");
}

/// Whoever tests scenarios without clusters builds no client of Kubernetes, and without the lab, whose attempts speak TLS, no
/// TLS either.
#[test]
fn the_crate_for_tests_is_lean_without_its_feature_for_clusters() {
    let tree = |features: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["tree", "--offline", "--locked", "--package", "verdikt-test", "--edges", "normal"]);
        // As in a workspace where nothing else asks for features.
        command.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
        command.args(["--prefix", "none"]).args(features);
        let listed = command.current_dir(root()).output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let of_clusters = ["kube", "kube-client", "tonic", "verdikt-cluster", "verdikt-hubble"];
    let of_both = ["rustls"];
    let (with_lab, alone) = (tree(&[]), tree(&["--no-default-features"]));
    let heavy = of_clusters.iter().filter(|name| with_lab.contains(**name));
    let heavy = heavy.chain(of_both.iter().filter(|name| alone.contains(**name)));
    let heavy: Vec<String> = heavy.map(ToString::to_string).collect();
    none(&heavy, "put these behind the feature `cluster` of verdikt-test");
    let with_clusters = tree(&["--no-default-features", "--features", "cluster"]);
    assert!(
        of_clusters.iter().chain(&of_both).all(|name| with_clusters.contains(*name)),
        "{with_clusters:?}"
    );
}

/// What stands before the unit tests at the end of a file.
fn production(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(production, _)| production)
}

/// Every path below one that the text names, such as `std::`; those in braces one by one.
fn paths_below(text: &str, head: &str) -> Vec<String> {
    fn expand(prefix: &str, rest: &str, found: &mut Vec<String>) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path = format!("{prefix}{}", &rest[..end]);
        let Some(group) = rest[end..].strip_prefix('{').filter(|_| path.ends_with("::")) else {
            found.push(path.trim_end_matches("::self").trim_end_matches(':').to_owned());
            return;
        };
        let (mut depth, mut start) = (0_usize, 0);
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    let item = group[start..index].trim();
                    if !item.is_empty() {
                        expand(&path, item, found);
                    }
                    start = index + 1;
                    if c == '}' {
                        return;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    for (index, _) in text.match_indices(head) {
        // A path may begin with `::std`, and `super::super` is one.
        let before = text[..index].trim_end_matches(if head == "std::" { "::" } else { "" });
        let is_inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if !is_inside {
            expand("", &text[index..], &mut found);
        }
    }
    found
}

/// Whether a path is the forbidden one, below it, or a module that has it (`use std::time;` brings the clock).
fn reaches(path: &str, forbidden: &str) -> bool {
    path.starts_with(forbidden) || forbidden.strip_prefix(path).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn std_paths_are_found_however_they_are_written() {
    let check = |text: &str, expected: &[&str]| assert_eq!(paths_below(text, "std::"), expected, "{text}");
    check("use std::fs;", &["std::fs"]);
    check("let x = std::env::var(\"X\");", &["std::env::var"]);
    check(
        "use std::{fmt, time::{self, Instant},\n    thread as t};",
        &["std::fmt", "std::time", "std::time::Instant", "std::thread"],
    );
    check("use std::net::{IpAddr, TcpStream};", &["std::net::IpAddr", "std::net::TcpStream"]);
    check("use std::net::*;", &["std::net"]);
    check("my_std::fs", &[]);
    assert!(reaches("std::net::TcpStream", "std::net::Tcp") && reaches("std::net", "std::net::Tcp"));
    assert!(
        !reaches("std::net::IpAddr", "std::net::Tcp")
            && !reaches("std::time::Duration", "std::time::Instant")
    );
}

#[test]
fn pure_packages_name_nothing_that_does_io() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_production()) {
        if !PURE.iter().any(|folder| source.path.starts_with(&format!("harness/{folder}/"))) {
            continue;
        }
        let loader = LOADER.iter().any(|part| source.path.starts_with(part));
        for path in paths_below(&source.text, "std::") {
            let forbidden = IMPURE_PATHS.iter().find(|forbidden| reaches(&path, forbidden));
            if forbidden.is_some_and(|forbidden| !loader || !PATHS_OF_THE_LOADER.contains(forbidden)) {
                broken.push(format!("{}: {path}", source.path));
            }
        }
    }
    none(
        &broken,
        "pure packages do no I/O and know no clock: take it as an argument, or move it to `runner` or `cli`",
    );
}

#[test]
fn files_are_short() {
    let mut counts: Vec<(usize, String)> = sources()
        .into_iter()
        .filter(Source::is_production)
        .map(|source| (source.text.lines().count(), source.path))
        .collect();
    counts.sort();
    let long = counts.iter().filter(|(lines, _)| *lines > MOST_LINES);
    let long: Vec<String> = long.map(|(lines, path)| format!("{path}: {lines} lines")).collect();
    none(&long, &format!("split these files, {MOST_LINES} lines are the most: one job for each"));
    let (middle, path) = &counts[counts.len() / 2];
    assert!(
        *middle <= MOST_LINES_IN_THE_MIDDLE,
        "half of all files have more lines than {path} with {middle}; split the longest until they have \
         {MOST_LINES_IN_THE_MIDDLE} at most"
    );
}

#[test]
fn files_say_their_job() {
    let sources = sources();
    // `tests.rs` is a child of the file it tests, which says it.
    let speaks = |source: &Source| source.text.starts_with("//! ") || source.path.ends_with("/tests.rs");
    let silent = sources.iter().filter(|source| source.is_rust() && !speaks(source));
    let silent: Vec<String> = silent.map(|source| source.path.clone()).collect();
    none(&silent, "open these files with `//! ` and what they are for");
}

#[test]
fn modules_are_named_after_themselves() {
    let sources = sources();
    let nameless = sources.iter().filter(|source| source.path.ends_with("/mod.rs"));
    let nameless: Vec<String> = nameless.map(|source| source.path.clone()).collect();
    none(&nameless, "rename `x/mod.rs` to `x.rs` beside the folder `x`");
}

#[test]
fn nothing_is_unfinished() {
    let unfinished =
        |line: &str| UNFINISHED.iter().find(|word| line.contains(**word)).map(ToString::to_string);
    let broken: Vec<String> = sources().iter().flat_map(|source| lines(source, unfinished)).collect();
    none(&broken, "finish this, or open an issue and remove it");
}

/// The only package with a line that the workspace forbids: a constructor, which runs before `main`.
const WITH_A_CONSTRUCTOR: &str = "verdikt-test";

#[test]
fn packages_are_licensed_and_linted_alike() {
    let mut broken = Vec::new();
    for package in metadata().workspace_packages() {
        let path = &package.manifest_path;
        if package.license.as_deref() != Some("Apache-2.0") {
            broken.push(format!("{path}: write `license.workspace = true` in [package]"));
        }
        let manifest = fs::read_to_string(path).unwrap();
        let lints = manifest.split_once("\n[lints]\n").map(|(_, below)| below.lines().next());
        let are_its_own = package.name == WITH_A_CONSTRUCTOR && manifest.contains("unsafe_code = \"deny\"");
        if lints != Some(Some("workspace = true")) && !are_its_own && package.name != UNSAFE {
            broken.push(format!("{path}: write `workspace = true` in [lints]"));
        }
    }
    none(&broken, "every package has the licence and the lints of the workspace");
}

#[test]
fn white_space_is_tidy() {
    let untidy = |line: &str| {
        if line.ends_with(char::is_whitespace) {
            return Some("white space at the end of the line".to_owned());
        }
        line.contains('\t').then(|| "a tab".to_owned())
    };
    let sources = sources();
    let mut broken: Vec<String> = sources.iter().flat_map(|source| lines(source, untidy)).collect();
    let open = sources.iter().filter(|source| !source.text.is_empty() && !source.text.ends_with('\n'));
    broken.extend(open.map(|source| format!("{}: no line break at the end", source.path)));
    none(
        &broken,
        "remove white space at the ends of lines, write spaces for tabs (`\\t` in strings), end the last line",
    );
}

/// A text that goes on after a line break without `\\` holds the indentation of its next line.
#[test]
fn texts_hold_no_indentation() {
    let indented = |line: &str| {
        let line = line.trim_start();
        let is_gap = |(at, gap): (usize, &str)| {
            let before = line[..at].chars().next_back();
            let after = line[at + gap.len()..].trim_start().chars().next();
            let is_prose = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || ",;".contains(c));
            !line[..at].ends_with("\\n") && is_prose(before) && is_prose(after)
        };
        let is_broken = !line.starts_with("//") && line.match_indices("   ").any(is_gap);
        is_broken.then(|| "three spaces inside a text".to_owned())
    };
    let sources = sources();
    let of_users = sources.iter().filter(|source| source.is_production());
    let ours = of_users
        .map(|source| Source { path: source.path.clone(), text: production(&source.text).to_owned() });
    let broken: Vec<String> = ours.flat_map(|source| lines(&source, indented)).collect();
    none(&broken, "end the line before with `\\`, or join the words with one space");
}

/// All that is printed goes through the guard of `printer`, but for the lines that a probe reports.
#[test]
fn only_the_printer_prints() {
    let prints = |line: &str| {
        let names = ["io::stdout()", "io::stderr()", "print!(", "println!("]
            .iter()
            .find(|name| line.contains(**name));
        names.filter(|_| !line.contains("is_terminal")).map(ToString::to_string)
    };
    let ours = |source: &&Source| {
        source.is_production()
            && source.path.starts_with("harness/cli/")
            && source.path != "harness/cli/src/printer.rs"
    };
    let broken: Vec<String> =
        sources().iter().filter(ours).flat_map(|source| lines(source, prints)).collect();
    none(&broken, "print by way of `Printer`: what strangers wrote must not steer a terminal or a CI runner");
}

/// What foreign programs say only in words, and the one place that reads it, beside the real text as a test.
const READ_FOREIGN_TEXT: &[&str] = &["harness/cluster/src/audit.rs", "harness/cluster/src/error.rs"];

#[test]
fn nothing_is_decided_on_the_text_of_a_message() {
    let reads = |line: &str| {
        let texts = ["message", "question", "gap", "reason", "help", "sentence"];
        let ways = ["contains", "starts_with", "ends_with", "strip_prefix"];
        let called = |text: &str| ways.iter().any(|way| line.contains(&format!("{text}.{way}(")));
        let asserts = line.trim_start().starts_with("assert!");
        texts.into_iter().find(|text| called(text) && !asserts).map(str::to_owned)
    };
    let ours =
        |source: &&Source| source.is_production() && !READ_FOREIGN_TEXT.contains(&source.path.as_str());
    let broken: Vec<String> = sources().iter().filter(ours).flat_map(|source| lines(source, reads)).collect();
    none(&broken, "decide on data, and carry it as a field or a variant beside the message");
}

/// The only files that may name a minor of Cilium as a constant; the last says since when a setting exists.
const NAME_VERSIONS: &[&str] = &[
    "harness/scenario/src/version.rs",
    "harness/engine/src/behaviour.rs",
    "harness/scenario/src/lower/settings.rs",
];

#[test]
fn differences_between_versions_stand_in_one_table() {
    let names_version = |line: &str| {
        let rest = &line[line.find("V1_")? + 3..];
        rest.starts_with(|c: char| c.is_ascii_digit()).then(|| line.trim().to_owned())
    };
    let others = sources()
        .into_iter()
        .filter(|source| source.is_production() && !NAME_VERSIONS.contains(&source.path.as_str()));
    let without_tests = |source: Source| Source { text: production(&source.text).to_owned(), ..source };
    let broken: Vec<String> =
        others.flat_map(|source| lines(&without_tests(source), names_version)).collect();
    none(&broken, "write the difference into `engine/src/behaviour.rs`, and ask for it by its name");
}

#[test]
fn readme_and_book_name_the_known_versions() {
    let [oldest, newest] = CiliumVersion::RANGE;
    let option = format!("`--cilium {oldest}` to `{newest}` (default {newest}");
    let range = format!("Cilium {oldest} to {newest} and Hubble");
    let wanted = [
        ("README.md", &option),
        ("README.md", &range),
        ("docs/src/commands.md", &option),
        ("docs/src/concepts.md", &range),
        ("docs/src/clusters.md", &range),
    ];
    let lacks = |path: &str, words: &str| !fs::read_to_string(root().join(path)).unwrap().contains(words);
    let missing = wanted.into_iter().filter(|(path, words)| lacks(path, words));
    let missing: Vec<String> = missing.map(|(path, words)| format!("{path}: {words}")).collect();
    none(&missing, "write these words into these files");
}

/// No page is generated from the words of tables, so somebody has to say what each means.
#[test]
fn the_page_of_scenarios_explains_every_verdict_word() {
    let page = fs::read_to_string(root().join("docs/src/scenarios.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let explains = |row: &str, word: &str| row.split('|').nth(1).is_some_and(|cell| cell.contains(word));
    let missing = VERDICT_WORDS.map(|word| format!("`{word}`"));
    let missing = missing.into_iter().filter(|word| !rows.iter().any(|row| explains(row, word)));
    none(&missing.collect::<Vec<_>>(), "explain these words in the table of docs/src/scenarios.md");
}

/// Whoever follows the architecture finds each file that it names.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources = sources();
    let is_file = |name: &&str| Path::new(name).extension() == Some(OsStr::new("rs")) && !name.contains(' ');
    let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).filter(is_file).collect();
    assert!(named.len() > 30, "the files are in backticks: {named:?}");
    let is_there = |name: &&str| {
        let end = format!("/{name}");
        sources.iter().any(|source| source.path == **name || source.path.ends_with(&end))
    };
    let gone: Vec<String> = named.into_iter().filter(|it| !is_there(it)).map(str::to_owned).collect();
    none(&gone, "name these files in ARCHITECTURE.md as they are called");
}

/// Every test that SECURITY.md names as `file::test` is there.
#[test]
fn security_promises_have_tests() {
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let sources = sources();
    let named = security.split('`').filter_map(|word| word.split_once("::"));
    let named: Vec<(&str, &str)> = named.filter(|(file, _)| *file != "file").collect();
    assert!(named.len() > 20, "the promises name their tests: {named:?}");
    let is_there = |file: &str, test: &str| {
        let (paths, head) = ([format!("/{file}.rs"), format!("/{file}/main.rs")], format!("fn {test}("));
        let is_named = |source: &Source| paths.iter().any(|path| source.path.ends_with(path));
        sources.iter().any(|source| is_named(source) && source.text.contains(&head))
    };
    let broken = named.iter().filter(|(file, test)| !is_there(file, test));
    let broken: Vec<String> = broken.map(|(file, test)| format!("SECURITY.md: {file}::{test}")).collect();
    none(&broken, "name a test that is there, or take the promise back");
}
