//! Hosts outside a cluster: one container beside its nodes, to which they route the addresses of all hosts.
//!
//! The container does nothing by itself: each agent that is started in it is one host. Everything that a restart of it or
//! of a node loses is set again by the next call.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::dns;
use super::up::kubectl;
use crate::error::Error;
use crate::profile::{PREFIX, Profile};
use crate::program::{Call, Program};

/// The addresses of hosts outside: those for documents, which are nobody's. <https://www.rfc-editor.org/rfc/rfc5737>
///
/// Of IPv6 there are none.
pub const ADDRESSES: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
];

/// The one of them at which the cluster's DNS server asks for names in the domain `test`.
pub const DNS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 253);

/// The label of every container that verdikt makes.
const OURS: &str = "verdikt.dev/owner=verdikt";

/// The program that becomes a host outside.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// What tells it from every other program: digits and letters.
    pub id: &'a str,
    /// Where it lies.
    pub program: &'a Path,
    /// What it must be given to be an agent.
    pub arguments: &'a [String],
}

/// Makes sure that hosts outside can be; the command that starts the agent of one, to which `--address ADDRESS` is to be
/// added. What is there already stays as it is.
pub fn world(profile: &Profile, agent: &Agent<'_>, progress: &mut dyn FnMut(&str)) -> Result<String, Error> {
    progress("make room for hosts outside the cluster");
    let name = container(profile);
    let address = start(profile, &name)?;
    let nodes = nodes(profile)?;
    let here = ADDRESSES.iter().map(|range| format!("ip route replace local {range} dev lo"));
    let pods = nodes.iter().flat_map(|node| {
        node.pods.iter().map(|range| format!("ip route replace {range} via {}", node.address))
    });
    let routes: Vec<String> = here.chain(pods).collect();
    shell(&name, format!("set the routes of `{name}`"), &routes, None)?;
    for node in &nodes {
        let routes = ADDRESSES.map(|range| format!("ip route replace {range} via {address}"));
        shell(&node.name, format!("set the routes of `{}`", node.name), &routes, None)?;
    }
    let program = put(&name, agent)?;
    dns::forward(profile, DNS, progress)?;
    let command = [&["docker", "exec", "--interactive", &name, &program].map(str::to_owned), agent.arguments];
    Ok(command.concat().join(" "))
}

/// The name of the container beside a cluster.
fn container(profile: &Profile) -> String {
    format!("{PREFIX}world-{}", profile.name)
}

/// What the containers beside one cluster are labelled with.
fn of_cluster(cluster: &str) -> String {
    format!("verdikt.dev/cluster={cluster}")
}

/// Starts the container, if it does not run; its address. It has the image of the nodes, which is here and has `ip`, and
/// is on their network.
fn start(profile: &Profile, name: &str) -> Result<Ipv4Addr, Error> {
    let control_plane = profile.control_plane();
    let said = docker(format!("look at the node `{control_plane}`"))
        .arguments(["container", "inspect", "--format"])
        .arguments(["{{.Image}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}}"])
        .arguments([&control_plane])
        .run()?;
    let [image, network] = words(&said)?;
    match docker(format!("look at the container `{name}`")).arguments(look(name)).run() {
        Ok(said) => match words(&said)? {
            ["true", address] => return address.parse().map_err(|_| unreadable(&said)),
            _ => remove(&[name.to_owned()])?,
        },
        // What keeps docker from looking keeps it from starting as well.
        Err(Error::Failed { .. }) => {}
        Err(other) => return Err(other),
    }
    docker(format!("start the container `{name}`"))
        .arguments(["run", "--detach", "--name", name])
        .arguments(["--label", OURS, "--label", &of_cluster(&profile.cluster())])
        .arguments(["--network", network, "--cap-add", "NET_ADMIN"])
        .arguments(["--entrypoint", "sleep", image, "infinity"])
        .run()?;
    let said = docker(format!("look at the container `{name}`")).arguments(look(name)).run()?;
    match words(&said)? {
        ["true", address] => address.parse().map_err(|_| unreadable(&said)),
        _ => Err(unreadable(&said)),
    }
}

/// Asks whether a container runs, and for its address.
fn look(name: &str) -> [&str; 5] {
    let format = "{{.State.Running}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{else}}-{{end}}";
    ["container", "inspect", "--format", format, name]
}

/// A node of a cluster.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    /// Its name, and its container's.
    name: String,
    /// Its own address.
    address: Ipv4Addr,
    /// Those of its pods.
    pods: Vec<Ipv4Net>,
}

fn nodes(profile: &Profile) -> Result<Vec<Node>, Error> {
    let said = kubectl(profile, format!("list the nodes of `{}`", profile.cluster()))
        .arguments(["get", "nodes", "--output", "json"])
        .run()?;
    let nodes = read_nodes(&said).filter(|nodes| !nodes.is_empty());
    nodes.ok_or_else(|| unreadable(&said))
}

