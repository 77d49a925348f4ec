//! The objects of a scenario's topology on a cluster, kept up to date from step to step.

mod borrowed_pods;
mod configure;
mod exposed_ports;
mod leaving;
mod name_server;
mod outside;
mod place;
mod populate;
mod redirects;
mod unready;

pub use self::configure::is_served_by_node;
pub use self::name_server::NameServer;
pub use self::place::{NodePlaces, choose_places};

use self::configure::OnNodes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use verdikt_probes::addresses::Addresses;
use verdikt_probes::probes::{ProbeError, ProbeEvent, Probes};
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_wire::Order;

use crate::agent_polls::AgentPolls;
use crate::borrow::{self, BorrowError, Borrowed};
use crate::connect::ApiConnection;
use crate::error::{ApiError, added, list};
use crate::exec::PodContainer;
use crate::image::ProbeImage;
use crate::inspect::{self, Facts};
use crate::mark::RunId;
use crate::namespaces::NamespaceError;
use crate::objects::{ApiObject, POD};
use crate::pods::is_in_host_network;
use crate::policies::{self, AppliedPolicies, PolicyContext, PolicyError, StoredPolicies};
use crate::wait::WaitProgress;
use crate::world::World;

/// How a scenario uses a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The mark of everything that is created for it.
    pub run: RunId,
    /// The image of its probes.
    pub image: ProbeImage,
    /// Existing namespaces that the scenario may use. Their pods and services are used as they are; pods, services and
    /// policies that the scenario adds are removed again; the namespaces themselves do not change.
    pub borrowed: BTreeSet<NamespaceName>,
    /// Where probes for hosts outside the cluster run; none if there is no such machine.
    pub world: Option<World>,
    /// The DNS server for their names, shared by all scenarios of the run.
    pub names: NameServer,
    /// The polls of agents, shared by all scenarios of the run.
    pub polls: AgentPolls,
    /// How long pods may take to be ready.
    pub pod_deadline: Duration,
    /// Receives messages about what is being waited for.
    pub progress: WaitProgress,
}

/// Why a step cannot be set up on the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A policy cannot be put in force.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The topology needs more nodes than there are.
    #[error(
        "the topology has {wanted} nodes, and the cluster has {found} that are ready and run a Cilium agent: {}",
        list(names)
    )]
    Nodes {
        /// How many it needs.
        wanted: usize,
        /// How many there are.
        found: usize,
        /// Those there are.
        names: Vec<String>,
    },
    /// The topology has nodes, and its borrowed pods are not all on one node.
    #[error(
        "the topology has nodes, so its pods must be on one node, and the borrowed ones are on {}",
        list(nodes)
    )]
    Scattered {
        /// Where they are.
        nodes: Vec<String>,
    },
    /// A pod is not ready in time.
    #[error("not every pod was ready after {} s: {last}{}", after.as_secs(), added(events))]
    Unready {
        /// What was last seen of the first of them.
        last: String,
        /// How long they had.
        after: Duration,
        /// What the events about them say.
        events: Vec<String>,
    },
    /// A pod will never be ready.
    #[error("{reason}{}", added(events))]
    Pod {
        /// Why.
        reason: String,
        /// What the events about the pods say.
        events: Vec<String>,
    },
    /// An object of that name already exists.
    #[error(
        "{object} exists already: rename it in the scenario, or remove what runs left with `verdikt clean`"
    )]
    Taken {
        /// The object.
        object: String,
    },
    /// A service account or service does not become ready.
    #[error("{object} does not become ready: {reason}")]
    Object {
        /// The object.
        object: String,
        /// What was last seen.
        reason: String,
    },
    /// An agent does not lead elsewhere what local redirect policies say.
    #[error("local redirect policies do not hold: {last}; does the agent's log name one?")]
    Redirects {
        /// What was last seen.
        last: String,
    },
    /// A probe outside the cluster does not start.
    #[error("cannot start `{command}`: {reason}")]
    Outside {
        /// The command that starts such probes.
        command: String,
        /// Why not.
        reason: String,
    },
    /// A probe fails.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// The topology of one scenario on a cluster. Dropping it ends its probes; [`crate::clean`] removes its objects.
