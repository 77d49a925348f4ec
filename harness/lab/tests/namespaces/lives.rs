//! What comes and goes with a lab.

use std::collections::BTreeSet;
use std::io::Read;

use verdikt_lab::namespace::{AgentProgram, Keeper};

use crate::process::{Held, Holder, Test, inhabited, lives, network_of, role, until};
use crate::roles::{chain, site, wanted};

pub(crate) const TESTS: [Test; 6] = [
    ("each site has a network of its own", each_its_own),
    ("a hundred sites come and go", || come_and_go(100)),
    ("a killed lab leaves nothing", || killed(10)),
    ("a dropped site ends its agent", dropped_site),
    ("namespaces are given back", given_back),
    ("an agent that does not start", no_agent),
];

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
    assert!(holder.sites.iter().all(|site| lives(site.agent)));
    drop(holder.process.stdin.take());
    let mut told = String::new();
    holder.output.read_to_string(&mut told).unwrap();
    print!("{told}");
    assert!(holder.process.wait().unwrap().success());
    // It has waited for its agents: nothing has to be waited for here.
    nothing_of(&holder.sites);
}

fn killed(count: usize) {
    let mut holder = Holder::start(role(&["hold", &count.to_string()]));
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    until("the end of the agents", || !holder.sites.iter().any(|site| lives(site.agent)));
    nothing_of(&holder.sites);
}

fn nothing_of(sites: &[Held]) {
    for site in sites {
        assert!(!lives(site.agent), "agent {} lives on", site.agent);
        assert!(!inhabited(&site.network), "somebody is in {}", site.network);
    }
}

fn dropped_site() {
    let keeper = Keeper::start().unwrap();
    let (one, other) = (site(&keeper, 0).unwrap(), site(&keeper, 1).unwrap());
    let (gone, stays) = (one.pid, other.pid);
    drop(one);
    assert!(!lives(gone));
    assert!(lives(stays));
    drop(keeper);
    drop(other);
    assert!(!lives(stays));
}

fn given_back() {
    let output = role(&["limits"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let full = "the namespace of site 6 cannot be made: No space left on device (os error 28)";
    let rounds: String = (0..5).map(|round| format!("round {round}: {full}\n")).collect();
    assert_eq!(told, rounds);
}

fn no_agent() {
    let keeper = Keeper::start().unwrap();
    let check = |path: &str| {
        let agent = AgentProgram { path: path.into(), arguments: Vec::new() };
        chain(&keeper.site(wanted(0), agent).err().unwrap())
    };
    insta::assert_snapshot!(check("/no/such/agent"), @"the agent of site 0 cannot be started from /no/such/agent: No such file or directory (os error 2)");
    insta::assert_snapshot!(check("/etc/passwd"), @"the agent of site 0 cannot be started from /etc/passwd: Permission denied (os error 13)");
    // The keeper goes on.
    assert!(lives(site(&keeper, 1).unwrap().pid));
}
