use rstest::rstest;
use verdikt_scenario::topology::Node;

use super::*;
use crate::fixture::{agent, facts};

/// A cluster of nodes by their names: `control` runs the API server and takes no pods, `broken` has no agent.
fn cluster(names: &[&str]) -> Facts {
    let address = |index: usize| format!("10.0.0.{}", index + 1).parse().unwrap();
    let node = |(index, name): (usize, &&str)| {
        let agent = (*name != "broken").then(|| agent(&format!("cilium-{name}")));
        let (addresses, schedulable) = (vec![address(index)], *name != "control");
        ((*name).to_owned(), NodeFacts { addresses, ready: true, schedulable, agent, ..NodeFacts::default() })
    };
    let control = names.iter().position(|name| *name == "control");
    let api_servers = control.into_iter().map(address).collect();
    Facts { api_servers, ..facts(names.iter().enumerate().map(node)) }
}

/// A topology of nodes, of which `api` runs the API server.
fn topology(nodes: &[&str]) -> Topology {
    let node = |name: &&str| (name.parse().unwrap(), Node { api_server: *name == "api", ..Node::default() });
    Topology { nodes: nodes.iter().map(node).collect(), ..Topology::default() }
}

#[rstest]
#[case::no_node_is_named(&["one", "two"], &[], &[], "pods on one;")]
#[case::each_node_of_the_topology_is_another(&["one", "three", "two"], &["host", "rack-a", "rack-b"], &[],
    "pods on one; host=one rack-a=three rack-b=two")]
#[case::the_api_server_where_it_runs(&["control", "one", "two"], &["api", "host", "rack"], &[],
    "pods on one; api=control host=one rack=two")]
#[case::pods_of_others_say_where(&["one", "two"], &["host", "rack"], &["two"], "pods on two; host=two rack=one")]
#[case::a_single_node_with_the_api_server(&["control"], &["host"], &[], "pods on control, tolerating; host=control")]
#[case::a_node_without_an_agent_does_not_count(&["broken", "one"], &["host", "rack"], &[],
    "the topology has 2 nodes, and the cluster has 1 that are ready and run a Cilium agent: one")]
#[case::pods_of_others_apart(&["one", "two"], &["host", "rack"], &["one", "two"],
    "the topology has nodes, so its pods must be on one node, and the borrowed ones are on one and two")]
fn nodes_of_the_topology_are_nodes_of_the_cluster(
    #[case] names: &[&str],
    #[case] nodes: &[&str],
    #[case] borrowed_on: &[&str],
    #[case] expected: &str,
) {
    let chosen = choose_places(&cluster(names), &topology(nodes), &borrowed_on.iter().copied().collect());
    let text = match chosen {
        Ok(NodePlaces { pods: Placement { node, tolerate }, nodes }) => {
            let nodes: Vec<String> = nodes.iter().map(|(name, node)| format!(" {name}={node}")).collect();
            format!("pods on {node}{};{}", if tolerate { ", tolerating" } else { "" }, nodes.concat())
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(text, expected);
}
