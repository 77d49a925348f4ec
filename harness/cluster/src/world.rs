//! Hosts outside the cluster: probes that verdikt starts by a command, on a machine to which the cluster's nodes route
//! the addresses of the hosts.
//!
//! One probe is one host, and lives at the host's address. One more answers for the DNS names of the hosts, where the
//! cluster's DNS server asks for the names in [`DOMAIN`].

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::process::Stdio;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tracing::debug;
use verdikt_probes::probes::Probes;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::error::list;

/// The domain whose names the cluster's DNS server must ask for there. It is nobody's:
/// <https://www.rfc-editor.org/rfc/rfc2606#section-2>
pub const DOMAIN: &str = "test";

/// How much of what a probe complains of is kept.
const MOST_COMPLAINTS: u64 = 4096;

/// Reads a range of addresses, or one address.
pub fn range(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse()
        .ok()
        .or_else(address)
        .ok_or_else(|| "it is neither an address nor a range such as 203.0.113.0/24".to_owned())
}

/// Where hosts outside the cluster are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// What starts a probe there, for a shell: `ssh gateway verdikt-probe`. `--address ADDRESS` is added.
    pub command: String,
    /// The addresses that lead there.
    pub addresses: Vec<IpNet>,
    /// The one of them at which the cluster's DNS server asks for the names in [`DOMAIN`]; none if it does not ask.
    pub dns: Option<IpAddr>,
}

impl World {
    /// Why the hosts of a topology cannot be made; none if they can.
    pub fn unfit(&self, topology: &Topology) -> Option<String> {
        topology.world.iter().find_map(|(name, host)| {
            let address = host.address;
            if !self.addresses.iter().any(|range| range.contains(&address)) {
                return Some(format!(
                    "its host {name} is at {address}, and hosts outside can only be in {}",
                    list(&self.addresses)
                ));
            }
            if self.dns == Some(address) {
                return Some(format!("its host {name} is at {address}, the address of `--world-dns`"));
            }
            let dns_name = host.names.first()?;
            if self.dns.is_none() {
                return Some(format!("its host {name} has the DNS name {dns_name}; it needs `--world-dns`"));
            }
            let other = host.names.iter().find(|name| !is_in_domain(name.as_str()))?;
            Some(format!("its host {name} has the DNS name {other}, which is not in the domain `{DOMAIN}`"))
        })
    }

    /// Starts the probe that lives at an address.
    pub(crate) fn start(&self, address: IpAddr) -> io::Result<RunningProbe> {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {} --address {address}", self.command)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(io::Error::other("the program has no standard streams"));
        };
        Ok(RunningProbe { output, input, child })
    }
}

fn is_in_domain(name: &str) -> bool {
    name == DOMAIN || name.strip_suffix(DOMAIN).is_some_and(|rest| rest.ends_with('.'))
}

/// A probe that was started. It ends with its process.
pub(crate) struct RunningProbe {
    output: ChildStdout,
    input: ChildStdin,
    child: Child,
}

impl RunningProbe {
    /// Lets it be the probe of an endpoint.
    pub(crate) fn join(self, probes: &mut Probes, endpoint: Endpoint) {
        probes.add(endpoint, self.output, self.input, exit_reason(self.child));
    }
}

/// What the program complained of, or how it ended.
async fn exit_reason(mut child: Child) -> Option<String> {
    let mut said = String::new();
    if let Some(complaints) = child.stderr.take() {
        // Output that cannot be read is not a complaint.
        if let Err(error) = complaints.take(MOST_COMPLAINTS).read_to_string(&mut said).await {
            debug!(%error, "the complaints of a program break off");
        }
    }
    let said = said.trim();
    if !said.is_empty() {
        return Some(said.to_owned());
    }
    let ended = child.wait().await;
    let ended = ended.inspect_err(|error| debug!(%error, "cannot learn how a program ended"));
    ended.ok().map(|status| status.to_string())
}