#[derive(Debug)]
pub struct Cluster {
    connection: ApiConnection,
    facts: Facts,
    options: ClusterOptions,
    borrowed: Borrowed,
    begin: Instant,
    /// The namespaces that the run created, with their UIDs.
    namespaces: BTreeMap<NamespaceName, String>,
    addresses: Addresses,
    probes: Probes,
    /// The DNS names of hosts outside that were served so far.
    known_names: BTreeSet<String>,
    /// The pods that have probes, as they were sent to the API server. For borrowed pods: as they would have been sent.
    pods: BTreeMap<Endpoint, Value>,
    /// The service accounts, services and slices that were created, as they were sent.
    created: BTreeMap<ApiObject, Value>,
    /// The UIDs of the created objects.
    uids: BTreeMap<ApiObject, String>,
    stored: StoredPolicies,
    /// All labels ever predicted for each pod.
    predicted: BTreeMap<NamespacedName, BTreeSet<String>>,
    /// The identity labels that Cilium reported for the pods; none once something has changed.
    identified: Option<BTreeMap<NamespacedName, BTreeSet<String>>>,
    /// The topology whose pods were created in advance; none once anything else was created.
    made_ahead: Option<Topology>,
    /// The topology that is fully created; none while it is being changed.
    populated: Option<Topology>,
    /// The canaries of the step before, with their UIDs.
    canaries: Vec<(ApiObject, String)>,
    /// The node that runs the pods.
    pods_on: Option<String>,
    /// The nodes that run a probe, in a pod or in their own network.
    in_use: BTreeSet<String>,
    /// Whether the scenario has had local redirect policies.
    has_redirects: bool,
    last_canary: u64,
}

impl Cluster {
    /// Creates a cluster without endpoints. The run must hold its [lease](crate::lease::Lease), and the
    /// [system namespace](crate::namespaces::ensure_system) must exist. Times are relative to `begin`.
    pub async fn open(
        connection: ApiConnection,
        facts: Facts,
        options: ClusterOptions,
        begin: Instant,
    ) -> Result<Self, BorrowError> {
        let borrowed = borrow::look(&connection, &options.borrowed).await?;
        Ok(Self {
            connection,
            facts,
            options,
            borrowed,
            begin,
            namespaces: BTreeMap::new(),
            addresses: Addresses::default(),
            probes: Probes::default(),
            known_names: BTreeSet::new(),
            pods: BTreeMap::new(),
            created: BTreeMap::new(),
            uids: BTreeMap::new(),
            stored: StoredPolicies::default(),
            predicted: BTreeMap::new(),
            identified: None,
            made_ahead: None,
            populated: None,
            canaries: Vec::new(),
            pods_on: None,
            in_use: BTreeSet::new(),
            has_redirects: false,
            last_canary: 0,
        })
    }

    /// Changes the cluster to this topology. Pods that both topologies have keep running, with their connections.
    /// Returns when every server listens, except those of nodes: see [`Self::serve_on_nodes`].
    pub async fn apply(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        self.stop_serving_on_nodes();
        if self.populated.as_ref() != Some(topology) {
            (self.populated, self.identified) = (None, None);
            self.populate(topology).await?;
            self.populated = Some(topology.clone());
        }
        self.configure(topology, OnNodes::Silent).await
    }

    /// Applies the policies of a step. Policies that the API server refuses are part of the result, not an error.
    pub async fn put_in_force(
        &mut self,
        manifests: &[Manifest],
        validation: FieldValidation,
    ) -> Result<AppliedPolicies, ClusterError> {
        let namespaces =
            self.namespaces.keys().chain(&self.options.borrowed).map(ToString::to_string).collect();
        let context = PolicyContext { namespaces: &namespaces, run: &self.options.run };
        Ok(policies::apply(&self.connection, &mut self.stored, manifests, validation, context).await?)
    }

    /// Sends an order to the probe of an endpoint. Returns false if there is no such endpoint.
    pub fn tell(&self, endpoint: &Endpoint, order: Order) -> bool {
        self.probes.tell(endpoint, order)
    }

    /// Asks every server to report all that has reached it so far; [`ProbeEvent::Flushed`] follows.
    pub fn flush(&mut self) {
        self.probes.flush();
    }

