//! Paths: missing, empty, unreadable, too large, in circles.

use super::{Folder, GOOD, spoilt};
use crate::loader::{FileReach, Loader};
use crate::version::CiliumVersion;

#[test]
fn paths_that_hold_no_scenario() {
    let folder = Folder::new(&[
        ("empty/readme.md", "nothing"),
        ("policy.yaml", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"),
        ("nothing.yaml", "# nothing\n"),
        ("mixed/s.yaml", GOOD),
        ("mixed/policies/p.yaml", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"),
        ("mixed/typo.yaml", "scenaro: x\ntopology: {}\nsteps: []\n"),
        ("mixed/.hidden/x.yaml", "scenario: [\n"),
    ]);
    folder.write("latin.yaml", b"scenario: a\nabout: caf\xe9\n");
    folder.write("binary.yaml", b"scenario: \0\x01\x02");
    folder.write("utf16.yaml", b"\xff\xfes\0c\0");
    let names = [
        "empty",
        "policy.yaml",
        "nothing.yaml",
        "mixed",
        "latin.yaml",
        "binary.yaml",
        "utf16.yaml",
        "gone.yaml",
    ];
    let loaded = folder.load(&names);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"
    binary.yaml:1:1: `binary.yaml` is a binary file
    empty:1:1: this folder has no scenario => a scenario is a .yaml or .yml file that begins with `scenario: NAME`
    gone.yaml:1:1: there is no file or folder `gone.yaml`
    latin.yaml:2:11: the scenario is not UTF-8 => save the file as UTF-8
    mixed/typo.yaml:1:1: `about` is missing in the scenario
    mixed/typo.yaml:1:1: `scenario` is missing in the scenario
    mixed/typo.yaml:1:1: unknown key `scenaro` => did you mean `scenario`?
    nothing.yaml:1:1: this file is not a scenario => a scenario begins with `scenario: NAME`
    policy.yaml:1:1: this file is not a scenario => a scenario begins with `scenario: NAME`
    utf16.yaml:1:1: this file is not a scenario => a scenario begins with `scenario: NAME`
    ");
    assert_eq!(loaded.scenarios.len(), 1);
}

#[test]
fn a_large_file_is_not_read() {
    let folder = Folder::new(&[]);
    std::fs::File::create(folder.path("large.yaml")).unwrap().set_len(100 << 20).unwrap();
    let loaded = folder.load(&["large.yaml"]);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"large.yaml:1:1: `large.yaml` is too large: 100 MiB, and 16 MiB are the most verdikt reads => split it into several files");
}

#[test]
fn a_name_is_unique_in_a_run_and_a_file_is_loaded_once() {
    let folder =
        Folder::new(&[("a/s.yaml", GOOD), ("b/s.yaml", GOOD), ("b/t.yaml", &spoilt("shop", "other"))]);
    let loaded = folder.load(&["b", "a/s.yaml", "a", "a/../a/s.yaml"]);
    assert_eq!(loaded.scenarios.len(), 3);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"a/s.yaml:1:11: another scenario is called `shop` => it is at b/s.yaml:1:11: names are unique in a run");
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_circles_or_nowhere() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[("a/b/s.yaml", GOOD)]);
    symlink(folder.path("a"), folder.path("a/b/back")).unwrap();
    symlink(folder.path("gone"), folder.path("a/gone.yaml")).unwrap();
    symlink("/dev/zero", folder.path("zero.yaml")).unwrap();
    let loaded = folder.load(&["a", "zero.yaml"]);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"
    a/b/back:1:1: folder `a/b/back` contains itself => a symbolic link points to a folder above it
    a/gone.yaml:1:1: there is no file or folder `a/gone.yaml`
    zero.yaml:1:1: `zero.yaml` is not a regular file
    ");
}

#[test]
fn line_ends_and_marks_do_not_matter() {
    let folder = Folder::new(&[
        ("crlf.yaml", &GOOD.replace('\n', "\r\n")),
        ("bom.yaml", &format!("\u{feff}{}", spoilt("shop", "bom"))),
    ]);
    let loaded = folder.load(&["crlf.yaml", "bom.yaml"]);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"");
    assert_eq!(loaded.scenarios.len(), 2);
}

#[test]
fn settings_that_are_not_there() {
    let folder = Folder::new(&[]);
    let path = folder.path("gone.yaml");
    let mut loader = Loader::new(std::slice::from_ref(&path), FileReach::Inside);
    let loaded = loader.take_settings(&path, CiliumVersion::default());
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"gone.yaml:1:1: there is no file or folder `gone.yaml` => name a file of Helm values; `helm get values cilium --namespace kube-system` prints those of a cluster");
}
