//! A topology that lives on a cluster, through all steps of its scenario.

mod borrowed_pods;
mod configure;
mod exposed_ports;
mod leaving;
mod outside;
mod place;
mod populate;
mod unready;

pub use self::configure::is_served_by_node;
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
use crate::wait::{Late, WaitProgress};
use crate::world::World;

/// How a scenario uses a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Its mark, which all has that is made for it.
    pub run: RunId,
    /// The image of its probes.
    pub image: ProbeImage,
    /// Namespaces that are not verdikt's and may be used all the same: pods and services that are there are used as
    /// they are, others and policies are added and removed again; the namespaces themselves are left as they are.
    pub borrowed: BTreeSet<NamespaceName>,
    /// Where hosts outside the cluster are; none if there is no such place.
    pub world: Option<World>,
    /// How long pods may take to be ready.
    pub pod_deadline: Duration,
    /// Where waits tell what they wait for.
    pub progress: WaitProgress,
}

/// Why a cluster cannot go on.
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
    /// The topology has nodes, and its pods are not all on one of the cluster's.
    #[error(
        "the topology has nodes, so its pods must be on one node, and the borrowed ones are on {}",
        list(nodes)
    )]
    Scattered {
        /// Where they are.
        nodes: Vec<String>,
    },
    /// A pod does not get ready in time.
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
    /// There is something else of the name.
    #[error(
        "{object} exists already: rename it in the scenario, or remove what runs left with `verdikt clean`"
    )]
    Taken {
        /// The object.
        object: String,
    },
    /// A service account or service does not get what it needs.
    #[error("{object} does not get ready: {reason}")]
    Object {
        /// The object.
        object: String,
        /// What was last seen.
        reason: String,
    },
    /// There can be no probe outside the cluster.
    #[error("`{command}` cannot be started: {reason}")]
    Outside {
        /// What starts such probes.
        command: String,
        /// Why not.
        reason: String,
    },
    /// A probe is not as it has to be.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl ClusterError {
    /// Explains a wait for pods that has timed out.
    fn unready(late: Late) -> Self {
        match late {
            Late::Api(error) => error.into(),
            Late::Failed(reason) => Self::Pod { reason, events: Vec::new() },
            Late::Deadline { last, after } => Self::Unready { last, after, events: Vec::new() },
        }
    }
}

/// A topology that lives. Its probes end with it; its objects are left to [`crate::clean`].
#[derive(Debug)]
pub struct Cluster {
    connection: ApiConnection,
    facts: Facts,
    options: ClusterOptions,
    borrowed: Borrowed,
    begin: Instant,
    /// The namespaces that are the run's, with their UIDs.
    namespaces: BTreeMap<NamespaceName, String>,
    addresses: Addresses,
    probes: Probes,
    /// The one that answers for the names of hosts outside.
    names: Probes,
    /// The names it has answered for.
    known_names: BTreeSet<String>,
    /// The pods that have probes, as they were made, or would have been if they were not there already.
    pods: BTreeMap<Endpoint, Value>,
    /// The service accounts, services and slices that were made, as they were sent.
    furniture: BTreeMap<ApiObject, Value>,
    /// The UIDs of what was made.
    uids: BTreeMap<ApiObject, String>,
    stored: StoredPolicies,
    /// Every label that was ever predicted, by pod.
    predicted: BTreeMap<NamespacedName, BTreeSet<String>>,
    /// The labels by which Cilium knows the pods, if nothing has changed since it was asked.
    identified: Option<BTreeMap<NamespacedName, BTreeSet<String>>>,
    /// The topology whose pods were made before anything else of it, if nothing has been made since.
    made_ahead: Option<Topology>,
    /// The topology that lives, if all of it does.
    populated: Option<Topology>,
    /// What the agents see after every policy of the step before.
    canaries: Vec<(ApiObject, String)>,
    /// The node that runs the pods, and those whose network a probe is in.
    pods_on: Option<String>,
    in_use: BTreeSet<String>,
    last_canary: u64,
}

