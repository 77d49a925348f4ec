//! How many packets a second the datapath carries: packets of a known connection, first packets, denied ones.
//!
//! `cargo run --release -p verdikt-lab --example datapath`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_lab::datapath::{Datapath, Effects, LinkId, LinkOwner, ServiceTable};
use verdikt_lab::policy::{AddressOwner, PolicyVersion};
use verdikt_lab::redirect::Redirects;
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{Endpoint, Pod, Protocol, Topology};

const POLICY: &str = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: guard, namespace: shop}, \
    spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: web}}], \
    toPorts: [{ports: [{port: \"80\"}]}]}]}}";

const WEB: [u8; 4] = [10, 0, 0, 1];
const DB: [u8; 4] = [10, 0, 0, 2];
const SERVICE: [u8; 4] = [10, 96, 0, 1];

fn main() -> Result<(), Box<dyn Error>> {
    let mut datapath = datapath()?;
    let mut effects = Effects::default();
    let first = |port: u16, to: u16| packet(1000 + port, SERVICE, to, true);
    let known = packet(1000, SERVICE, 80, false)?;
    datapath.packet(LinkId(0), &mut first(0, 80)?, Duration::ZERO, &mut effects);
    let begun = Instant::now();
    let mut buffer = known.clone();
    let count = 5_000_000_u32;
    for _ in 0..count {
        buffer.copy_from_slice(&known);
        effects.clear();
        datapath.packet(LinkId(0), &mut buffer, Duration::from_secs(1), &mut effects);
    }
    report("of a known connection through a service", count, begun.elapsed())?;
    for (what, to) in [("that begin an allowed connection", 80), ("that are denied", 81)] {
        let mut packets = (0..50_000).map(|port| first(port, to)).collect::<Result<Vec<_>, _>>()?;
        let count = u32::try_from(packets.len())?;
        let begun = Instant::now();
        for packet in &mut packets {
            effects.clear();
            datapath.packet(LinkId(0), packet, Duration::from_secs(1), &mut effects);
        }
        report(what, count, begun.elapsed())?;
    }
    Ok(())
}

fn report(what: &str, count: u32, took: Duration) -> std::io::Result<()> {
    let rate = f64::from(count) / took.as_secs_f64();
    writeln!(std::io::stdout(), "{rate:>12.0} packets/s {what}: {:?} each", took / count)
}

fn packet(port: u16, to: [u8; 4], to_port: u16, first: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let builder = PacketBuilder::ipv4(WEB, to, 64).tcp(port, to_port, 1, 4096);
    let mut packet = Vec::new();
    if first {
        builder.syn().write(&mut packet, &[])?;
    } else {
        builder.ack(1).write(&mut packet, &[0; 1400])?;
    }
    Ok(packet)
}

fn datapath() -> Result<Datapath, Box<dyn Error>> {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse()?, BTreeMap::new());
    let mut endpoints = BTreeMap::new();
    for (name, address) in [("web", WEB), ("db", DB)] {
        let labels = [("app".to_owned(), name.to_owned())].into();
        let pod = format!("shop/{name}").parse()?;
        endpoints.insert(IpAddr::from(address), Endpoint::Pod(format!("shop/{name}").parse()?));
        topology.pods.insert(pod, Pod { labels, ..Pod::default() });
    }
    let root = document::parse(POLICY)?.remove(0);
    let manifests = [Manifest { file: Arc::from("guard.yaml"), root }];
    let cluster = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let owners = endpoints.iter().map(|(address, endpoint): (&IpAddr, &Endpoint)| {
        (*address, AddressOwner { endpoint: endpoint.clone(), identity: 1000 })
    });
    let (cluster, owners) = (Arc::new(cluster.into_owned()), Arc::new(owners.collect()));
    let policy = PolicyVersion::new(cluster, owners, BTreeMap::new(), 1, Enforcement::default());
    let mut datapath = Datapath::new(Arc::new(Redirects::default()), Arc::default(), Arc::new(policy));
    for (index, (address, endpoint)) in endpoints.into_iter().enumerate() {
        let owner = LinkOwner::Endpoint { endpoint, addresses: vec![address], identity: 1000 };
        datapath.attach(LinkId(index), owner);
    }
    let service = |port| ((IpAddr::from(SERVICE), Protocol::Tcp, port), vec![SocketAddr::from((DB, port))]);
    datapath.set_services(ServiceTable { backends: [80, 81].map(service).into(), ..ServiceTable::default() });
    Ok(datapath)
}
