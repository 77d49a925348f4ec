//! What comes and goes with a lab.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use verdikt_lab::namespace::{NamespaceMaker, ProbeExecutable};

use crate::process::{Holder, Test, lives, network_of, processes, role, until};
use crate::roles::{chain, site, wanted};

pub(crate) const TESTS: [Test; 6] = [
    ("each site has a network of its own", each_its_own),
    ("a hundred sites come and go", || come_and_go(100)),
    ("a killed lab leaves nothing", killed),
    ("a dropped site ends its probe", dropped_site),
    // The kernel gives the numbers of namespaces anew, so nobody can look whether one is still there.
    ("namespaces are given back", given_back),
    ("a probe that does not start", no_probe),
];

/// A variable of the environment that tells a test's processes from others.
const MARK: &str = "VERDIKT_TEST_MARK";

fn each_its_own() {
    let holder = Holder::start(role(&["hold", "3"]));
    let mut networks: BTreeSet<String> = holder.sites.iter().map(|site| site.network.clone()).collect();
    networks.insert(network_of("self").unwrap());
    networks.insert(network_of(&holder.process.id().to_string()).unwrap());
    assert_eq!(networks.len(), 4, "{networks:?}");
}

fn come_and_go(count: usize) {
    let mut holder = Holder::start(role(&["hold", &count.to_string()]));
    assert_eq!(holder.sites.len(), count);
    assert!(holder.sites.iter().all(|site| lives(site.probe)));
    drop(holder.process.stdin.take());
    let mut told = String::new();
    holder.output.read_to_string(&mut told).unwrap();
    print!("{told}");
    assert!(holder.process.wait().unwrap().success());
    // It has waited for its probes: nothing has to be waited for here.
    assert!(!holder.sites.iter().any(|site| lives(site.probe)));
}

/// Kills labs of ten sites while they are made and after.
fn killed() {
    for known in [0, 1, 2, 5, 9, 10, 10] {
        let mark = format!("{}.{known}", std::process::id());
        let mut command = role(&["hold", "10"]);
        command.env(MARK, &mark).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        // One line for each site that is there.
        let mut told = BufReader::new(holder.stdout.take().unwrap()).lines();
        let lines: Vec<String> = told.by_ref().take(known).map(Result::unwrap).collect();
        // A program that has just been started shows its environment a moment later.
        until("the mark of it and its probes", || marked(&mark) > lines.len());
        holder.kill().unwrap();
        holder.wait().unwrap();
        until("the end of the probes", || marked(&mark) == 0);
    }
}

/// How many living processes have this mark in their environment.
fn marked(mark: &str) -> usize {
    let setting = format!("{MARK}={mark}");
    let bears = |process: &u32| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == setting.as_bytes())
    };
    processes().filter(bears).count()
}

fn dropped_site() {
    let maker = NamespaceMaker::start().unwrap();
    let (one, other) = (site(&maker, 0).unwrap(), site(&maker, 1).unwrap());
    let (gone, stays) = (one.pid, other.pid);
    drop(one);
    assert!(!lives(gone));
    assert!(lives(stays));
    drop(maker);
    drop(other);
    assert!(!lives(stays));
}

fn given_back() {
    let output = role(&["limits"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let full = "the namespace of site 6 cannot be made: No space left on device (os error 28)";
    let rounds: Vec<String> = (0..5).map(|round| format!("round {round}: {full}")).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), rounds);
}

fn no_probe() {
    let maker = NamespaceMaker::start().unwrap();
    let check = |path: &str| {
        let probe = ProbeExecutable { path: path.into(), arguments: Vec::new() };
        chain(&maker.make(wanted(0), probe).wait().err().unwrap())
    };
    insta::assert_snapshot!(check("/no/such/probe"), @"the probe of site 0 cannot be started from /no/such/probe: No such file or directory (os error 2)");
    insta::assert_snapshot!(check("/etc/passwd"), @"the probe of site 0 cannot be started from /etc/passwd: Permission denied (os error 13)");
    // The maker goes on.
    assert!(lives(site(&maker, 1).unwrap().pid));
}
