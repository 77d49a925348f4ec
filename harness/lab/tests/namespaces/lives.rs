//! What comes and goes with a lab.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use verdikt_lab::namespace::NamespaceMaker;

use crate::process::{Holder, Test, lives, network_of, processes, role, until};
use crate::roles::site;

pub(crate) const TESTS: &[Test] = &[
    ("each site has a network of its own", each_its_own),
    ("a hundred sites come and go", || come_and_go(100)),
    ("a lab killed before its first site leaves nothing", || killed(0)),
    ("a lab killed while its sites are made leaves nothing", || [1, 2, 5, 9].into_iter().for_each(killed)),
    ("a lab killed when it is up leaves nothing", || killed(10)),
    ("a dropped site ends its probe", dropped_site),
    // The kernel gives the numbers of namespaces anew, so nobody can look whether one is still there.
    ("namespaces are given back", given_back),
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
    assert!(!holder.sites.iter().any(|site| lives(site.probe)));
}

/// Kills a lab of ten sites when this many of them are made.
fn killed(known: usize) {
    let mark = format!("{}.{known}", std::process::id());
    let mut command = role(&["hold", "10"]);
    command.env(MARK, &mark).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    // One line for each site that is there.
    let mut told = BufReader::new(holder.stdout.take().unwrap()).lines();
    let number = |line: String| line.split_once(' ').unwrap().0.parse().unwrap();
    let probes: Vec<u32> = told.by_ref().take(known).map(|line| number(line.unwrap())).collect();
    // A program that has just been started shows its environment a moment later.
    until("the mark of it", || marked(&mark) == 1);
    assert!(probes.iter().all(|probe| lives(*probe)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(marked(&mark), 0);
    assert!(!probes.iter().any(|probe| lives(*probe)));
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
    let (gone, stays) = (one.thread, other.thread);
    drop(one);
    until("the end of the probe", || !lives(gone));
    drop(maker);
    assert!(lives(stays));
    drop(other);
    until("the end of the other", || !lives(stays));
}

fn given_back() {
    let output = role(&["limits"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let full = "the namespace of site 6 cannot be made: No space left on device (os error 28)";
    let rounds: Vec<String> = (0..5).map(|round| format!("round {round}: {full}")).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), rounds);
}
