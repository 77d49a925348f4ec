//! `clusters/refresh` against a stand-in for the chart repository and the registries.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;

/// What the stand-in answers to a path with or without a token: status, further headers, body.
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
        "/cilium-1.20.10.tgz" => (200, String::new(), chart()),
        _ if path.to_lowercase().starts_with("/token?service=stand-in&scope=repository%3a") => {
            (200, String::new(), br#"{"token": "secret", "expires_in": 300}"#.to_vec())
        }
        _ if path.starts_with("/v2/") && !token => (401, challenge.to_owned(), Vec::new()),
        "/v2/kindest/node/manifests/v1.36.1" => found('1'),
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
charts: {charts}
kubernetes:
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

/// Runs the script on such a file.
fn refresh(folder: &TempDir, answer: Answer, option: &[&str]) -> Output {
    let url = format!("http://{}", serve(answer));
    let file = folder.path().join("versions.yaml");
    fs::write(&file, before(&url)).unwrap();
    run(&file, &url, option)
}

fn run(file: &Path, url: &str, option: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clusters/refresh");
    let mut command = Command::new("bash");
    command.arg(script).args(option).arg(file).env("REGISTRY_URL", url).env("no_proxy", "127.0.0.1");
    command.env_remove("http_proxy").env_remove("HTTP_PROXY").env_remove("ALL_PROXY");
    command.output().unwrap()
}

#[test]
fn everything_is_read_from_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let output = refresh(&folder, well, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = folder.path().join("versions.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let url = text.lines().find_map(|line| line.strip_prefix("charts: ")).unwrap().to_owned();
    let [node, agent, operator, envoy] = ['1', '2', '3', '4'].map(digest);
    assert_eq!(
        text,
        format!(
            "# Kept.
charts: {url}
kubernetes:
  \"1.36\": {{image: docker.io/kindest/node, tag: v1.36.1, digest: \"{node}\", verified: true}}
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
    let again = run(&file, &url, &["--check"]);
    assert!(again.status.success(), "what was just written is current");
}

#[test]
fn a_check_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = refresh(&folder, well, &["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("+    version: 1.20.10"));
    assert!(fs::read_to_string(folder.path().join("versions.yaml")).unwrap().contains("version: 1.20.2"));
}

#[test]
fn nothing_is_written_where_anything_is_missing() {
    let check = |answer: Answer, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = refresh(&folder, answer, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(expected), "{said}");
        let text = fs::read_to_string(folder.path().join("versions.yaml")).unwrap();
        assert!(text.contains("version: 1.20.2\n") && text.contains("sha256:old"), "{text}");
    };
    check(|_, _| (404, String::new(), Vec::new()), "cannot read the chart repository");
    check(
        |path, token| match path {
            "/index.yaml" => (200, String::new(), INDEX.replace("1.20", "1.21").into()),
            _ => well(path, token),
        },
        "no release of Cilium 1.20",
    );
    check(
        |path, token| match path {
            "/cilium-1.20.10.tgz" => (404, String::new(), Vec::new()),
            _ => well(path, token),
        },
        "cannot read the chart of Cilium 1.20.10",
    );
    check(
        |path, token| match path {
            "/v2/cilium/cilium/manifests/v1.20.10" if token => (404, String::new(), Vec::new()),
            _ => well(path, token),
        },
        "answers 404 for quay.io/cilium/cilium:v1.20.10",
    );
    check(
        |path, token| match path {
            "/v2/cilium/cilium/manifests/v1.20.10" if token => {
                (200, "Docker-Content-Digest: sha256:short\r\n".to_owned(), Vec::new())
            }
            _ => well(path, token),
        },
        "tells no digest of quay.io/cilium/cilium:v1.20.10",
    );
    check(
        |path, token| {
            if path.starts_with("/token") { (200, String::new(), b"{}".to_vec()) } else { well(path, token) }
        },
        "gives no token",
    );
}
