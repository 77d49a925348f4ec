//! What this program does when a test starts it for something else than running tests.

use std::ffi::OsString;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use tokio::io::{AsyncReadExt as _, DuplexStream};
use verdikt_lab::enter::{LabRights, enter};
use verdikt_lab::exec::{ProgramInside, run_inside};
use verdikt_lab::namespace::{NamespaceMaker, NetnsError, NetnsHandle, NetnsSpec};

use crate::process::{network_of, until};

/// The texts that a program inside sees.
pub(crate) const RESOLV_CONF: &str = "nameserver 10.96.0.10\nsearch one.svc.cluster.local\n";
/// See [`RESOLV_CONF`].
pub(crate) const HOSTS: &str = "127.0.0.1 localhost\n10.0.0.1 inside\n";
/// See [`RESOLV_CONF`].
pub(crate) const HOSTNAME: &str = "inside";

/// Plays the role that the arguments name.
pub(crate) fn play(arguments: &[OsString]) -> ExitCode {
    let texts: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
    match texts[..] {
        ["enter", directory] => tell_entered(Path::new(directory)),
        ["hold", count] => hold(count.parse().unwrap()),
        ["limits"] => limits(),
        ["exec", lab, probe, program, ..] => {
            exec(lab.parse().unwrap(), probe.parse().unwrap(), program, &arguments[4..])
        }
        _ => panic!("there is no role {texts:?}"),
    }
}

/// A site with two addresses and a probe that does nothing.
pub(crate) fn site(maker: &NamespaceMaker, number: u8) -> Result<NetnsHandle, NetnsError> {
    maker.make(wanted(number), idle).wait()
}

/// A probe that waits for its end.
fn idle(mut stream: DuplexStream) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(stream.read_to_end(&mut Vec::new())).map(drop)
}

/// See [`site`].
pub(crate) fn wanted(number: u8) -> NetnsSpec {
    NetnsSpec {
        name: format!("site {number}"),
        addresses: vec![v4(number).into(), v6(number).into()],
        local_prefixes: Vec::new(),
    }
}

/// The IPv4 address of a site.
pub(crate) fn v4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number + 1)
}

/// The IPv6 address of a site.
pub(crate) fn v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, u16::from(number) + 1)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn tell_entered(directory: &Path) -> ExitCode {
    let before = network_of("self");
    match enter() {
        Ok(LabRights::Already) => println!("had the rights"),
        Ok(LabRights::UserNamespace) => println!("is in a user namespace"),
        Err(obstacle) => println!("{}", chain(&obstacle)),
    }
    assert_eq!(network_of("self"), before, "the process itself stays in its network");
    std::fs::write(directory.join("written"), "after it").unwrap();
    ExitCode::SUCCESS
}

/// Makes sites, tells of them, and holds them until its input ends.
fn hold(count: u8) -> ExitCode {
    enter().unwrap();
    let maker = NamespaceMaker::start().unwrap();
    let begin = std::time::Instant::now();
    let make = |number| {
        let site = site(&maker, number).unwrap();
        println!("{} {}", site.thread, network_of(&format!("self/task/{}", site.thread)).unwrap());
        site
    };
    let sites: Vec<NetnsHandle> = (0..count).map(make).collect();
    let took = begin.elapsed();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(sites);
    println!("{count} sites took {took:?}");
    ExitCode::SUCCESS
}

/// Makes namespaces where the kernel allows but six: each round would fail if the one before had left any.
fn limits() -> ExitCode {
    own_user_namespace();
    std::fs::write("/proc/sys/user/max_net_namespaces", "6").unwrap();
    for round in 0..5 {
        let maker = NamespaceMaker::start().unwrap();
        let mut sites = Vec::new();
        until("the end of the namespaces before", || {
            sites.extend(site(&maker, 0).ok());
            !sites.is_empty()
        });
        until("the end of the namespaces before", || {
            sites.extend(site(&maker, 1).ok());
            sites.len() == 6
        });
        let error = site(&maker, 6).err().unwrap();
        println!("round {round}: {}", chain(&error));
        if round % 2 == 0 {
            drop(maker);
        }
    }
    ExitCode::SUCCESS
}

fn own_user_namespace() {
    unshare(CloneFlags::CLONE_NEWUSER).unwrap();
    std::fs::write("/proc/self/setgroups", "deny").unwrap();
    std::fs::write("/proc/self/uid_map", "0 0 1").unwrap();
    std::fs::write("/proc/self/gid_map", "0 0 1").unwrap();
}

fn exec(lab: u32, probe: u32, program: &str, arguments: &[OsString]) -> ExitCode {
    let failed = run_inside(ProgramInside {
        lab,
        probe,
        resolv_conf: RESOLV_CONF.to_owned(),
        hosts: HOSTS.to_owned(),
        hostname: HOSTNAME.to_owned(),
        program: program.into(),
        arguments: arguments.to_vec(),
    });
    let error = failed.unwrap_err();
    println!("{}", chain(&error));
    ExitCode::from(2)
}

/// Any address of a family, for sockets that do not care.
pub(crate) fn any(of: IpAddr) -> IpAddr {
    if of.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
