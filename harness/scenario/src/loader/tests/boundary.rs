//! What a scenario may read: never a file outside, however it is named, and never a device.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::super::boundary::Boundary;
use super::super::disk::Disk;
use super::super::walk::WalkLimits;
use super::super::{FileReach, Loaded, Loader};
use super::{Folder, GOOD, spoilt};

/// A text that no diagnostic may show.
const SECRET: &str = "root:secret\n";

/// The good scenario with a topology that includes a file.
fn including(path: &str) -> String {
    spoilt("topology:\n", &format!("topology:\n  include: [\"{path}\"]\n"))
}

/// The good scenario whose second step names a file or folder of policies beside its own.
fn enforcing(path: &str) -> String {
    spoilt("policies: [lockdown]", &format!("policies: [lockdown, \"{path}\"]"))
}

/// A stranger's folder `given`, beside one that it may not read.
fn stranger() -> Folder {
    let folder = Folder::new(&[
        ("outside/shadow", SECRET),
        ("outside/more.yaml", "world: {bank: {address: 203.0.113.20}}\n"),
        ("outside/policies/p.yaml", SECRET),
        ("given/more.yaml", "world: {bank: {address: 203.0.113.20}}\n"),
    ]);
    for (link, target) in [
        ("given/file-link.yaml", "../outside/shadow"),
        ("given/link-to-link.yaml", "file-link.yaml"),
        ("given/inside-link.yaml", "more.yaml"),
        ("given/folder-link", "../outside"),
        ("given/loop.yaml", "loop.yaml"),
        ("given/device.yaml", "/dev/zero"),
        ("given/root", "/"),
    ] {
        symlink(target, folder.path(link)).unwrap();
    }
    mkfifo(&folder.path("given/pipe.yaml"), Mode::S_IRWXU).unwrap();
    folder
}

/// What loading the scenario says, a line each; where it says nothing, the scenario is loaded.
fn said(folder: &Folder, text: &str, reach: FileReach) -> String {
    folder.write("given/s.yaml", text.as_bytes());
    let paths = [folder.path("given/s.yaml")];
    let loaded = Loader::new(&paths, reach).scenarios(&paths);
    assert_eq!(loaded.scenarios.len(), usize::from(loaded.diagnostics.is_empty()));
    let lines = folder.lines(&loaded.diagnostics);
    let drawn = crate::diagnostic::render(&loaded.diagnostics, &loaded.sources);
    assert!(!drawn.contains("secret"), "{drawn}");
    if lines.is_empty() { "nothing\n".to_owned() } else { lines }
}

