use std::collections::BTreeMap;
use std::io::Read;

use super::*;

/// The smallest program that `elf` takes: a header, and one segment of this kind.
fn program(machine: u8, segment: u8) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18] = machine;
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = segment;
    bytes
}

fn built(bytes: &[u8], registry: Option<&str>) -> BuiltImage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("verdikt-probe");
    std::fs::write(&path, bytes).unwrap();
    build(&[ProbeProgram { path, arguments: vec!["probe".to_owned()] }], registry).unwrap()
}

fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (0, 0));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
    }
    files
}

#[test]
fn the_same_program_gives_the_same_bytes() {
    let (one, other) = (built(&program(62, 1), None), built(&program(62, 1), None));
    assert_eq!((&one.image, &one.digest, &one.archive), (&other.image, &other.digest, &other.archive));
    assert_ne!(one.image.reference, built(&program(62, 2), None).image.reference);
    assert_ne!(one.digest, built(&program(183, 1), None).digest);
}

#[test]
fn the_archive_is_a_layout_that_docker_takes_too() {
    let built = built(&program(62, 1), None);
    let files = files(&built.archive);
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
        assert_eq!(*path, path_of(bytes), "a blob has the name of its digest");
    }
    let json = |path: &str| serde_json::from_slice::<Value>(&files[path]).unwrap();
    let at = |digest: &Value| format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"));
    let listed = &json("index.json")["manifests"][0];
    assert_eq!(listed["digest"], built.digest.as_str());
    let manifest = json(&at(&listed["digest"]));
    let config = json(&at(&manifest["config"]["digest"]));
    let layer = &files[&at(&manifest["layers"][0]["digest"])];
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(layer).as_str());
    assert_eq!(self::files(layer)["verdikt"], program(62, 1));
    let docker = json("manifest.json");
    assert_eq!(docker[0]["RepoTags"][0], built.image.reference.as_str());
    assert_eq!(docker[0]["Layers"][0], at(&manifest["layers"][0]["digest"]).as_str());
    insta::assert_snapshot!(config, @r#"{"architecture":"amd64","config":{"Entrypoint":["/verdikt","probe"],"User":"65532:65532","WorkingDir":"/"},"created":"1970-01-01T00:00:00Z","history":[{"created":"1970-01-01T00:00:00Z","created_by":"verdikt-probe"}],"os":"linux","rootfs":{"diff_ids":["sha256:d6c6d3e0f3436b5b76b7fbe3b0708afae230c77a343e6570a2c830323f4b0231"],"type":"layers"}}"#);
    insta::assert_snapshot!(built.image.reference, @"localhost/verdikt-probe:f768041c3f1e");
}

#[test]
fn a_registry_is_part_of_the_name() {
    let image = built(&program(62, 1), Some("registry.example.test:5000/team")).image;
    assert!(
        image.reference.starts_with("registry.example.test:5000/team/verdikt-probe:"),
        "{}",
        image.reference
    );
    assert_eq!(image.pull, Pull::IfNotPresent);
    assert_eq!(image.command, ["/verdikt", "probe"]);
}

#[test]
fn programs_of_a_target_folder() {
    let found = candidates(Path::new("/verdikt/target/debug/verdikt"));
    let found = found.iter().map(|program| program.path.display().to_string().replace(ARCH, "ARCH"));
    insta::assert_snapshot!(found.collect::<Vec<_>>().join("\n"), @"
    /verdikt/target/debug/verdikt-probe
    /verdikt/target/ARCH-unknown-linux-gnu/release/verdikt-probe
    /verdikt/target/debug/verdikt
    ");
}

#[test]
fn programs_that_need_libraries_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for (name, bytes) in [
        ("dynamic", program(62, 3)),
        ("other", program(8, 1)),
        ("script", b"#!/bin/sh\n".to_vec()),
        ("cut", program(62, 1)[..65].to_vec()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = build(&[ProbeProgram { path, arguments: Vec::new() }], None).unwrap_err().to_string();
        lines.push(error.replace(&folder.path().display().to_string(), "FOLDER").replace(ARCH, "ARCH"));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cannot use FOLDER/dynamic as the probe of a cluster: it is linked dynamically, and an image from scratch has no libraries; build one with `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release -p verdikt-probe --target ARCH-unknown-linux-gnu`
    cannot use FOLDER/other as the probe of a cluster: it is for neither x86-64 nor ARM64; build one with `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release -p verdikt-probe --target ARCH-unknown-linux-gnu`
    cannot use FOLDER/script as the probe of a cluster: it is not a Linux program; build one with `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release -p verdikt-probe --target ARCH-unknown-linux-gnu`
    cannot use FOLDER/cut as the probe of a cluster: it is truncated; build one with `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release -p verdikt-probe --target ARCH-unknown-linux-gnu`
    "#);
}
