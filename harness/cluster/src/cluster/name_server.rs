//! The DNS server for the names of hosts outside: one for all scenarios of a run, because the cluster's DNS server forwards
//! to one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Mutex;
use verdikt_probes::probes::Probes;
use verdikt_scenario::topology::{DNS_PORT, Endpoint};
use verdikt_wire::{Resolver, Serve, Speaks, WireCertificate, Zone};

use super::ClusterError;
use super::configure::PROBE_DEADLINE;
use super::outside::start;
use crate::mark::RunId;
use crate::world::World;

/// How messages call it.
const SERVER: &str = "world-dns";

/// The DNS server, to which every scenario adds its own names. It stops when the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct NameServer(Arc<Mutex<AnsweringProbe>>);

/// The probe that answers, and the names of each scenario.
#[derive(Debug, Default)]
struct AnsweringProbe {
    probes: Probes,
    zones: BTreeMap<RunId, Zone>,
}

impl NameServer {
    /// Replaces the names of a scenario; those of others stay. Starts the server if it does not run. Does nothing if the
    /// cluster's DNS server forwards to nobody.
    pub(crate) async fn answer_for(
        &self,
        zone: Zone,
        scenario: &RunId,
        world: &World,
    ) -> Result<(), ClusterError> {
        let Some(address) = world.dns else { return Ok(()) };
        let mut answering = self.0.lock().await;
        answering.zones.insert(scenario.clone(), zone);
        answering.configure(world, address).await
    }

    /// Removes the names of a scenario. They are still answered until another scenario adds its own: no scenario at the same
    /// time looks them up.
    pub(crate) async fn leave(&self, scenario: &RunId) {
        self.0.lock().await.zones.remove(scenario);
    }
}

impl AnsweringProbe {
    async fn configure(&mut self, world: &World, address: IpAddr) -> Result<(), ClusterError> {
        let Ok(server) = SERVER.parse().map(Endpoint::World) else { return Ok(()) };
        // Only its end matters of what it reports.
        while self.probes.next().now_or_never().is_some() {}
        if !self.probes.is_there(&server) {
            start(world, address, &mut self.probes, server)?;
        }
        let names = self.zones.values().flat_map(|zone| zone.names.clone()).collect();
        let zone = Zone { names };
        let serve = Serve {
            server: 0,
            speaks: Speaks::Dns,
            port: DNS_PORT,
            zone,
            certificate: WireCertificate::default(),
        };
        let wanted = |_: &Endpoint| (vec![serve.clone()], Resolver::default());
        Ok(self.probes.configure(wanted, PROBE_DEADLINE).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use verdikt_wire::Records;

    use super::*;

    /// A probe that writes down its orders, and says of each that its server serves.
    const PROBE: &str = r#"printf '{"report":"ready","format":FORMAT}\n'
while read -r order; do
  echo "$order" >> LOG
  printf '{"report":"serving","server":2,"port":53}\n'
done
"#;

    #[tokio::test]
    async fn one_server_has_the_names_of_all_scenarios_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let (script, log) = (folder.path().join("probe"), folder.path().join("log"));
        let text = PROBE.replace("FORMAT", &verdikt_wire::FORMAT.to_string());
        fs::write(&script, text.replace("LOG", &log.display().to_string())).unwrap();
        let world = World {
            command: format!("sh {}", script.display()),
            addresses: Vec::new(),
            dns: Some("203.0.113.53".parse().unwrap()),
        };
        let zone = |name: &str| Zone { names: [(name.to_owned(), Records::default())].into() };
        let (one, other): (RunId, RunId) = ("one".parse().unwrap(), "other".parse().unwrap());
        let names = NameServer::default();
        names.answer_for(zone("a.test"), &one, &world).await.unwrap();
        names.clone().answer_for(zone("b.test"), &other, &world).await.unwrap();
        names.leave(&one).await;
        names.answer_for(zone("c.test"), &other, &world).await.unwrap();
        insta::assert_snapshot!(fs::read_to_string(log).unwrap(), @r#"
        {"order":"serve","server":2,"speaks":"dns","port":53,"zone":{"names":{"a.test":{"addresses":[],"alias":null,"ttl":0}}}}
        {"order":"answer-for","server":2,"zone":{"names":{"a.test":{"addresses":[],"alias":null,"ttl":0},"b.test":{"addresses":[],"alias":null,"ttl":0}}}}
        {"order":"answer-for","server":2,"zone":{"names":{"c.test":{"addresses":[],"alias":null,"ttl":0}}}}
        "#);
    }
}