#[test]
fn no_file_outside_is_read_however_it_is_named() {
    let folder = stranger();
    let outside = folder.path("outside");
    let mut told = String::new();
    let absolute = outside.join("shadow").to_string_lossy().into_owned();
    for name in [
        "/etc/shadow",
        &absolute,
        "../outside/more.yaml",
        "file-link.yaml",
        "link-to-link.yaml",
        "folder-link/shadow",
        "folder-link/../outside/shadow",
        "root/etc/passwd",
        "loop.yaml",
        "inside-link.yaml",
        "../given/more.yaml",
    ] {
        write!(
            told,
            "include {}: {}",
            folder.relative(name),
            said(&folder, &including(name), FileReach::Inside)
        )
        .unwrap();
    }
    let absolute = outside.join("policies/").to_string_lossy().into_owned();
    for name in
        ["/", &absolute, "../outside/policies/p.yaml", "file-link.yaml", "folder-link/policies/", "root/"]
    {
        write!(
            told,
            "policies {}: {}",
            folder.relative(name),
            said(&folder, &enforcing(name), FileReach::Inside)
        )
        .unwrap();
    }
    insta::assert_snapshot!(told, @"
    include /etc/shadow: given/s.yaml:4:13: cannot read `/etc/shadow`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include outside/shadow: given/s.yaml:4:13: cannot read `outside/shadow`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include ../outside/more.yaml: given/s.yaml:4:13: cannot read `given/../outside/more.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include file-link.yaml: given/s.yaml:4:13: cannot read `given/file-link.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include link-to-link.yaml: given/s.yaml:4:13: cannot read `given/link-to-link.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include folder-link/shadow: given/s.yaml:4:13: cannot read `given/folder-link/shadow`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include folder-link/../outside/shadow: given/s.yaml:4:13: cannot read `given/folder-link/../outside/shadow`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include root/etc/passwd: given/s.yaml:4:13: cannot read `given/root/etc/passwd`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    include loop.yaml: given/s.yaml:4:13: `given/loop.yaml` cannot be read: Too many levels of symbolic links (os error 40)
    include inside-link.yaml: nothing
    include ../given/more.yaml: nothing
    policies /: given/s.yaml:20:24: cannot read `/`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    policies outside/policies/: given/s.yaml:20:24: cannot read `outside/policies`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    policies ../outside/policies/p.yaml: given/s.yaml:20:24: cannot read `given/../outside/policies/p.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    policies file-link.yaml: given/s.yaml:20:24: cannot read `given/file-link.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    policies folder-link/policies/: given/s.yaml:20:24: cannot read `given/folder-link/policies`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    policies root/: given/s.yaml:20:24: cannot read `given/root`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    ");
}

#[test]
fn what_is_no_file_of_a_disk_is_never_opened() {
    let folder = stranger();
    let mut told = String::new();
    for name in ["device.yaml", "pipe.yaml", "/proc/kmsg", "/proc/self/environ"] {
        for reach in [FileReach::Inside, FileReach::Anywhere] {
            write!(told, "{name} {reach:?}: {}", said(&folder, &including(name), reach)).unwrap();
        }
    }
    write!(told, "policies: {}", said(&folder, &enforcing("pipe.yaml"), FileReach::Anywhere)).unwrap();
    insta::assert_snapshot!(told, @"
    device.yaml Inside: given/s.yaml:4:13: cannot read `given/device.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    device.yaml Anywhere: given/s.yaml:4:13: `given/device.yaml` is not a regular file
    pipe.yaml Inside: given/s.yaml:4:13: `given/pipe.yaml` is not a regular file
    pipe.yaml Anywhere: given/s.yaml:4:13: `given/pipe.yaml` is not a regular file
    /proc/kmsg Inside: given/s.yaml:4:13: cannot read `/proc/kmsg`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    /proc/kmsg Anywhere: given/s.yaml:4:13: `/proc/kmsg` is not a regular file
    /proc/self/environ Inside: given/s.yaml:4:13: cannot read `/proc/self/environ`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    /proc/self/environ Anywhere: given/s.yaml:4:13: `/proc/self/environ` is not a regular file
    policies: given/s.yaml:20:24: `given/pipe.yaml` is not a regular file
    ");
}

#[test]
fn a_repository_is_read_whole_but_for_what_git_keeps() {
    let folder = Folder::new(&[
        ("repo/.git/config", "token: secret\n"),
        ("repo/scenarios/deep/s.yaml", &including("../../shared/more.yaml")),
        (
            "repo/scenarios/deep/g.yaml",
            &including("../../.git/config").replace("scenario: shop", "scenario: git"),
        ),
        ("repo/shared/more.yaml", "world: {bank: {address: 203.0.113.20}}\n"),
    ]);
    let loaded = folder.load(&["repo/scenarios"]);
    assert_eq!(loaded.scenarios.len(), 1);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"repo/scenarios/deep/g.yaml:4:13: cannot read `repo/scenarios/deep/../../.git/config`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files");
}

/// The command names both files; one of them is also where a link leads.
#[test]
fn a_link_may_lead_to_what_the_command_names_elsewhere() {
    let folder = Folder::new(&[
        ("a/s.yaml", &including("more.yaml")),
        ("b/more.yaml", "world: {bank: {address: 203.0.113.20}}\n"),
    ]);
    symlink("../b/more.yaml", folder.path("a/more.yaml")).unwrap();
    let alone = folder.load(&["a/s.yaml"]);
    insta::assert_snapshot!(folder.lines(&alone.diagnostics), @"a/s.yaml:4:13: cannot read `a/more.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files");
    let paths = [folder.path("a/s.yaml"), folder.path("b")];
    let both = Loader::new(&paths, FileReach::Inside).scenarios(&paths[..1]);
    assert_eq!((both.scenarios.len(), both.diagnostics.len()), (1, 0));
}

