use std::time::Duration;

use verdikt_probes::probes::ProbeEvent;
use verdikt_scenario::topology::{Endpoint, WorldHost};
use verdikt_wire::Resolver;

use super::*;

fn world(command: &str, dns: Option<&str>) -> World {
    World {
        command: command.to_owned(),
        addresses: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        dns: dns.map(|address| address.parse().unwrap()),
    }
}

#[test]
fn hosts_need_an_address_and_their_names_a_server() {
    let check = |address: &str, name: &str, dns: Option<&str>| {
        let mut topology = Topology::default();
        let names = (!name.is_empty()).then(|| name.parse().unwrap()).into_iter().collect();
        let host = WorldHost {
            address: address.parse().unwrap(),
            names,
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert("api".parse().unwrap(), host);
        world("", dns).unfit(&topology).unwrap_or_else(|| "fit".to_owned())
    };
    let dns = Some("203.0.113.53");
    let lines = [
        check("203.0.113.10", "", None),
        check("2001:db8::1", "api.example.test", dns),
        check("198.51.100.7", "", dns),
        check("203.0.113.53", "", dns),
        check("203.0.113.10", "api.example.test", None),
        check("203.0.113.10", "api.example.com", dns),
        check("203.0.113.10", "the.contest", dns),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    fit
    fit
    its host api is at 198.51.100.7, and hosts outside can only be in 203.0.113.0/24 and 2001:db8::/32
    its host api is at 203.0.113.53, the address of `--world-dns`
    its host api has the DNS name api.example.test; it needs `--world-dns`
    its host api has the DNS name api.example.com, which is not in the domain `test`
    its host api has the DNS name the.contest, which is not in the domain `test`
    ");
}

/// Starts a probe like this, and tells how it ends.
async fn started(command: &str) -> String {
    let mut probes = Probes::default();
    let running = world(command, None).start("127.0.0.7".parse().unwrap()).unwrap();
    running.join(&mut probes, Endpoint::World("api".parse().unwrap()));
    let patience = Duration::from_secs(10);
    match probes.configure(|_| (Vec::new(), Resolver::default()), patience).await {
        Ok(()) => match probes.next().await {
            ProbeEvent::Gone(endpoint, reason) => format!("{endpoint}: {reason}"),
            ProbeEvent::Report(..) | ProbeEvent::Flushed => "it talks".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_command_that_fails_is_told() {
    let ready = format!("printf '{{\"report\":\"ready\",\"format\":{}}}\n' #", verdikt_wire::FORMAT);
    let lines = [started(&ready).await, started("echo").await, started("no-such-program").await];
    insta::assert_snapshot!(lines.join("\n"), @r"
    api: the stream to it has ended: exit status: 0
    the probe of api has ended: its output is not a report: invalid number at line 1 column 2: exit status: 0
    the probe of api has ended: the stream to it has ended: sh: 1: exec: no-such-program: not found
    ");
}
