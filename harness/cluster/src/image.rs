//! The image of the probe: one static program from scratch, as an archive that container runtimes load.

mod elf;
#[cfg(test)]
mod tests;

use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the program lies in the image.
const PROGRAM: &str = "verdikt";
/// The program that is a probe and nothing else.
const PROBE: &str = "verdikt-probe";
/// The name of the image, without registry and tag.
const NAME: &str = "verdikt-probe";
/// The registry of an image that is loaded into nodes: none answers to this name.
const NO_REGISTRY: &str = "localhost";

/// The image every probe's pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeImage {
    /// Its name, as pods give it.
    pub reference: String,
    /// What its containers run: a probe of `verdikt_probe`.
    pub command: Vec<String>,
    /// Whether nodes may get it from a registry.
    pub pull: Pull,
}

/// Where a node gets an image from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// It has it already.
    #[default]
    Never,
    /// From a registry, if it does not have it.
    IfNotPresent,
}

impl Pull {
    /// As pods have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfNotPresent => "IfNotPresent",
        }
    }
}

/// A program that is a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeProgram {
    /// Where it lies.
    pub path: PathBuf,
    /// What it must be given to be a probe.
    pub arguments: Vec<String>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A program cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The program.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program that runs in no image from scratch.
    #[error("{} cannot be the probe of a cluster: {reason}; build one with `RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release -p verdikt-probe --target {ARCH}-unknown-linux-gnu`", path.display())]
    Unfit {
        /// The program.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// An image that is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// How pods use it.
    pub image: ProbeImage,
    /// The program in it.
    pub program: ProbeProgram,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// The processor it is for, as container runtimes call it: `amd64`.
    pub architecture: &'static str,
    /// The archive: an OCI layout that `docker load` takes too.
    pub archive: Vec<u8>,
}

/// The image of the first of these programs that exists and is static. The same program gives the same bytes.
pub fn build(programs: &[ProbeProgram], registry: Option<&str>) -> Result<Built, ImageError> {
    let mut unfit = None;
    for program in programs {
        match std::fs::read(&program.path) {
            Ok(bytes) => match elf::architecture(&bytes) {
                Ok(architecture) => return Ok(archive(&bytes, program, architecture, registry)),
                Err(reason) => {
                    unfit.get_or_insert(ImageError::Unfit { path: program.path.clone(), reason });
                }
            },
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                unfit.get_or_insert(ImageError::Read { path: program.path.clone(), source });
            }
            Err(source) => return Err(ImageError::Read { path: program.path.clone(), source }),
        }
    }
    let nothing =
        || ImageError::Unfit { path: PathBuf::from(PROGRAM), reason: "no program was given".to_owned() };
    Err(unfit.unwrap_or_else(nothing))
}

/// The programs that may be the probe: those near the running program, and this program itself.
pub fn candidates(running: &Path) -> Vec<ProbeProgram> {
    let itself = ProbeProgram { path: running.to_owned(), arguments: vec!["probe".to_owned()] };
    probes_near(running).into_iter().chain([itself]).collect()
}

/// The probes near a program: `verdikt-probe` beside it, and one that Cargo has built to be static in the same folder of
/// targets.
pub fn probes_near(running: &Path) -> Vec<ProbeProgram> {
    let beside = running.with_file_name(PROBE);
    let built = running
        .ancestors()
        .nth(2)
        .map(|target| target.join(format!("{ARCH}-unknown-linux-gnu")).join("release").join(PROBE));
    let probes = std::iter::once(beside).chain(built);
    probes.map(|path| ProbeProgram { path, arguments: Vec::new() }).collect()
}

fn archive(
    bytes: &[u8],
    program: &ProbeProgram,
    architecture: &'static str,
    registry: Option<&str>,
) -> Built {
    let command: Vec<String> =
        std::iter::once(format!("/{PROGRAM}")).chain(program.arguments.iter().cloned()).collect();
    let layer = tar_of(&[(PROGRAM.to_owned(), bytes, 0o755)]);
    let config = json!({
        "architecture": architecture,
        "config": {"Entrypoint": command, "User": "65532:65532", "WorkingDir": "/"},
        "created": "1970-01-01T00:00:00Z",
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": NAME}],
        "os": "linux",
        "rootfs": {"diff_ids": [digest(&layer)], "type": "layers"},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let digest = digest(manifest.as_bytes());
    // The tag says what is inside: a node that has an image of this name has this one.
    let tag = digest.trim_start_matches("sha256:")[..12].to_owned();
    let reference = format!("{}/{NAME}:{tag}", registry.unwrap_or(NO_REGISTRY));
    let mut listed = blob("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    listed["annotations"] =
        json!({"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag});
    listed["platform"] = json!({"architecture": architecture, "os": "linux"});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [listed],
    })
    .to_string();
    let docker =
        json!([{"Config": path_of(config.as_bytes()), "Layers": [path_of(&layer)], "RepoTags": [reference]}])
            .to_string();
    let archive = tar_of(&[
        (path_of(config.as_bytes()), config.as_bytes(), 0o644),
        (path_of(&layer), &layer, 0o644),
        (path_of(manifest.as_bytes()), manifest.as_bytes(), 0o644),
        ("index.json".to_owned(), index.as_bytes(), 0o644),
        ("manifest.json".to_owned(), docker.as_bytes(), 0o644),
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644),
    ]);
    let pull = if registry.is_some() { Pull::IfNotPresent } else { Pull::Never };
    let image = ProbeImage { reference, command, pull };
    Built { image, program: program.clone(), digest, architecture, archive }
}

fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        // Writing to text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn path_of(bytes: &[u8]) -> String {
    format!("blobs/{}", digest(bytes).replace(':', "/"))
}

fn blob(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// A tar archive that depends on nothing but its files: no times, no owners.
fn tar_of(files: &[(String, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, *bytes).expect("short paths and memory take every file");
    }
    builder.into_inner().expect("memory takes every archive")
}
