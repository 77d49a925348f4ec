//! A small cluster, and threads inside its endpoints.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use tokio::runtime::Runtime;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_lab::lab::{Lab, LabEvent};
use verdikt_lab::namespace::ProbeWork;
use verdikt_scenario::document;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{Endpoint, Pod, Topology, WorldHost};
use verdikt_wire::Order;

/// The name of a trial, and what it does.
pub(crate) type Trials = &'static [(&'static str, fn())];

/// How long anything may take that is to happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// How long nothing is to happen, where nothing shall.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A lab.
pub(crate) struct Bench {
    topology: Topology,
    lab: Lab,
    // The probes are talked to only while this runs; datapath and proxies have threads of their own.
    runtime: Runtime,
}

impl Bench {
    /// With endpoints `web`, a pod of the namespace `shop` with a label `app` of the same name, or
    /// `site=203.0.113.10`, a host outside; and with policies, written as YAML documents.
    pub(crate) fn new(endpoints: &str, policies: &[String]) -> Self {
        Self::with_probes(verdikt_probe::probe::over, endpoints, policies)
    }

    /// The same whose probes do this.
    pub(crate) fn with_probes(probe: ProbeWork, endpoints: &str, policies: &[String]) -> Self {
        let mut topology = Topology::default();
        for word in endpoints.split(' ') {
            match word.split_once('=') {
                None => {
                    let labels = [("app".to_owned(), word.to_owned())].into();
                    let name = format!("shop/{word}").parse().unwrap();
                    topology.pods.insert(name, Pod { labels, ..Pod::default() });
                }
                Some((name, address)) => {
                    let address = address.parse().unwrap();
                    let host = WorldHost {
                        address,
                        names: [].into(),
                        serves: Vec::new(),
                        aliases: [].into(),
                        api_server: false,
                    };
                    topology.world.insert(name.parse().unwrap(), host);
                }
            }
        }
        topology.namespaces.insert("shop".parse().unwrap(), [].into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lab = runtime.block_on(Lab::start(probe, Instant::now())).unwrap();
        let mut bench = Self { topology, lab, runtime };
        bench.apply(policies, false);
        bench
    }

    /// Puts other policies in force.
    pub(crate) fn apply(&mut self, policies: &[String], audit: bool) {
        let manifests: Vec<Manifest> = policies
            .iter()
            .map(|text| Manifest {
                file: Arc::from("policy.yaml"),
                root: document::parse(text).unwrap().remove(0),
            })
            .collect();
        let model =
            PolicyModel::new(&self.topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
        for acceptance in model.acceptances() {
            assert!(format!("{acceptance:?}").starts_with("Accepted"), "{acceptance:?}");
        }
        let applied = self.lab.apply(
            &self.topology,
            model.into_owned(),
            Enforcement { audit, ..Enforcement::default() },
        );
        self.runtime.block_on(applied).unwrap();
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        let host = name.parse().map(Endpoint::World);
        match host {
            Ok(host) if self.lab.probe_thread(&host).is_some() => host,
            _ => Endpoint::Pod(format!("shop/{name}").parse().unwrap()),
        }
    }

    /// The address of an endpoint: `web`, or its IPv6 one: `web6`.
    pub(crate) fn address(&self, name: &str) -> IpAddr {
        let (name, v6) = name.strip_suffix('6').map_or((name, false), |name| (name, true));
        let addresses = &self.lab.addresses().endpoints[&self.endpoint(name)];
        *addresses.iter().find(|address| address.is_ipv6() == v6).unwrap()
    }

    /// `web:80`.
    pub(crate) fn socket(&self, text: &str) -> SocketAddr {
        let (name, port) = text.split_once(':').unwrap();
        SocketAddr::new(self.address(name), port.parse().unwrap())
    }

    /// Does something on a thread inside an endpoint.
    pub(crate) fn inside<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let probe = self.lab.probe_thread(&self.endpoint(name)).unwrap();
        thread::spawn(move || {
            let namespace = File::open(format!("/proc/self/task/{probe}/ns/net")).unwrap();
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        })
    }

    /// The same, and waits for it.
    pub(crate) fn at<T: Send + 'static>(&self, name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.inside(name, work).join().unwrap()
    }

    /// A listener inside an endpoint, on its own address: `api:80`.
    pub(crate) fn listener(&self, text: &str) -> TcpListener {
        let address = self.socket(text);
        self.at(name_of(text), move || TcpListener::bind(address).unwrap())
    }

    /// A socket for datagrams inside an endpoint: `names:53`.
    pub(crate) fn datagrams(&self, text: &str) -> UdpSocket {
        let address = self.socket(text);
        let socket = self.at(name_of(text), move || UdpSocket::bind(address).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// A connection from an endpoint; none if nobody answers in time.
    pub(crate) fn connect(&self, from: &str, to: &str) -> std::io::Result<TcpStream> {
        self.connect_within(from, to, DEADLINE)
    }

    /// The same in less time.
    pub(crate) fn connect_within(&self, from: &str, to: &str, time: Duration) -> std::io::Result<TcpStream> {
        let to = self.socket(to);
        let stream = self.at(from, move || TcpStream::connect_timeout(&to, time))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Tells an endpoint's probe something.
    pub(crate) fn tell(&self, name: &str, order: Order) {
        assert!(self.lab.tell(&self.endpoint(name), order));
    }

    /// Counts what the queues had no room for.
    pub(crate) fn count_losses(&mut self) {
        self.lab.count_losses();
    }

    /// Waits for a signal.
    pub(crate) fn signal<T>(&mut self, mut wanted: impl FnMut(LabEvent) -> Option<T>) -> T {
        let lab = &mut self.lab;
        let found = async {
            loop {
                if let Some(found) = wanted(lab.next().await) {
                    return found;
                }
            }
        };
        let deadline = async { tokio::time::timeout(DEADLINE, found).await };
        self.runtime.block_on(deadline).expect("the signal comes")
    }

    /// Waits for a flow.
    pub(crate) fn flow(&mut self, wanted: impl Fn(&Flow) -> bool) -> Flow {
        self.signal(|signal| match signal {
            LabEvent::Flow(flow) if wanted(&flow) => Some(*flow),
            _ => None,
        })
    }
}

/// The endpoint of `web:80`.
fn name_of(text: &str) -> &str {
    let name = text.split(':').next().unwrap();
    name.strip_suffix('6').unwrap_or(name)
}

/// A policy of the namespace for a pod: its name, the pod, and the rest of its spec in flow style.
pub(crate) fn rules(name: &str, subject: &str, rest: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{endpointSelector: {{matchLabels: {{app: {subject}}}}}, {rest}}}}}"
    )
}

/// Sends bytes and reads until the other side has closed.
pub(crate) fn say(stream: &mut TcpStream, bytes: &[u8]) -> String {
    // Whoever does not want to hear all may have reset the connection.
    let _ = stream.write_all(bytes);
    rest(stream)
}

/// Reads until the other side has closed.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text) {
        text.extend(format!("<{}>", error.kind()).as_bytes());
    }
    String::from_utf8_lossy(&text).into_owned()
}
