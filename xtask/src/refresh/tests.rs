//! `cargo xtask refresh` against a server in place of the chart repository, the registries and GitHub.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use rstest::rstest;
use tempfile::TempDir;

use super::{Refresh, refresh};

/// What the server answers: status, headers, body. The path as it was asked, and whether with a token.
type Answer = fn(path: &str, token: bool) -> (u16, String, Vec<u8>);

/// A digest of one digit.
fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// Serves until the test process ends.
fn serve(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            reply(&stream.unwrap(), address, answer);
        }
    });
    address
}

fn reply(mut stream: &TcpStream, address: SocketAddr, answer: Answer) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = lines.next() else { return };
    let token = lines.filter(|line| line.eq_ignore_ascii_case("authorization: bearer secret")).count() > 0;
    let path = request.split(' ').nth(1).unwrap();
    let (status, headers, body) = answer(path, token);
    let headers = headers.replace("HOST", &address.to_string());
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    let body = if request.starts_with("HEAD") { Vec::new() } else { body };
    // A client that has enough may hang up.
    let _ = stream.write_all(&[head.into_bytes(), body].concat());
}

/// The index of a chart repository, with what must not be taken: a candidate, an older patch, another chart.
const INDEX: &str = "apiVersion: v1
entries:
  cilium:
  - appVersion: 1.20.10
    version: 1.20.9
  - version: 1.20.10
  - version: 1.20.11-rc.0
  - version: 1.2.99
  tetragon:
  - version: 1.20.77
";

const VALUES: &str = "image:
  tag: v1.20.10
envoy:
  enabled: ~
  image:
    repository: quay.io/cilium/cilium-envoy
    tag: \"v1.37.9-new\"
  other:
    tag: wrong
";

/// Notes as kind's releases have them, the older release first, with a candidate that must not be taken.
fn releases() -> String {
    let [old, new, newer] = ['a', 'b', 'c'].map(digest);
    serde_json::json!([
        {"tag_name": "v0.32.0", "body": format!("* v1.36.1: `kindest/node:v1.36.1@{old}`")},
        {"tag_name": "v0.34.0-alpha", "prerelease": true, "body": format!("kindest/node:v1.36.9@{old}")},
        {"tag_name": "v0.33.0", "body": format!(
            "Images:\n- v1.37.0: `kindest/node:v1.37.0@{newer}`\n- v1.36.4: `kindest/node:v1.36.4@{new}`\nkindest/node:v1"
        )},
    ])
    .to_string()
}

/// The chart, packed by tar.
fn chart() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cilium")).unwrap();
    fs::write(folder.path().join("cilium/values.yaml"), VALUES).unwrap();
    let packed = Command::new("tar").args(["-cz", "cilium"]).current_dir(folder.path()).output().unwrap();
    assert!(packed.status.success());
    packed.stdout
}

