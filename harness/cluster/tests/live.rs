//! The real thing: a cluster with Cilium whose nodes have the probe's image. Run with
//! `VERDIKT_TEST_IMAGE=NAME cargo test -p verdikt-cluster --test live -- --ignored --nocapture`; the cluster is that of
//! the current context, `VERDIKT_TEST_COMMAND` what its containers run if not `/verdikt`, and `VERDIKT_TEST_WORLD` the
//! address of a host outside the cluster and the command that becomes its probe.

#![expect(clippy::print_stdout, reason = "what was measured is told")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use verdikt_cluster::agent_polls::AgentPolls;
use verdikt_cluster::audit::AuditMode;
use verdikt_cluster::clean::{self, CleanScope};
use verdikt_cluster::cluster::{Cluster, ClusterOptions, NameServer};
use verdikt_cluster::connect::{ApiConnection, ContextChoice};
use verdikt_cluster::image::{ProbeImage, Pull};
use verdikt_cluster::lease::Lease;
use verdikt_cluster::mark::RunId;
use verdikt_cluster::settle::{self, Settled};
use verdikt_cluster::wait::WaitProgress;
use verdikt_cluster::world::World;
use verdikt_cluster::{evidence, inspect, namespaces};
use verdikt_probes::probes::ProbeEvent;
use verdikt_scenario::document;
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::{
    Endpoint, Node, Pod, Protocol, Served, ServedProtocol, Service, ServicePort, ServiceType, TargetPort,
    Topology, WorldHost,
};
use verdikt_wire::{Action, Order, Report, WireAttempt, WireOutcome, WireTarget};

const TIMEOUT: u32 = 700;

fn policy(rules: &str) -> Vec<Manifest> {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: orders, namespace: verdikt-shop}}\n\
         spec: {{endpointSelector: {{matchLabels: {{app: orders}}}}, ingress: [{rules}]}}\n"
    );
    let documents = document::parse(&text).unwrap().into_iter();
    documents.map(|root| Manifest { file: Arc::from("policy.yaml"), root }).collect()
}

fn pod(app: &str, serves: Vec<Served>) -> Pod {
    Pod { labels: BTreeMap::from([("app".to_owned(), app.to_owned())]), serves, ..Pod::default() }
}

fn topology() -> Topology {
    let web = Served {
        protocol: ServedProtocol::Http,
        port: 80.try_into().unwrap(),
        name: Some("web".parse().unwrap()),
    };
    let mut topology = Topology::default();
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    topology.namespaces.insert("verdikt-shop".parse().unwrap(), labels);
    topology.pods.insert("verdikt-shop/cart".parse().unwrap(), pod("cart", Vec::new()));
    topology.pods.insert("verdikt-shop/orders".parse().unwrap(), pod("orders", vec![web]));
    let service = Service {
        service_type: ServiceType::ClusterIp,
        labels: BTreeMap::new(),
        selects: Some(BTreeMap::from([("app".to_owned(), "orders".to_owned())])),
        backends: BTreeSet::new(),
        ports: vec![ServicePort {
            port: 8080.try_into().unwrap(),
            protocol: Protocol::Tcp,
            target: TargetPort::Name("web".parse().unwrap()),
        }],
        ..Service::default()
    };
    topology.services.insert("verdikt-shop/orders".parse().unwrap(), service);
    topology.nodes.insert("host".parse().unwrap(), Node { api_server: true, ..Node::default() });
    topology
}

fn identities(topology: &Topology) -> BTreeMap<NamespacedName, BTreeSet<String>> {
    let of = |name: &NamespacedName, pod: &Pod| {
        let own = pod.labels.iter().map(|(key, value)| format!("k8s:{key}={value}"));
        let inherited = topology.namespaces[&name.namespace].iter();
        let inherited =
            inherited.map(|(key, value)| format!("k8s:io.cilium.k8s.namespace.labels.{key}={value}"));
        let namespace = format!("k8s:io.kubernetes.pod.namespace={}", name.namespace);
        own.chain(inherited).chain([namespace]).collect()
    };
    topology.pods.iter().map(|(name, pod)| (name.clone(), of(name, pod))).collect()
}

struct Live {
    cluster: Cluster,
    topology: Topology,
    last: u64,
}

