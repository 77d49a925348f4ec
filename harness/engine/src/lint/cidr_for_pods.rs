//! A CIDR that was meant for pods: CIDR rules match addresses outside the cluster alone.

use ipnet::IpNet;
use verdikt_scenario::diagnostic::Diagnostic;

use super::Ground;
use crate::rule::{PeerMatcher, Peers};

/// The ranges from which clusters take the addresses of pods and services, by the defaults of common installers.
const USUAL: [&str; 6] =
    ["10.244.0.0/16", "10.42.0.0/16", "10.43.0.0/16", "10.96.0.0/12", "10.0.0.0/16", "100.64.0.0/10"];

pub(super) fn lint(ground: &Ground<'_>) -> Vec<Diagnostic> {
    let usual: Vec<IpNet> = USUAL.iter().filter_map(|text| text.parse().ok()).collect();
    let mut warnings = Vec::new();
    for (_, entry) in ground.entries() {
        let Peers::OneOf(peers) = &entry.peers else { continue };
        for peer in peers {
            let PeerMatcher::Cidr { within, .. } = &peer.matcher else { continue };
            let of_pods = |prefix: &IpNet| usual.iter().any(|usual| usual.contains(prefix));
            let Some(prefix) = within.first().filter(|_| within.iter().all(of_pods)) else { continue };
            let hosts = ground.topology.iter().flat_map(|topology| topology.world.values());
            if hosts.clone().any(|host| within.iter().any(|prefix| prefix.contains(&host.address))) {
                continue;
            }
            let message =
                format!("{prefix} is where pods and services usually live, and CIDR rules match neither");
            let warning = Diagnostic::warning(ground.place(entry, peer.position), "cidr-for-pods", message);
            let direction = if peer.path.0.starts_with("from") { "from" } else { "to" };
            let help = format!(
                "choose pods by their labels (`{direction}Endpoints`), or all with `{direction}Entities: [cluster]`"
            );
            warnings.push(warning.help(help));
        }
    }
    warnings
}