    /// The sockets on which a server of an endpoint listens, by the server's number.
    pub fn server(&self, endpoint: &Endpoint, server: u64) -> Vec<SocketAddr> {
        self.probes.server(endpoint, server, &self.addresses)
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> ProbeEvent {
        self.probes.next().await
    }

    /// The addresses in use.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What the cluster is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The connection to it.
    pub fn connection(&self) -> &ApiConnection {
        &self.connection
    }

    /// The mark of what is created for the scenario.
    pub fn run(&self) -> &RunId {
        &self.options.run
    }

    /// The polls of agents, shared by all scenarios of the run.
    pub(crate) fn agent_polls(&self) -> &AgentPolls {
        &self.options.polls
    }

    /// Receives messages about what is being waited for.
    pub fn progress(&self) -> &WaitProgress {
        &self.options.progress
    }

    /// The policies that the API server has of this scenario.
    pub fn stored(&self) -> &StoredPolicies {
        &self.stored
    }

    /// The start of the clock.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// The pods of this scenario that are endpoints of Cilium: all but those in the network of a node.
    pub fn pods(&self) -> impl Iterator<Item = &NamespacedName> {
        let own = self.pods.iter().filter(|(_, pod)| !is_in_host_network(pod));
        own.filter_map(|(endpoint, _)| match endpoint {
            Endpoint::Pod(name) => Some(name),
            _ => None,
        })
    }

    /// Whether the probe of an endpoint runs in the network of a node.
    pub(crate) fn is_on_node(&self, endpoint: &Endpoint) -> bool {
        self.pods.get(endpoint).is_some_and(is_in_host_network)
    }

    /// The pods that were created, ready or not, including those that stand for nodes.
    pub(crate) fn made_pods(&self) -> impl Iterator<Item = NamespacedName> {
        let pods = self.uids.keys().filter(|object| object.kind == POD);
        pods.filter_map(|pod| format!("{}/{}", pod.namespace.as_ref()?, pod.name).parse().ok())
    }

    /// The endpoints that have a probe.
    pub fn endpoints_with_probes(&self) -> impl Iterator<Item = &Endpoint> {
        self.probes.endpoints()
    }

    /// The nodes that run pods of this scenario, with their Cilium agents.
    pub(crate) fn nodes_in_use(&self) -> BTreeMap<String, Option<PodContainer>> {
        let agent = |node: &String| {
            self.facts
                .nodes
                .get(node)
                .and_then(|node| node.agent.as_ref())
                .map(|agent| agent.container.clone())
        };
        self.in_use.iter().map(|node| (node.clone(), agent(node))).collect()
    }

    /// The node that runs the pods; none without pods.
    pub(crate) fn pods_on(&self) -> Option<&str> {
        self.pods_on.as_deref()
    }

    pub(crate) fn predicted(&self) -> &BTreeMap<NamespacedName, BTreeSet<String>> {
        &self.predicted
    }

    /// Whether Cilium reported these identity labels for the pods, and nothing has changed since.
    pub(crate) fn are_identified(&self, labels: &BTreeMap<NamespacedName, BTreeSet<String>>) -> bool {
        self.identified.as_ref() == Some(labels)
    }

    pub(crate) fn remember(&mut self, predicted: &BTreeMap<NamespacedName, BTreeSet<String>>) {
        for (pod, labels) in predicted {
            self.predicted.entry(pod.clone()).or_default().extend(labels.iter().cloned());
        }
        self.identified = Some(predicted.clone());
    }

    /// Looks up the pods of the Cilium agents again.
    pub(crate) async fn find_agents(&mut self) -> Result<(), ApiError> {
        self.facts.nodes = inspect::nodes(&self.connection, &self.facts.cilium.namespace).await?;
        Ok(())
    }

    pub(crate) fn take_canaries(&mut self) -> Vec<(ApiObject, String)> {
        std::mem::take(&mut self.canaries)
    }

    pub(crate) fn keep_canary(&mut self, canary: ApiObject, uid: String) {
        self.canaries.push((canary, uid));
    }

    /// The next unused canary number.
    pub(crate) fn next_canary(&mut self) -> u64 {
        self.last_canary += 1;
        self.last_canary
    }
}
