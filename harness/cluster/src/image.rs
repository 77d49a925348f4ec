//! Builds the image of the probe: one static program and nothing else, as an archive that container runtimes load.

mod elf;
#[cfg(test)]
mod tests;

use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The path of the program in the image.
const PROGRAM: &str = "verdikt";
/// The file name of the probe's own program.
const PROBE: &str = "verdikt-probe";
/// The name of the image, without registry and tag.
const NAME: &str = "verdikt-probe";
/// The registry in the name of an image that is loaded into nodes, so that no registry is asked.
const NO_REGISTRY: &str = "localhost";

/// The image that every pod with a probe runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeImage {
    /// Its name in pod specs.
    pub reference: String,
    /// The command of its containers, which starts a probe.
    pub command: Vec<String>,
    /// Whether nodes may pull it from a registry.
    pub pull: Pull,
}

/// When a node pulls an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// Never: the image is on the node.
    #[default]
    Never,
    /// If the image is not on the node.
    IfNotPresent,
}

impl Pull {
    /// The value of `imagePullPolicy`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfNotPresent => "IfNotPresent",
        }
    }
}

/// A program that can be started as a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeProgram {
    /// Its path.
    pub path: PathBuf,
    /// The arguments that start it as a probe.
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
    /// The program does not run without other files.
    #[error("cannot use {} as the probe of a cluster: {reason}; build one with `RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release -p verdikt-probe --target {ARCH}-unknown-linux-gnu`", path.display())]
    Unfit {
        /// The program.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// An image with its archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The image as pods use it.
    pub image: ProbeImage,
    /// The program in it.
    pub program: ProbeProgram,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// Its architecture, as container runtimes call it: `amd64`.
    pub architecture: &'static str,
    /// The archive: an OCI layout that `docker load` accepts too.
    pub archive: Vec<u8>,
}

/// Builds the image of the first of these programs that exists and is static. The same program gives the same bytes.
pub fn build(programs: &[ProbeProgram], registry: Option<&str>) -> Result<BuiltImage, ImageError> {
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

/// The programs that may serve as the probe: those near the running program, and the running program itself.
pub fn candidates(running: &Path) -> Vec<ProbeProgram> {
    let itself = ProbeProgram { path: running.to_owned(), arguments: vec!["probe".to_owned()] };
    probes_near(running).into_iter().chain([itself]).collect()
}

/// The probes near a program: `verdikt-probe` beside it, and a static one that Cargo has built in the same target folder.
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
) -> BuiltImage {
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
    // The tag is part of the digest: a node that has an image of this name has this very image.
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
    BuiltImage { image, program: program.clone(), digest, architecture, archive }
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

/// A reproducible tar archive, without times and owners.
fn tar_of(files: &[(String, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, *bytes).expect("writing a short path to memory cannot fail");
    }
    builder.into_inner().expect("writing to memory cannot fail")
}
