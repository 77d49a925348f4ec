//! The image of a release, `ci/Dockerfile`, in a real Docker engine: the programs alone, as nobody.
//!
//! `VERDIKT_TEST_RELEASE` names the folder of an unpacked release archive. Nothing is pulled.

use std::env;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use testcontainers::core::wait::ExitWaitStrategy;
use testcontainers::core::{BuildImageOptions, WaitFor};
use testcontainers::runners::{SyncBuilder as _, SyncRunner as _};
use testcontainers::{Container, GenericBuildableImage, GenericImage, ImageExt as _};

/// The socket of an engine, unless `DOCKER_HOST` names another.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// A scenario that holds.
const SCENARIO: &str = "scenario: redis
about: The cart may not reach Redis.
topology:
  namespaces: {shop: {}}
  pods: {shop/cart: {}, shop/redis: {serves: [tcp 6379]}}
steps:
- step: open
  expect: {tcp shop/redis:6379: {allow: others}}
";

/// Whether something listens where an engine should.
fn engine_answers() -> bool {
    let host = env::var("DOCKER_HOST").unwrap_or_else(|_| SOCKET.to_owned());
    match host.split_once("://") {
        Some(("unix", path)) => UnixStream::connect(path).is_ok(),
        Some((_, address)) => TcpStream::connect(address).is_ok(),
        None => false,
    }
}

/// The image of the release; none, and one line why, where it cannot be made.
fn image() -> Option<GenericImage> {
    let Some(release) = env::var_os("VERDIKT_TEST_RELEASE").map(PathBuf::from) else {
        eprintln!("skipped: VERDIKT_TEST_RELEASE names no unpacked release");
        return None;
    };
    if !engine_answers() {
        eprintln!("skipped: no Docker engine answers");
        return None;
    }
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut image = GenericBuildableImage::new("verdikt-test-release", "latest")
        .with_dockerfile(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ci/Dockerfile"));
    for name in ["verdikt", "verdikt-probe", "LICENSE", "LICENCES-OF-DEPENDENCIES.txt"] {
        image = image.with_file(release.join(name), format!("{architecture}/{name}"));
    }
    let options = BuildImageOptions::new().with_build_arg("TARGETARCH", architecture);
    Some(image.build_image_with(options).expect("the image is built"))
}

/// Runs the program with these arguments until it ends.
fn run(image: GenericImage, arguments: &[&str]) -> Container<GenericImage> {
    image
        .with_wait_for(WaitFor::Exit(ExitWaitStrategy::new()))
        .with_cmd(arguments.iter().copied())
        .with_copy_to("/work/redis.yaml", SCENARIO.as_bytes().to_vec())
        .with_cap_drop("ALL")
        .with_startup_timeout(Duration::from_secs(60))
        .start()
        .expect("the container starts")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("programs write text")
}

#[test]
fn the_program_runs_scenarios_without_any_right() {
    let Some(image) = image() else { return };
    let ended = run(image, &["run", "--on", "model", "redis.yaml"]);
    let said = text(ended.stdout_to_vec().expect("what it says"));
    assert_eq!(ended.exit_code().expect("a code"), Some(0), "{said}");
    assert!(said.contains("redis"), "{said}");
}

#[test]
fn it_is_nobody_who_runs_it() {
    let Some(image) = image() else { return };
    let ended = run(image, &["run", "--on", "model", "redis.yaml", "--events", "/events.jsonl"]);
    let said = text(ended.stderr_to_vec().expect("what it says"));
    assert_eq!(ended.exit_code().expect("a code"), Some(2), "{said}");
    assert!(said.contains("cannot write the event log `/events.jsonl`"), "{said}");
}