impl Live {
    /// Puts this in force, waits until it is, and says how long that took.
    async fn step(&mut self, name: &str, policies: &[Manifest]) -> Settled {
        let begin = Instant::now();
        self.cluster.apply(&self.topology).await.unwrap();
        let populated = begin.elapsed();
        let applied = self.cluster.put_in_force(policies, FieldValidation::Strict).await.unwrap();
        assert_eq!(applied.refused, BTreeMap::new());
        let stored = begin.elapsed();
        let wanted = settle::SettleGoal {
            applied: &applied,
            identities: &identities(&self.topology),
            deadline: Duration::from_mins(1),
        };
        let settled = self.cluster.settle(wanted).await.unwrap();
        println!(
            "{name}: topology {populated:?}, stored {:?}, {settled:?}",
            stored.checked_sub(populated).unwrap()
        );
        settled
    }

    async fn attempt(&mut self, source: &Endpoint, target: WireTarget, port: u16) -> WireOutcome {
        self.last += 1;
        let action = Action::Tcp { target, port };
        let order = Order::Attempt(WireAttempt { attempt: self.last, action, timeout: TIMEOUT });
        assert!(self.cluster.tell(source, order));
        loop {
            match self.cluster.next().await {
                ProbeEvent::Report(_, Report::Finished { attempt, outcome, took })
                    if attempt == self.last =>
                {
                    println!("  {source} -> {port}: {outcome:?} after {took} us");
                    return outcome;
                }
                ProbeEvent::Gone(endpoint, reason) => panic!("{endpoint} is gone: {reason}"),
                ProbeEvent::Report(..) | ProbeEvent::Flushed => {}
            }
        }
    }
}

/// A host outside the cluster: `VERDIKT_TEST_WORLD` is its address, and then the command that becomes its probe.
fn world() -> Option<(World, IpAddr)> {
    let given = std::env::var("VERDIKT_TEST_WORLD").ok()?;
    let (address, command) = given.split_once(' ')?;
    let address: IpAddr = address.parse().unwrap();
    Some((World { command: command.to_owned(), addresses: vec![address.into()], dns: None }, address))
}

/// Adds that host to a topology.
fn add_client(topology: &mut Topology, address: IpAddr) -> Endpoint {
    let name: HostName = "client".parse().unwrap();
    let web = Served { protocol: ServedProtocol::Http, port: 8081.try_into().unwrap(), name: None };
    topology.world.insert(
        name.clone(),
        WorldHost {
            address,
            names: BTreeSet::new(),
            serves: vec![web],
            aliases: [].into(),
            api_server: false,
        },
    );
    Endpoint::World(name)
}

