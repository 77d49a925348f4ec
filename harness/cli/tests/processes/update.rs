//! `verdikt run --update`: tables that say what was seen, and files of which nothing else changes.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::Stdio;

use insta::assert_snapshot;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::project::{GOOD, Project, differing};

#[test]
fn a_passing_file_stays_as_it_is() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--quiet"]);
    assert_eq!((ran.code, project.read("redis.yaml").as_str()), (0, GOOD), "{ran}");
    assert!(ran.stdout.ends_with("\nnothing to rewrite\n"), "{ran}");
}

/// Whatever differed, the run after it passes, and the table is the only thing that changed.
#[test]
fn a_table_that_differs() {
    let before = differing();
    let project = Project::with(&[("redis.yaml", &before)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--check", "--quiet"]);
    assert_eq!((ran.code, project.read("redis.yaml")), (1, before.clone()), "{ran}");
    let listed = ran.stdout.split_once("\n\n1 cell would be").expect("the list").1;
    assert_snapshot!(listed.trim(), @"
    rewritten:
      redis.yaml:17  tcp database/redis:6379 from shop/stock: expected allow, deny ingress by database/cart-only redis.yaml:25
    ");
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--quiet"]);
    assert_eq!(ran.code, 0, "{ran}");
    let after = before
        .replace("      allow: others\n---", "      allow: others\n      deny ingress: shop/stock\n---");
    assert_eq!(project.read("redis.yaml"), after);
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--check"]);
    assert_eq!(ran.code, 0, "{ran}");
}

/// A verdict that nobody knows is in no table, and neither are objects.
#[test]
fn what_is_left() {
    let unknown =
        differing().replace("  - fromEndpoints:", "  - authentication: {mode: required}\n    fromEndpoints:");
    let project = Project::with(&[("redis.yaml", unknown)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--quiet"]);
    assert_eq!(ran.code, 3, "{ran}");
    let end = ran.stdout.rsplit_once("\n\n").unwrap().1;
    assert_snapshot!(end, @"
    1 cell rewritten:
      redis.yaml:17  tcp database/redis:6379 from shop/stock: expected allow, deny ingress by database/cart-only redis.yaml:25
    left as they are:
      redis/locked down/tcp database/redis:6379/shop/cart: it has no verdict: the engine does not know whether mutual authentication succeeds
    ");
}

#[test]
fn files_that_cannot_be_rewritten() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let file = project.path("redis.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let ran = project.verdikt(&["run", "redis.yaml", "--update", "--quiet"]);
    assert_snapshot!(ran.stderr, @"
    error: cannot rewrite `redis.yaml`: it is read-only

    hint: `--update --check` lists what would be rewritten
    ");
    assert_eq!((ran.code, project.read("redis.yaml")), (2, differing()));
    let mut command = project.command(&["run", "-", "--update", "--quiet"]);
    let output = command.stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: cannot rewrite `<stdin>`: it is not a file

    hint: name the scenario's file in place of a pipe
    ");
    let ran = project.verdikt(&["run", "redis.yaml", "--update=review"]);
    assert_snapshot!(ran, @"
    exit code 2
    --- stderr
    error: `--update=review` asks at a terminal, and there is none

    hint: `--update` rewrites all cells that differ; `--update --check` lists them
    ");
    let ran = project.verdikt(&["run", "redis.yaml", "--check"]);
    assert_eq!(ran.code, 2, "{ran}");
}

/// What was saved after verdikt read it is not overwritten: here the policy that the run reads last, a pipe, changes it.
#[test]
fn a_file_that_changes_meanwhile() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let pipe = project.path("log");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    // Its log is longer than this pipe: the run cannot end before somebody reads it, and has read the scenario once it begins.
    let mut reader =
        fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&pipe).unwrap();
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut command = project.command(&["run", "redis.yaml", "--update", "--quiet", "--events", "log"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
    fs::write(project.path("redis.yaml"), format!("{}# saved\n", differing())).unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: cannot rewrite `redis.yaml`: it was changed while the run was under way

    hint: run it again: what is written there was not run
    ");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(project.read("redis.yaml"), format!("{}# saved\n", differing()));
}

/// A terminal is asked about every cell.
#[test]
fn cell_by_cell() {
    let more = differing().replace("shop/stock: ", "shop/third: {labels: {app: third}}\n    shop/stock: ");
    let project = Project::with(&[("redis.yaml", &more)]);
    let verdikt = env!("CARGO_BIN_EXE_verdikt");
    let run = format!("{verdikt} run redis.yaml --on model --quiet --update=review");
    let mut terminal =
        project.command_of("script".as_ref(), &["--quiet", "--return", "--command", &run, "typescript"]);
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"what\nn\ny\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches("[y]es, [n]o").count(), 3, "{said}");
    let after = project.read("redis.yaml");
    let names = ["shop/third", "shop/stock"].map(|name| after.contains(&format!("deny ingress: {name}")));
    assert_eq!(names.iter().filter(|written| **written).count(), 1, "{after}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}
