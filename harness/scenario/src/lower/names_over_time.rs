//! Names that resolve to another host from a step on, and names whose answers are expired.

use std::sync::Arc;

use super::mistake::{Mistake, Mistakes};
use super::suggest::did_you_mean;
use super::topology::TopologyDraft;
use crate::attempt::Target;

use crate::file::{Located, StepFile};
use crate::name::{DnsName, HostName};
use crate::scenario::Row;
use crate::topology::{Endpoint, Resolved, Topology};

/// Applies the name changes of a step. `before` is the topology of the step before; none for the first.
pub(super) fn apply(
    step: &StepFile,
    before: Option<&TopologyDraft>,
    file: &Arc<str>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    for name in &step.expired {
        let known = host_of(&name.value, &draft.topology).and_then(|_| {
            let nothing = || Mistake::new("no step comes before this one, and nothing has been learned");
            before.map(|_| ()).ok_or_else(nothing)
        });
        mistakes.keep(file, name.position, known);
    }
    for (name, host) in &step.names {
        let Some((parsed, old)) = mistakes.keep(file, name.position, host_of(&name.value, &draft.topology))
        else {
            continue;
        };
        let Some(new) = mistakes.keep(file, host.position, known_host(&host.value, &draft.topology)) else {
            continue;
        };
        if old == new {
            let mistake = Mistake::new(format!("`{parsed}` belongs to `{new}` already"));
            mistakes.add(file, host.position, mistake.help("leave it out".to_owned()));
            continue;
        }
        let world = &mut draft.topology.world;
        for old in world.values_mut() {
            old.names.remove(&parsed);
            old.aliases.remove(&parsed);
        }
        if let Some(new) = world.get_mut(&new) {
            new.names.insert(parsed);
        }
    }
}

/// A mistake for each name that is to expire while a connection to its host is kept.
/// <https://pkg.go.dev/github.com/cilium/cilium/pkg/fqdn>
pub(super) fn hold_against_kept(
    expired: &[Located<String>],
    table: &[Row],
    topology: &Topology,
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) {
    for name in expired {
        let Ok((parsed, host)) = host_of(&name.value, topology) else { continue };
        let host = Endpoint::World(host);
        let mut kept = table.iter().filter_map(|row| row.attempt.kept());
        let Some(made) = kept.find(|made| made.target().and_then(Target::endpoint) == Some(&host)) else {
            continue;
        };
        let message = format!(
            "`{parsed}` does not expire while a connection to `{host}` is kept: Cilium keeps the names of open connections"
        );
        let help = format!("leave `expired` out, or connect again: `{made}`");
        mistakes.add(file, name.position, Mistake::new(message).help(help));
    }
}

/// A name of a host outside, and the host.
fn host_of(text: &str, topology: &Topology) -> Result<(DnsName, HostName), Mistake> {
    let name = text.parse::<DnsName>()?;
    if let Some(Resolved::World(host)) = topology.resolve(&name) {
        return Ok((name, host));
    }
    let known = topology.world.values().flat_map(|host| host.names.iter().chain(host.aliases.keys()));
    let known: Vec<&str> = known.map(DnsName::as_str).collect();
    let help = did_you_mean(text, "the names of hosts outside are", &known);
    Err(Mistake::new(format!("`{name}` is not the name of a host outside")).help(help))
}

fn known_host(text: &str, topology: &Topology) -> Result<HostName, Mistake> {
    let name = text.parse::<HostName>()?;
    if topology.world.contains_key(&name) {
        return Ok(name);
    }
    let known: Vec<&str> = topology.world.keys().map(HostName::as_str).collect();
    let help = did_you_mean(text, "the hosts outside are", &known);
    Err(Mistake::new(format!("no host outside is called `{name}`")).help(help))
}
