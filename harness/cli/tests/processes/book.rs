//! README and book: every console block runs, and every link leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The pages that users read, and the folder that their commands are for.
fn pages() -> Vec<(PathBuf, PathBuf)> {
    let mut pages = Vec::new();
    let single = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "ci/README.md",
        "clusters/README.md",
        "harness/test/README.md",
    ];
    pages.extend(single.map(|page| (root().join(page), root().to_owned())));
    let example = root().join("examples/policy-repository");
    pages.push((example.join("README.md"), example));
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                pages.push((path, root().to_owned()));
            }
        }
    }
    pages.sort();
    pages
}

/// The commands of a page's console blocks.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")))
}

#[test]
fn every_console_block_runs() {
    let program = Path::new(env!("CARGO_BIN_EXE_verdikt"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut count = 0;
    for (page, folder) in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for line in commands(&text) {
            assert!(
                line.starts_with("verdikt "),
                "{}: `{line}` belongs into a block of `sh`",
                page.display()
            );
            let mut command = Command::new("sh");
            command.args(["-e", "-c", line]).current_dir(&folder).env("PATH", &path).stdin(Stdio::null());
            command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}: `{line}` ended with {}: {said}",
                page.display(),
                output.status
            );
            count += 1;
        }
    }
    assert!(count >= 5, "{count} commands in all");
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (page, _) in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
            let is_elsewhere = link.is_empty() || link.contains("://");
            if !is_elsewhere && !page.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What `SUMMARY.md` does not name is in no book, and no command says so.
#[test]
fn the_summary_names_every_page_once() {
    let book = root().join("docs/src");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    for (page, _) in pages() {
        let Ok(page) = page.strip_prefix(&book) else { continue };
        let times = summary.matches(&format!("]({})", page.display())).count();
        let wanted = usize::from(page != Path::new("SUMMARY.md"));
        assert_eq!(times, wanted, "SUMMARY.md names {} {times} times", page.display());
    }
}
