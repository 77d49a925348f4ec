use std::time::Instant;

use tokio::sync::mpsc;

use super::*;
use crate::agent_polls::AgentPolls;
use crate::cluster::{ClusterOptions, NameServer};
use crate::fixture::{absent, agent, facts, server};
use crate::image::{ProbeImage, Pull};
use crate::inspect::NodeFacts;
use crate::wait::WaitProgress;

/// A node, whose agent is in the pod of this name.
fn node(pod: Option<&str>) -> NodeFacts {
    NodeFacts { agent: pod.map(agent), ..NodeFacts::default() }
}

#[tokio::test]
async fn every_agent_forgets_every_name_that_was_told() {
    let (connection, log) = server(|_| absent());
    let nodes = [("one", node(Some("cilium-1"))), ("two", node(Some("cilium-2"))), ("three", node(None))];
    let facts = facts(nodes);
    let (listener, mut told) = mpsc::unbounded_channel();
    let options = ClusterOptions {
        run: "run".parse().unwrap(),
        image: ProbeImage { reference: "probe".to_owned(), command: Vec::new(), pull: Pull::Never },
        borrowed: BTreeSet::new(),
        world: None,
        names: NameServer::default(),
        polls: AgentPolls::default(),
        pod_deadline: Duration::from_secs(1),
        progress: WaitProgress::to(listener),
    };
    let mut cluster = Cluster::open(connection, facts, options, Instant::now()).await.unwrap();
    cluster.known_names.extend(["api.example.test", "www.example.test"].map(str::to_owned));
    cluster.forget_names().await;
    let mut asked: Vec<String> = log.text().lines().map(|line| line.replace("&command=", " ")).collect();
    asked.sort();
    insta::assert_snapshot!(asked.join("\n"), @"
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec?&stdout=true&stderr=true&container=cilium-agent cilium-dbg fqdn cache clean --force --matchpattern api.example.test.
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec?&stdout=true&stderr=true&container=cilium-agent cilium-dbg fqdn cache clean --force --matchpattern www.example.test.
    GET /api/v1/namespaces/kube-system/pods/cilium-2/exec?&stdout=true&stderr=true&container=cilium-agent cilium-dbg fqdn cache clean --force --matchpattern api.example.test.
    GET /api/v1/namespaces/kube-system/pods/cilium-2/exec?&stdout=true&stderr=true&container=cilium-agent cilium-dbg fqdn cache clean --force --matchpattern www.example.test.
    ");
    // Agents that cannot be asked are told of.
    assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), 4);
}
