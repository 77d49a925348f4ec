//! A lab beside something that rewrites addresses in every socket of the machine.
//!
//! The stand-in is `balancer.py`. It needs root, Python and a cgroup that may have eBPF programs; elsewhere the trials
//! say so and end.

use std::process::{Command, ExitCode};
use std::time::Instant;

use insta::assert_snapshot;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_lab::error::LabError;
use verdikt_lab::lab::Lab;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{
    LOCAL_NODE, Node, Pod, Port, Protocol, Served, ServedProtocol, Service, ServicePort, TargetPort, Topology,
};

use crate::support::Trials;

pub(crate) const TRIALS: Trials = &[
    ("rewriting::a_cluster_may_have_its_own_services", a_cluster_may_have_its_own_services),
    ("rewriting::services_that_are_rewritten_are_told", services_that_are_rewritten_are_told),
    ("rewriting::ports_of_nodes_that_are_rewritten_are_told", ports_of_nodes_that_are_rewritten_are_told),
];

/// The first argument of this program where it starts a lab and says what comes of it.
pub(crate) const ROLE: &str = "lab-with-services";

/// What `balancer.py` exits with where there can be no stand-in.
const NOT_HERE: i32 = 77;

/// Starts a lab with a service and a node that serves, and prints what comes of it.
#[expect(clippy::print_stdout, reason = "the trial reads it")]
pub(crate) fn play() -> ExitCode {
    verdikt_lab::enter::enter().unwrap();
    let port = Port::new(80).unwrap();
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| ServicePort {
        port,
        protocol,
        target: TargetPort::Number(port),
    });
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), [].into());
    topology.pods.insert("shop/web".parse().unwrap(), Pod::default());
    let service = Service { selects: Some([].into()), ports: ports.into(), ..Service::default() };
    topology.services.insert("shop/front".parse().unwrap(), service);
    let served = Served { protocol: ServedProtocol::Http, port: Port::new(30080).unwrap(), name: None };
    let node = Node { address: Some([172, 18, 0, 2].into()), serves: vec![served], ..Node::default() };
    topology.nodes.insert(LOCAL_NODE.parse().unwrap(), node);
    let model =
        PolicyModel::new(&topology, &[], &ModelOptions::default(), &LearnedNames::default()).into_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up: Result<(), LabError> = runtime.block_on(async {
        let mut lab = Lab::start(verdikt_probe::probe::over, Instant::now()).await?;
        lab.apply(&topology, model, Enforcement::default()).await
    });
    match up {
        Ok(()) => println!("the lab is up"),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}

/// What comes of a lab on a machine where packets to a network go to `10.0.0.7:5353`; none where none can be made so.
fn beside(network: &str) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/balancer.py");
    let mut command = Command::new("python3");
    command.args([script, network, "10.0.0.7:5353"]).arg(std::env::current_exe().unwrap()).arg(ROLE);
    let skipped = |why: &str| {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know that this one did not")]
        {
            eprintln!("no stand-in for a balancer at sockets: {why}");
        }
        None
    };
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return skipped(&error.to_string()),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_HERE) {
        return skipped(errors.trim());
    }
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn a_cluster_may_have_its_own_services() {
    let Some(said) = beside("10.96.0.0/12") else { return };
    assert_snapshot!(said, @"the lab is up");
}

fn services_that_are_rewritten_are_told() {
    let Some(said) = beside("245.96.0.0/16") else { return };
    assert_snapshot!(said, @"cannot use the addresses of the lab: something on this machine rewrites them under every process (tcp 245.96.0.10:53 becomes tcp 10.0.0.7:5353, and 3 more), as Cilium does where it replaces kube-proxy; run verdikt on another machine, or with `--on model`");
}

fn ports_of_nodes_that_are_rewritten_are_told() {
    let Some(said) = beside("172.18.0.0/16") else { return };
    assert_snapshot!(said, @"cannot use the addresses of the lab: something on this machine rewrites them under every process (tcp 172.18.0.2:30080 becomes tcp 10.0.0.7:5353), as Cilium does where it replaces kube-proxy; run verdikt on another machine, or with `--on model`");
}