/// A shell that expands `scenarios/*` names links of a stranger too.
#[test]
fn a_link_in_a_repository_leads_nowhere_outside_even_where_it_is_named() {
    let folder = Folder::new(&[("repo/.git/config", ""), ("outside/s.yaml", GOOD), ("plain/.keep", "")]);
    symlink("../outside/s.yaml", folder.path("repo/s.yaml")).unwrap();
    symlink("../outside", folder.path("repo/folder")).unwrap();
    symlink("../outside/s.yaml", folder.path("plain/s.yaml")).unwrap();
    symlink("../outside", folder.path("plain/folder")).unwrap();
    let mut told = String::new();
    for name in
        ["repo/s.yaml", "repo/folder", "repo/folder/", "repo/folder/s.yaml", "plain/s.yaml", "plain/folder"]
    {
        let loaded = folder.load(&[name]);
        let lines = folder.lines(&loaded.diagnostics);
        let line = format!("{name}: {} {}", loaded.scenarios.len(), lines.trim_end());
        writeln!(told, "{}", line.trim_end()).unwrap();
    }
    insta::assert_snapshot!(told, @"
    repo/s.yaml: 0 repo/s.yaml:1:1: cannot read `repo/s.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    repo/folder: 0 repo/folder:1:1: cannot read `repo/folder`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    repo/folder/: 0 repo/folder:1:1: cannot read `repo/folder`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    repo/folder/s.yaml: 0 repo/folder/s.yaml:1:1: cannot read `repo/folder/s.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    plain/s.yaml: 1
    plain/folder: 1
    ");
}

#[test]
fn a_walk_stays_inside_and_says_where_it_does_not_go() {
    let folder = stranger();
    folder.write("given/s.yaml", GOOD.as_bytes());
    let loaded = folder.load(&["given"]);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"
    given/device.yaml:1:1: cannot read `given/device.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    given/file-link.yaml:1:1: cannot read `given/file-link.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    given/folder-link:1:1: [outside] `given/folder-link` is skipped: the link leads outside the repository or folder that the command names => name it itself, or use `--allow-outside` if you trust it
    given/link-to-link.yaml:1:1: cannot read `given/link-to-link.yaml`: it is outside the repository or folder that the command names => move it inside, or allow it with `--allow-outside` if you trust these files
    given/loop.yaml:1:1: `given/loop.yaml` cannot be read: Too many levels of symbolic links (os error 40)
    given/pipe.yaml:1:1: `given/pipe.yaml` is not a regular file
    given/root:1:1: [outside] `given/root` is skipped: the link leads outside the repository or folder that the command names => name it itself, or use `--allow-outside` if you trust it
    ");
}

fn limited(folder: &Folder, limits: WalkLimits) -> Loaded {
    let paths = [folder.path("given")];
    let disk = Disk::new(Boundary::around(&paths, FileReach::Inside), limits);
    Loader { disk, read_objects: None, given: None }.scenarios(&paths)
}

#[test]
fn a_walk_has_limits() {
    let folder = Folder::new(&[("given/s.yaml", GOOD)]);
    let deep: PathBuf = std::iter::repeat_n("deep", 9).collect();
    fs::create_dir_all(folder.path("given").join(&deep)).unwrap();
    for number in 0..20 {
        folder.write(&format!("given/notes/{number}.txt"), b"");
    }
    let loaded = limited(&folder, WalkLimits { entries: 31, depth: 10 });
    assert_eq!(
        (loaded.scenarios.len(), loaded.diagnostics.len()),
        (1, 0),
        "the limits themselves are within"
    );
    let shallow = limited(&folder, WalkLimits { entries: 1000, depth: 9 });
    let small = limited(&folder, WalkLimits { entries: 30, depth: 64 });
    let told = folder.lines(&shallow.diagnostics) + &folder.lines(&small.diagnostics);
    insta::assert_snapshot!(told, @"
    given/deep/deep/deep/deep/deep/deep/deep/deep/deep:1:1: `given/deep/deep/deep/deep/deep/deep/deep/deep/deep` is more than 9 folders deep => name this folder itself
    given/notes:1:1: verdikt stops at `given/notes`: more than 30 files and folders => name the folders with scenarios and policies, and not one above them
    ");
}

/// A name that becomes a link between the look and the opening is not followed.
#[test]
fn a_link_that_comes_late_is_not_followed() {
    let folder = stranger();
    let late = super::super::read::file(Path::new("late.yaml"), &folder.path("given/folder-link/shadow"));
    let canonical = late.unwrap_err();
    insta::assert_snapshot!(canonical, @"`late.yaml` cannot be read: Too many levels of symbolic links (os error 40)");
}