impl Cluster {
    /// A cluster with no endpoint yet. The run must hold its [lease](crate::lease::Lease), and the
    /// [namespace of what belongs to no scenario](crate::namespaces::ensure_system) must exist. Times are counted from
    /// `begin`.
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
            names: Probes::default(),
            known_names: BTreeSet::new(),
            pods: BTreeMap::new(),
            furniture: BTreeMap::new(),
            uids: BTreeMap::new(),
            stored: StoredPolicies::default(),
            predicted: BTreeMap::new(),
            identified: None,
            made_ahead: None,
            populated: None,
            canaries: Vec::new(),
            pods_on: None,
            in_use: BTreeSet::new(),
            last_canary: 0,
        })
    }

    /// Makes this topology the one that lives. What stays of the topology before lives on, with its connections.
    /// Returns when every server listens but those of nodes: see [`Self::serve_on_nodes`].
    pub async fn apply(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        self.stop_serving_on_nodes();
        if self.populated.as_ref() != Some(topology) {
            (self.populated, self.identified) = (None, None);
            self.populate(topology).await?;
            self.populated = Some(topology.clone());
        }
        self.configure(topology, OnNodes::Silent).await
    }

    /// Puts the policies of the scenario in force. Refusals of the API server are returned, and are not errors.
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

    /// Tells the probe of an endpoint something; false if there is no such endpoint.
    pub fn tell(&self, endpoint: &Endpoint, order: Order) -> bool {
        self.probes.tell(endpoint, order)
    }

    /// Asks every server to tell of all that has reached it until now; [`ProbeEvent::Flushed`] follows it.
    pub fn flush(&mut self) {
        self.probes.flush();
    }

    /// Where a server of an endpoint listens, by its number.
    pub fn server(&self, endpoint: &Endpoint, server: u64) -> Vec<SocketAddr> {
        self.probes.server(endpoint, server, &self.addresses)
    }

    /// The next thing that happens. Cancel-safe.
    pub async fn next(&mut self) -> ProbeEvent {
        loop {
            tokio::select! {
                biased;
                signal = self.probes.next() => return signal,
                // The queries that it is asked are not reported.
                told = self.names.next() => if let ProbeEvent::Gone(..) = told { return told },
            }
        }
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

    /// The mark of what is made for it.
    pub fn run(&self) -> &RunId {
        &self.options.run
    }

    /// Where waits tell what they wait for.
    pub fn progress(&self) -> &WaitProgress {
        &self.options.progress
    }

    /// The policies that the API server has of this scenario.
    pub fn stored(&self) -> &StoredPolicies {
        &self.stored
    }

    /// When times begin.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// The pods of this scenario that are endpoints of Cilium, as those in the network of a node are not.
    pub fn pods(&self) -> impl Iterator<Item = &NamespacedName> {
        let own = self.pods.iter().filter(|(_, pod)| !is_in_host_network(pod));
        own.filter_map(|(endpoint, _)| match endpoint {
            Endpoint::Pod(name) => Some(name),
            _ => None,
        })
    }

    /// Whether a probe is in the network of a node.
    pub(crate) fn is_on_node(&self, endpoint: &Endpoint) -> bool {
        self.pods.get(endpoint).is_some_and(is_in_host_network)
    }

    /// The pods that were made, whether they got ready or not, with those of nodes.
    pub(crate) fn made_pods(&self) -> impl Iterator<Item = NamespacedName> {
        let pods = self.uids.keys().filter(|object| object.kind == POD);
        pods.filter_map(|pod| format!("{}/{}", pod.namespace.as_ref()?, pod.name).parse().ok())
    }

    /// The endpoints that have a probe.
    pub fn sites(&self) -> impl Iterator<Item = &Endpoint> {
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

    /// Whether Cilium was seen to know the pods by these labels, and nothing has changed since.
    pub(crate) fn are_identified(&self, labels: &BTreeMap<NamespacedName, BTreeSet<String>>) -> bool {
        self.identified.as_ref() == Some(labels)
    }

    pub(crate) fn remember(&mut self, predicted: &BTreeMap<NamespacedName, BTreeSet<String>>) {
        for (pod, labels) in predicted {
            self.predicted.entry(pod.clone()).or_default().extend(labels.iter().cloned());
        }
        self.identified = Some(predicted.clone());
    }

    /// Looks again where the Cilium agents are.
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

    /// A number that no canary has had.
    pub(crate) fn next_canary(&mut self) -> u64 {
        self.last_canary += 1;
        self.last_canary
    }
}
