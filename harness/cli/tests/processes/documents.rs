//! Versions, completions, manual pages, and the plugin of kubectl.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::project::{GOOD, Project};

#[rstest]
#[case::bash("bash", "_clap_complete_verdikt verdikt")]
#[case::zsh("zsh", "#compdef verdikt")]
#[case::fish("fish", "complete --keep-order --exclusive --command verdikt")]
#[case::powershell("powershell", "Register-ArgumentCompleter")]
fn scripts_of_shells(#[case] shell: &str, #[case] expected: &str) {
    let ran = Project::with::<&str>(&[]).verdikt(&["completions", shell]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains(expected) && ran.stdout.contains("VERDIKT_COMPLETE"), "{ran}");
}

/// What a real bash offers for a word: the last of those given.
fn offered(project: &Project, words: &[&str]) -> Vec<String> {
    let script = r#"
        source <(verdikt completions bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_verdikt verdikt "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let folder = Path::new(env!("CARGO_BIN_EXE_verdikt")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .args(words)
        .env("PATH", path)
        .current_dir(project.path(""))
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[rstest]
#[case::a_flag(&["verdikt", "run", "--deny-w"], &["--deny-warnings"])]
#[case::a_scenario(&["verdikt", "run", "--filter", ""], &["redis/"])]
#[case::a_step(&["verdikt", "run", "--filter", r"redis/l"], &[r"redis/locked\ down/"])]
#[case::a_cell(
    &["verdikt", "run", "--filter", r"redis/locked\ down/tcp\ database/redis\:6379/shop/c"],
    &[r"redis/locked\ down/tcp\ database/redis\:6379/shop/cart"]
)]
#[case::a_path(&["verdikt", "check", "scena"], &["scenarios/"])]
#[case::a_report(&["verdikt", "run", "--report", "ju"], &["junit="])]
#[case::a_backend(&["verdikt", "run", "--on", "mo"], &["model"])]
fn words_go_on(#[case] words: &[&str], #[case] expected: &[&str]) {
    assert_eq!(offered(&Project::with(&[("scenarios/redis.yaml", GOOD)]), words), expected);
}

#[test]
fn a_manual_page_for_every_command() {
    let project = Project::with(&[("man/.keep", "")]);
    let ran = project.verdikt(&["man", "man"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.read("man/verdikt-run.1").contains("parallel"));
    assert!(project.read("man/verdikt.1").contains("verdikt\\-check(1)"));
    assert_eq!(project.verdikt(&["man", "nowhere"]).code, 2);
}

#[test]
fn versions() {
    let text = Project::with::<&str>(&[]).verdikt(&["--version"]).stdout;
    let version = env!("CARGO_PKG_VERSION");
    // The tests are not built as releases are.
    assert_eq!(text, format!("verdikt {version} (built from sources)\nCilium 1.16 to 1.20\n"));
}

#[test]
fn a_plugin_of_kubectl() {
    let project = Project::with::<&str>(&[]);
    let plugin = project.path("kubectl-verdikt");
    symlink(Path::new(env!("CARGO_BIN_EXE_verdikt")), &plugin).unwrap();
    let help = Command::new(&plugin).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Usage: kubectl verdikt run"), "{help}");
}

/// Every code that any source of a warning writes has a page.
#[test]
fn every_warning_has_a_page() {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut codes = BTreeSet::new();
    let mut folders =
        ["engine", "manifests", "runner", "scenario"].map(|name| harness.join(name).join("src")).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("tests.rs") || path.iter().any(|part| part == "tests") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Unit tests stand at the ends of files.
            let text = text.split("#[cfg(test)]").next().unwrap();
            let constants =
                text.lines().filter(|line| line.starts_with("const ") && line.contains(": &str = \""));
            let constants =
                constants.filter_map(|line| Some((line.split([' ', ':']).nth(1)?, line.split('"').nth(1)?)));
            let constants: BTreeMap<&str, &str> = constants.collect();
            let text = text.replace("Diagnostic::hint(", "Diagnostic::warning(");
            for call in text.split("Diagnostic::warning(").skip(1) {
                let Some((_, rest)) = call.split_once(", ") else { continue };
                // The place may have commas of its own.
                let code = call
                    .split('"')
                    .nth(1)
                    .filter(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
                let constant = constants
                    .iter()
                    .find(|(name, _)| rest.starts_with(*name) || call.contains(&format!(", {name}, ")));
                codes.extend(constant.map(|(_, code)| (*code).to_owned()).or(code.map(ToOwned::to_owned)));
            }
        }
    }
    assert!(codes.len() > 15, "{codes:?}");
    let project = Project::with::<&str>(&[]);
    for code in &codes {
        let ran = project.verdikt(&["explain-warning", code]);
        assert!(
            ran.code == 0 && ran.stdout.starts_with(&format!("# {code}\n")),
            "write docs/src/warnings/{code}.md, and its lines in warning_pages.rs, SUMMARY.md and warnings.md: {ran}"
        );
    }
    let ran = project.verdikt(&["explain-warning", "no-such"]);
    assert!(ran.code == 2 && ran.stderr.contains("possible values: allow-without-reason"), "{ran}");
}

/// The list of warnings has every page, in their order, by its first sentence.
#[test]
fn the_list_of_warnings_is_that_of_the_pages() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let mut pages: Vec<_> =
        fs::read_dir(book.join("warnings")).unwrap().map(|it| it.unwrap().path()).collect();
    pages.sort();
    let row = |page: &PathBuf| {
        let (code, text) = (page.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(page).unwrap());
        let says = text.lines().nth(2).unwrap().split('.').next().unwrap();
        format!("| [`{code}`](warnings/{code}.md) | {says} |")
    };
    let list = fs::read_to_string(book.join("warnings.md")).unwrap();
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| [")).collect();
    assert_eq!(rows, pages.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn a_repository_has_defaults() {
    let config = "paths = ['tables']\non = 'model'\ncilium = '1.18'\n";
    let files = [("verdikt.toml", config), ("tables/redis.yaml", GOOD), (".git/HEAD", ""), ("deep/er/x", "")];
    let project = Project::with(&files);
    let folder = project.path("deep/er");
    let ran = Command::new(env!("CARGO_BIN_EXE_verdikt")).arg("run").current_dir(folder).output().unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert!(stdout.contains("backend model, Cilium 1.18"), "{stdout}");
    let help = project.verdikt(&["run", "--help"]);
    assert!(
        help.stdout.contains("Where they run:") && help.stdout.contains("Examples:\n  verdikt run\n"),
        "{help}"
    );
    assert!(help.stdout.contains("[default: 1.18]") && help.stdout.contains("[default: tables]"), "{help}");
    let wrong = Project::with(&[("verdikt.toml", "on = 'cluster'\n")]).verdikt(&["check"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("`on` is lab or model"), "{wrong}");
    let elsewhere =
        Project::with(&[("inside/.git/HEAD", ""), ("inside/x", ""), ("verdikt.toml", "on = 'cluster'\n")]);
    let ran = Command::new(env!("CARGO_BIN_EXE_verdikt"))
        .arg("check")
        .current_dir(elsewhere.path("inside"))
        .output()
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&ran.stderr).contains("verdikt.toml"),
        "a file above the repository does not count"
    );
}