/// The nodes of a `NodeList`. Kubernetes says which addresses the pods of a node get, as every profile has
/// `ipam.mode: kubernetes`: <https://docs.cilium.io/en/stable/network/concepts/ipam/kubernetes/>
fn read_nodes(json: &str) -> Option<Vec<Node>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
        spec: Spec,
        status: Status,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        #[serde(rename = "podCIDRs")]
        pods: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Status {
        addresses: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        #[serde(rename = "type")]
        kind: String,
        address: String,
    }
    let list: List = serde_json::from_str(json).ok()?;
    let node = |Item { metadata, spec, status }| {
        let mut internal = status.addresses.iter().filter(|address| address.kind == "InternalIP");
        let address = internal.find_map(|address| address.address.parse().ok())?;
        // Ranges of IPv6 lead nowhere, as hosts have no such addresses.
        let pods: Vec<Ipv4Net> = spec.pods.iter().filter_map(|range| range.parse().ok()).collect();
        (!pods.is_empty()).then_some(Node { name: metadata.name, address, pods })
    };
    list.items.into_iter().map(node).collect()
}

/// Puts the agent's program into the container, if it is not there; where it is. It gets its name when it is whole.
fn put(name: &str, agent: &Agent<'_>) -> Result<String, Error> {
    let path = format!("/verdikt-agent-{}", agent.id);
    let there = docker(format!("look for the agent in `{name}`"))
        .arguments(["exec", name, "test", "-x", &path])
        .run()
        .is_ok();
    if !there {
        let program = fs::read(agent.program)
            .map_err(|source| Error::File { path: agent.program.to_owned(), source })?;
        let part = format!("{path}.part");
        let lines = [format!("cat > {part}"), format!("chmod 755 {part}"), format!("mv {part} {path}")];
        shell(name, format!("copy the agent into `{name}`"), &lines, Some(program))?;
    }
    Ok(path)
}

/// Removes the container beside a cluster, if there is one.
pub(super) fn remove_of(cluster: &str) -> Result<(), Error> {
    remove(&containers(&of_cluster(cluster))?)
}

/// Removes the containers of all clusters; their names.
pub(super) fn remove_all() -> Result<Vec<String>, Error> {
    let found = containers(OURS)?;
    remove(&found)?;
    Ok(found)
}

/// The names of the containers with a label, in order.
fn containers(label: &str) -> Result<Vec<String>, Error> {
    let listed = docker("list the containers of verdikt".to_owned())
        .arguments(["container", "ls", "--all", "--filter", &format!("label={label}")])
        .arguments(["--format", "{{.Names}}"])
        .run()?;
    let mut names: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

fn remove(names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    docker(format!("remove the container `{}`", names.join("`, `")))
        .arguments(["container", "rm", "--force", "--volumes"])
        .arguments(names)
        .run()
        .map(drop)
}

/// Runs commands in a container, until one fails.
fn shell(container: &str, doing: String, commands: &[String], input: Option<Vec<u8>>) -> Result<(), Error> {
    let mut call = docker(doing).arguments(["exec"]);
    if let Some(input) = input {
        call = call.arguments(["--interactive"]).input(input);
    }
    call.arguments([container, "sh", "-ec", &commands.join("; ")]).run().map(drop)
}

fn docker(doing: String) -> Call {
    Call::new(Program::Docker, doing)
}

/// The words of an answer, where there are as many as there should be.
fn words<const COUNT: usize>(said: &str) -> Result<[&str; COUNT], Error> {
    let words: Vec<&str> = said.split_whitespace().collect();
    words.try_into().map_err(|_| unreadable(said))
}

fn unreadable(said: &str) -> Error {
    Error::Answer { program: Program::Docker, said: said.trim().chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_both_families_have_those_of_ipv4() {
        let node = |name: &str, addresses: &str, pods: &str| {
            format!(
                r#"{{"metadata": {{"name": "{name}"}}, "spec": {{"podCIDRs": {pods}}}, "status": {{"addresses": {addresses}}}}}"#
            )
        };
        let both = node(
            "one",
            r#"[{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "fc00::3"},
                {"type": "InternalIP", "address": "172.18.0.3"}]"#,
            r#"["10.244.0.0/24", "fd00:10:244::/64"]"#,
        );
        let check = |items: &str| {
            let nodes = read_nodes(&format!(r#"{{"items": [{items}]}}"#))?;
            let text = |node: &Node| format!("{} {} {:?}", node.name, node.address, node.pods);
            Some(nodes.iter().map(text).collect::<Vec<_>>().join("\n"))
        };
        assert_eq!(check(&both).unwrap(), "one 172.18.0.3 [10.244.0.0/24]");
        assert_eq!(check(&node("one", "[]", r#"["10.244.0.0/24"]"#)), None, "without an address");
        let address = r#"[{"type": "InternalIP", "address": "172.18.0.3"}]"#;
        assert_eq!(check(&node("one", address, "[]")), None, "without addresses for pods");
        assert_eq!(check("1"), None);
    }
}
