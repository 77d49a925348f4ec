//! Hosts outside the cluster: probes that verdikt starts by a command, on a machine to which the cluster's nodes route
//! the addresses of the hosts.
//!
//! Each probe is one host and uses the host's address. One more probe serves the DNS names of the hosts: the cluster's
//! DNS server forwards queries for [`DOMAIN`] to it.

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

/// The domain that the cluster's DNS server must forward. It is reserved:
/// <https://www.rfc-editor.org/rfc/rfc2606#section-2>
pub const DOMAIN: &str = "test";

/// How much of a probe's standard error is kept, in bytes.
const MOST_ERROR_OUTPUT: u64 = 4096;

/// Reads a range of addresses, or one address.
pub fn range(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse()
        .ok()
        .or_else(address)
        .ok_or_else(|| "it is neither an address nor a range such as 203.0.113.0/24".to_owned())
}

/// Where probes for hosts outside the cluster run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// The shell command that starts a probe there: `ssh gateway verdikt-probe`. `--address ADDRESS` is added.
    pub command: String,
    /// The addresses that are routed there.
    pub addresses: Vec<IpNet>,
    /// The one of them to which the cluster's DNS server forwards [`DOMAIN`]; none if it does not.
    pub dns: Option<IpAddr>,
}

impl World {
    /// Why the hosts of a topology cannot run there; none if they can.
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

    /// Starts a probe at an address.
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

/// A started probe. It ends with its process.
pub(crate) struct RunningProbe {
    output: ChildStdout,
    input: ChildStdin,
    child: Child,
}

impl RunningProbe {
    /// Makes it the probe of an endpoint.
    pub(crate) fn join(self, probes: &mut Probes, endpoint: Endpoint) {
        probes.add(endpoint, self.output, self.input, exit_reason(self.child));
    }
}

/// Waits for the end of the program, and returns its error output or how it ended.
async fn exit_reason(mut child: Child) -> Option<String> {
    let mut said = String::new();
    if let Some(error_output) = child.stderr.take() {
        // Error output that cannot be read is left out.
        if let Err(error) = error_output.take(MOST_ERROR_OUTPUT).read_to_string(&mut said).await {
            debug!(%error, "the error output of a program is incomplete");
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
