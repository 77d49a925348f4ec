//! Hosts outside a cluster: one container beside its nodes, to which they route the addresses of all hosts.
//!
//! The container only waits: each probe that is started in it is one host. The next call restores whatever a restart of
//! the container or of a node loses.

mod nodes;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;

use self::nodes::nodes;
use super::containers::{OURS, docker, of_cluster, remove, shell, unreadable, words};
use super::dns;
use crate::error::Error;
use crate::profile::{PREFIX, Profile};

/// The addresses of hosts outside: blocks reserved for documentation, which no real host has. <https://www.rfc-editor.org/rfc/rfc5737>
///
/// None for IPv6.
pub const ADDRESSES: &[Ipv4Net] = &[
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
];

/// The one of them at which the cluster's DNS server asks for names in the domain `test`.
pub const DNS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 253);

/// The program that acts as a host outside.
#[derive(Clone, Copy, Debug)]
pub struct HostProgram<'a> {
    /// A hash that identifies it: digits and letters.
    pub id: &'a str,
    /// Its path.
    pub program: &'a Path,
    /// The arguments that make it a probe.
    pub arguments: &'a [String],
}

/// Sets up what hosts outside need, and keeps what is there already. Returns the command that starts the probe of a host
/// once `--address ADDRESS` is added to it.
pub fn world(
    profile: &Profile,
    probe: &HostProgram<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<String, Error> {
    progress("set up hosts outside the cluster");
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
        let routes = ADDRESSES.iter().map(|range| format!("ip route replace {range} via {address}"));
        let routes: Vec<String> = routes.collect();
        shell(&node.name, format!("set the routes of `{}`", node.name), &routes, None)?;
    }
    let program = put(&name, probe)?;
    dns::forward(profile, DNS, progress)?;
    let command = [&["docker", "exec", "--interactive", &name, &program].map(str::to_owned), probe.arguments];
    Ok(command.concat().join(" "))
}

/// The name of the container beside a cluster.
fn container(profile: &Profile) -> String {
    format!("{PREFIX}world-{}", profile.name)
}

/// Starts the container, if it does not run, and returns its address. It uses the image of the nodes, which is present
/// and has `ip`, and is on their network.
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

/// Copies the probe's program into the container, if it is not there, and returns its path. It is renamed to it once it
/// is complete.
fn put(name: &str, probe: &HostProgram<'_>) -> Result<String, Error> {
    let path = format!("/verdikt-probe-{}", probe.id);
    let there = docker(format!("look for the probe in `{name}`"))
        .arguments(["exec", name, "test", "-x", &path])
        .run()
        .is_ok();
    if !there {
        let program = fs::read(probe.program)
            .map_err(|source| Error::File { path: probe.program.to_owned(), source })?;
        let part = format!("{path}.part");
        let lines = [format!("cat > {part}"), format!("chmod 755 {part}"), format!("mv {part} {path}")];
        shell(name, format!("copy the probe into `{name}`"), &lines, Some(program))?;
    }
    Ok(path)
}
