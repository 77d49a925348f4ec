//! Labs, and others under their names, as found and asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::*;
use crate::control::{LabAnswer, LabRefusal};

#[test]
fn a_lab_is_found_and_asked() {
    let lab = RunningLab { pid: std::process::id(), scenario: "three tiers".to_owned() };
    let listener = lab.listen().unwrap();
    assert!(RunningLab::all().unwrap().contains(&FoundLab { lab: lab.clone(), whose: LabOwner::Ours }));
    let server = std::thread::spawn(move || {
        // One that looks whose it is asks nothing.
        let asked = listener.incoming().find_map(|stream| {
            let stream = stream.unwrap();
            let line = BufReader::new(&stream).lines().next()?.unwrap();
            Some((stream, line))
        });
        let (mut stream, line) = asked.unwrap();
        assert_eq!(
            LabRequest::from_line(&line).unwrap(),
            LabRequest::Inside { endpoint: "a/b".to_owned(), ports: Vec::new() }
        );
        stream.write_all(b"{\"refused\":\"there is no a/b\"}\n").unwrap();
    });
    let answer = lab
        .ask(&LabRequest::Inside { endpoint: "a/b".to_owned(), ports: Vec::new() })
        .unwrap()
        .lines()
        .next();
    let answer = LabAnswer::from_line(&answer.unwrap().unwrap()).unwrap();
    assert_eq!(answer, LabAnswer::Refused(LabRefusal { refused: "there is no a/b".to_owned() }));
    server.join().unwrap();
}

/// The name of another process is not believed, and that one is never asked.
#[test]
fn a_process_under_the_name_of_another() {
    let lab = RunningLab { pid: 1, scenario: "impostor".to_owned() };
    let _listener = lab.listen().unwrap();
    assert!(RunningLab::all().unwrap().contains(&FoundLab { lab: lab.clone(), whose: LabOwner::NotTheLab }));
    let error = lab.ask(&LabRequest::Flows).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

/// Names that are not text, and processes that take no connections, keep nobody from finding others.
#[test]
fn names_of_any_bytes_harm_nobody() {
    let pid = std::process::id();
    let listen =
        |name: Vec<u8>| UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    let _garbled = listen([format!("{PREFIX}{pid}/").as_bytes(), b"\xff\xfe"].concat());
    let _lines = listen(format!("{PREFIX}{pid}/x\n0: 2 0 10000 1 1 1 @{PREFIX}{pid}/made-up").into_bytes());
    let lab = RunningLab { pid, scenario: "beside them".to_owned() };
    let full = lab.listen().unwrap();
    nix::sys::socket::listen(&full, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting: Vec<_> = std::iter::from_fn(|| lab.connect().ok()).collect();
    let other = RunningLab { pid, scenario: "another one".to_owned() };
    let _listener = other.listen().unwrap();
    let found: Vec<String> = RunningLab::all()
        .unwrap()
        .into_iter()
        .filter(|found| found.lab.pid == pid)
        .map(|found| found.lab.scenario)
        .collect();
    assert!(found.contains(&other.scenario) && !found.contains(&"made-up".to_owned()), "{found:?}");
}

#[test]
fn names_fit_into_that_of_a_socket() {
    assert_eq!(RunningLab::name_of("three\ntiers\u{202e}"), r"three tiers\u{202e}");
    let lab = RunningLab { pid: u32::MAX, scenario: RunningLab::name_of(&"表".repeat(100)) };
    assert_eq!(lab.scenario, "表".repeat(26));
    drop(lab.listen().unwrap());
}

#[test]
fn other_sockets_are_no_labs() {
    let check = |line: &str| assert_eq!(parse(line.as_bytes()), None, "{line}");
    check("Num       RefCount Protocol Flags    Type St Inode Path");
    check("0000: 00000002 00000000 00010000 0001 01 1 /run/systemd/notify");
    check("0000: 00000002 00000000 00010000 0001 01 1 @verdikt-lab/x/name");
    check("0000: 00000002 00000000 00010000 0001 01 1 @other/1/name");
    assert_eq!(parse(b"0: 2 0 1 1 1 1 @verdikt-lab/1/\xff\xfe"), None);
}