/// Everything is well. The registry asks for a token, as Docker Hub does.
fn well(path: &str, token: bool) -> (u16, String, Vec<u8>) {
    let challenge =
        "WWW-Authenticate: Bearer realm=\"http://HOST/token\",service=\"stand-in\",scope=\"x\"\r\n";
    let found = |digit| (200, format!("Docker-Content-Digest: {}\r\n", digest(digit)), Vec::new());
    match path {
        "/index.yaml" => (200, String::new(), INDEX.into()),
        "/releases" => (200, String::new(), releases().into()),
        "/cilium-1.20.10.tgz" => (200, String::new(), chart()),
        _ if path.starts_with("/token?service=stand-in&scope=repository:") => {
            (200, String::new(), br#"{"token": "secret", "expires_in": 300}"#.to_vec())
        }
        _ if path.starts_with("/v2/") && !token => (401, challenge.to_owned(), Vec::new()),
        "/v2/kindest/node/manifests/v1.35.5" => found('1'),
        "/v2/cilium/cilium/manifests/v1.20.10" => found('2'),
        "/v2/cilium/operator-generic/manifests/v1.20.10" => found('3'),
        "/v2/cilium/cilium-envoy/manifests/v1.37.9-new" => found('4'),
        _ => (404, String::new(), Vec::new()),
    }
}

/// A file as it may be before, with the charts at this address.
fn before(charts: &str) -> String {
    format!(
        "# Kept.
programs: {{docker: 20.10.0, kind: 0.32.0, helm: 3.14.0}}
charts: {charts}
kubernetes:
  \"1.35\": {{image: docker.io/kindest/node, tag: v1.35.5, digest: null, verified: false}}
  \"1.36\": {{image: docker.io/kindest/node, tag: v1.36.1, digest: null, verified: false}}
cilium:
  \"1.20\":
    version: 1.20.2
    chart: 1.20.2
    kubernetes: \"1.36\"
    images:
      agent: {{image: quay.io/cilium/cilium, tag: v1.20.2, digest: \"sha256:old\", verified: true}}
      operator: {{image: quay.io/cilium/operator-generic, tag: v1.20.2, digest: null, verified: false}}
      envoy: {{image: quay.io/cilium/cilium-envoy, tag: null, digest: null, verified: false}}
profiles:
  audit: {{cilium: \"1.20\", about: \"version: kept\"}}
"
    )
}

/// A file in a folder, and the task for it.
fn task(folder: &TempDir, answer: Answer) -> Refresh {
    let url = format!("http://{}", serve(answer));
    let file = folder.path().join("versions.yaml");
    fs::write(&file, before(&url)).unwrap();
    Refresh {
        file,
        dry_run: false,
        check: false,
        kind_releases: format!("{url}/releases"),
        registry: Some(url),
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[test]
fn everything_is_read_from_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(&folder, well);
    refresh(&task).unwrap();
    let url = task.registry.clone().unwrap();
    let [node, agent, operator, envoy, new, newer] = ['1', '2', '3', '4', 'b', 'c'].map(digest);
    assert_eq!(
        read(&task.file),
        format!(
            "# Kept.
programs: {{docker: 20.10.0, kind: 0.33.0, helm: 3.14.0}}
charts: {url}
kubernetes:
  \"1.35\": {{image: docker.io/kindest/node, tag: v1.35.5, digest: \"{node}\", verified: true}}
  \"1.36\": {{image: docker.io/kindest/node, tag: v1.36.4, digest: \"{new}\", verified: true}}
  \"1.37\": {{image: docker.io/kindest/node, tag: v1.37.0, digest: \"{newer}\", verified: true}}
cilium:
  \"1.20\":
    version: 1.20.10
    chart: 1.20.10
    kubernetes: \"1.36\"
    images:
      agent: {{image: quay.io/cilium/cilium, tag: v1.20.10, digest: \"{agent}\", verified: true}}
      operator: {{image: quay.io/cilium/operator-generic, tag: v1.20.10, digest: \"{operator}\", verified: true}}
      envoy: {{image: quay.io/cilium/cilium-envoy, tag: v1.37.9-new, digest: \"{envoy}\", verified: true}}
profiles:
  audit: {{cilium: \"1.20\", about: \"version: kept\"}}
"
        )
    );
    refresh(&Refresh { check: true, ..task }).expect("what was just written is current");
}

#[test]
fn a_check_writes_nothing_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(&folder, well);
    let said = refresh(&Refresh { check: true, ..task }).unwrap_err().to_string();
    assert!(said.ends_with("is not current; run `cargo xtask refresh`"), "{said}");
    assert!(read(&folder.path().join("versions.yaml")).contains("version: 1.20.2"));
}

#[test]
fn a_dry_run_writes_nothing_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(&folder, well);
    refresh(&Refresh { dry_run: true, ..task }).unwrap();
    assert!(read(&folder.path().join("versions.yaml")).contains("version: 1.20.2"));
}

#[rstest]
#[case::no_chart_repository(|_: &str, _: bool| (404, String::new(), Vec::new()), "cannot read the chart repository")]
#[case::no_releases_of_kind(
    |path: &str, token: bool| if path == "/releases" { (403, String::new(), Vec::new()) } else { well(path, token) },
    "cannot read the releases of kind"
)]
#[case::a_minor_without_release(
    |path: &str, token: bool| match path {
        "/index.yaml" => (200, String::new(), INDEX.replace("1.20", "1.21").into()),
        _ => well(path, token),
    },
    "no release of Cilium 1.20"
)]
#[case::no_chart(
    |path: &str, token: bool| if path == "/cilium-1.20.10.tgz" { (404, String::new(), Vec::new()) } else { well(path, token) },
    "cannot read the chart of Cilium 1.20.10"
)]
#[case::no_image(
    |path: &str, token: bool| match path {
        "/v2/cilium/cilium/manifests/v1.20.10" if token => (404, String::new(), Vec::new()),
        _ => well(path, token),
    },
    "for quay.io/cilium/cilium:v1.20.10"
)]
#[case::no_digest(
    |path: &str, token: bool| match path {
        "/v2/cilium/cilium/manifests/v1.20.10" if token => {
            (200, "Docker-Content-Digest: sha256:short\r\n".to_owned(), Vec::new())
        }
        _ => well(path, token),
    },
    "tells no digest of quay.io/cilium/cilium:v1.20.10"
)]
#[case::no_token(
    |path: &str, token: bool| {
        if path.starts_with("/token") { (200, String::new(), b"{}".to_vec()) } else { well(path, token) }
    },
    "gives no token"
)]
fn nothing_is_written_where_anything_is_missing(#[case] answer: Answer, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let task = task(&folder, answer);
    let said = format!("{:#}", refresh(&task).unwrap_err());
    assert!(said.contains(expected), "{said}");
    let text = read(&task.file);
    assert!(text.contains("version: 1.20.2\n") && text.contains("sha256:old"), "{text}");
}
