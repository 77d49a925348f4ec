//! The script that installs a release, against a local server in place of the release host.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, Ran};

const NAME: &str = "verdikt-x86_64-unknown-linux-gnu";

/// Serves the files below a folder until the test ends.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &folder);
        }
    });
    url
}

fn answer(mut stream: TcpStream, folder: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
    let (status, body) = match fs::read(folder.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has seen enough goes away.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// A release whose program says its name, at `releases/<place>`, and where it is served.
pub(crate) fn release(place: &str) -> (Project, String) {
    let project = Project::with::<&str>(&[]);
    for program in ["verdikt", "verdikt-probe"] {
        let path = project.path(&format!("{NAME}/{program}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho {program} $*\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let served = project.path(&format!("releases/{place}"));
    fs::create_dir_all(&served).unwrap();
    let script = format!(
        "tar -czf '{0}/{NAME}.tar.gz' {NAME} && cd '{0}' && sha256sum {NAME}.tar.gz > {NAME}.tar.gz.sha256",
        served.display()
    );
    let packed = Command::new("sh").args(["-c", &script]).current_dir(project.path(".")).status().unwrap();
    assert!(packed.success());
    let url = serve(project.path("releases"));
    (project, url)
}

fn install(project: &Project, url: &str, arguments: &[&str]) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("ci/install");
    let mut command = Command::new("sh");
    command.arg(script).args(arguments).env("VERDIKT_RELEASES", url).env("HOME", project.path("home"));
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_latest_release() {
    let (project, url) = release("latest/download");
    let ran = install(&project, &url, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "verdikt --version\n"), "{ran}");
    let mut programs = ["verdikt", "verdikt-probe", "kubectl-verdikt"].into_iter();
    let is_missing = |program: &&str| !project.path(&format!("home/.local/bin/{program}")).exists();
    assert_eq!(programs.find(is_missing), None);
    assert!(ran.stderr.contains("to your PATH"), "{ran}");
    // Also over the one that is there.
    assert_eq!(install(&project, &url, &[]).code, 0);
}

#[test]
fn a_release_by_its_version() {
    let (project, url) = release("download/v1.2.3");
    let folder = project.path("elsewhere").display().to_string();
    let ran = install(&project, &url, &["--version", "v1.2.3", "--to", &folder]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.path("elsewhere/verdikt").exists());
    let ran = install(&project, &url, &["--version", "9.9.9"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("cannot download"), "{ran}");
    let ran = install(&project, &url, &["--version", "../1.2.3"]);
    assert!(ran.code == 1 && ran.stderr.contains("a version is written as"), "{ran}");
}

#[test]
fn an_archive_that_is_another() {
    let (project, url) = release("latest/download");
    let archive = project.path(&format!("releases/latest/download/{NAME}.tar.gz"));
    let mut bytes = fs::read(&archive).unwrap();
    bytes.push(0);
    fs::write(&archive, bytes).unwrap();
    let ran = install(&project, &url, &[]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("the archive is not the released one"), "{ran}");
    assert!(!project.path("home/.local/bin").exists(), "nothing is installed");
}