/// What would be kept of a step that is not as expected.
async fn print_evidence(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let files = evidence::collect(cluster, folder.path(), &BTreeSet::new()).await.unwrap();
    println!("evidence in {:?}", begin.elapsed());
    for file in &files {
        println!("  {} {}", file.file_name().unwrap().display(), std::fs::metadata(file).unwrap().len());
    }
    if let Ok(missing) = std::fs::read_to_string(folder.path().join("missing.txt")) {
        println!("{missing}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster with Cilium and the probe's image in VERDIKT_TEST_IMAGE"]
async fn steps_on_a_real_cluster() {
    let reference = std::env::var("VERDIKT_TEST_IMAGE").unwrap();
    let command = std::env::var("VERDIKT_TEST_COMMAND").unwrap_or_else(|_| "/verdikt".to_owned());
    let (connection, kubernetes) = ApiConnection::open(&ContextChoice::default()).await.unwrap();
    let begin = Instant::now();
    let facts = inspect::inspect(&connection, &kubernetes).await.unwrap();
    println!("inspected in {:?}: Cilium {}", begin.elapsed(), facts.cilium.full_version);
    let run: RunId = "live-test".parse().unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(line) = told.recv().await {
            println!("    {line}");
        }
    });
    let progress = WaitProgress::to(tell);
    let removed = clean::clean(&connection, &CleanScope::AllRunsForced, &progress).await.unwrap();
    println!("removed of runs before: {}", removed.len());
    let outside = world();
    let options = ClusterOptions {
        run: run.scenario(0),
        image: ProbeImage { reference, command: vec![command], pull: Pull::Never },
        borrowed: BTreeSet::new(),
        world: outside.as_ref().map(|(world, _)| world.clone()),
        names: NameServer::default(),
        polls: AgentPolls::default(),
        pod_deadline: Duration::from_mins(1),
        progress: progress.clone(),
    };
    namespaces::ensure_system(&connection, &progress).await.unwrap();
    let lease = Lease::take(&connection, &run).await.unwrap();
    println!("{}", Lease::take(&connection, &"other".parse().unwrap()).await.unwrap_err());
    let cluster = Cluster::open(connection.clone(), facts, options, begin).await.unwrap();

    let mut live = Live { cluster, topology: topology(), last: 0 };
    let cart = Endpoint::Pod("verdikt-shop/cart".parse().unwrap());
    let orders = Endpoint::Pod("verdikt-shop/orders".parse().unwrap());
    let host = Endpoint::Node("host".parse().unwrap());

    let client = outside.map(|(_, address)| add_client(&mut live.topology, address));
    live.step("without policies", &[]).await;
    let to_orders = WireTarget::Address(live.cluster.addresses().endpoints[&orders][0]);
    let service: NamespacedName = "verdikt-shop/orders".parse().unwrap();
    let to_service = WireTarget::Address(live.cluster.addresses().services[&service][0]);
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::Answered);
    assert_eq!(live.attempt(&cart, to_service.clone(), 8080).await, WireOutcome::Answered);
    assert_eq!(live.attempt(&host, to_orders.clone(), 80).await, WireOutcome::Answered);
    if let Some(client) = &client {
        assert_eq!(live.attempt(client, to_orders.clone(), 80).await, WireOutcome::Answered);
        let to_client = WireTarget::Address(live.cluster.addresses().endpoints[client][0]);
        assert_eq!(live.attempt(&cart, to_client, 8081).await, WireOutcome::Answered);
    }

    live.step("closed", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::TimedOut);
    assert_eq!(live.attempt(&cart, to_service.clone(), 8080).await, WireOutcome::TimedOut);

    live.cluster.audit(&modes(&live.cluster, AuditMode::Audited)).await.unwrap();
    live.step("closed, audited", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::Answered);
    live.cluster.audit(&modes(&live.cluster, AuditMode::Enforced)).await.unwrap();
    live.step("closed, not audited", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::TimedOut);

    live.step("opened by a change", &policy("{fromEndpoints: [{matchLabels: {app: cart}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::Answered);

    let refused = policy("{fromEndpoints: [{}], toPorts: [{ports: [{port: '70000', protocol: TCP}]}]}");
    let settled = live.step("changed to what the agent refuses", &refused).await;
    assert!(settled.refused[&0].message.contains("unable to parse port"), "{settled:?}");
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::Answered);

    live.step("closed again", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::TimedOut);

    let name = "verdikt-shop/cart".parse().unwrap();
    live.topology.pods.insert(name, pod("search", Vec::new()));
    live.step("another label", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}")).await;
    assert_eq!(live.attempt(&cart, to_orders.clone(), 80).await, WireOutcome::Answered);

    let spaces = BTreeMap::from([("team".to_owned(), "other".to_owned())]);
    live.topology.namespaces.insert("verdikt-shop".parse().unwrap(), spaces);
    live.step("another label of the namespace", &policy("{fromEndpoints: [{matchLabels: {app: search}}]}"))
        .await;

    live.step("without policies again", &[]).await;
    assert_eq!(live.attempt(&cart, to_orders, 80).await, WireOutcome::Answered);

    print_evidence(&live.cluster).await;
    let begin = Instant::now();
    drop(live);
    lease.release().await.unwrap();
    let removed = clean::clean(&connection, &CleanScope::Run(run), &progress).await.unwrap();
    println!("cleaned in {:?}: {removed:?}", begin.elapsed());
    assert!(clean::clean(&connection, &CleanScope::AllRuns, &progress).await.unwrap().len() <= 1);
}

/// The same mode for every pod.
fn modes(cluster: &Cluster, mode: AuditMode) -> BTreeMap<NamespacedName, AuditMode> {
    cluster.pods().map(|pod| (pod.clone(), mode)).collect()
}
