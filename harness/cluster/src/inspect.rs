//! Collects facts about a cluster: its nodes, its Cilium, and the configuration of its agents.

mod capacity;
mod cilium;
mod load_balancing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use verdikt_scenario::version::CiliumVersion;

use crate::connect::ApiConnection;
use crate::error::{ApiError, list};
use crate::exec::{self, ExecError, PodContainer};
use crate::objects::LOCAL_REDIRECT_POLICY;

pub use self::load_balancing::LoadBalancing;

/// The namespace of the cluster's own pods.
pub const KUBE_SYSTEM: &str = "kube-system";
/// The timeout for an agent to print its version.
const EXEC_DEADLINE: Duration = Duration::from_secs(15);

/// Facts about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version of Kubernetes, as its API server calls it: `v1.36.2`.
    pub kubernetes: String,
    /// The nodes, by name.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// The endpoint addresses of the service `kubernetes`: addresses of the nodes that run an API server, or, for a managed
    /// control plane, of no node.
    pub api_servers: BTreeSet<IpAddr>,
    /// Its Cilium.
    pub cilium: CiliumFacts,
    /// The addresses of the cluster's DNS service; none where there is no such service.
    pub dns_service: Vec<IpAddr>,
    /// The addresses of the pods behind it.
    pub dns_pods: Vec<IpAddr>,
    /// Whether services of type `LoadBalancer` get an address.
    pub load_balancing: LoadBalancing,
}

impl Facts {
    /// Whether a node runs the API server.
    pub fn runs_api_server(&self, node: &NodeFacts) -> bool {
        node.addresses.iter().any(|address| self.api_servers.contains(address))
    }

    /// The name of the kind cluster; none if it is not one. kind puts it into the provider ID of every node.
    /// <https://github.com/kubernetes-sigs/kind/blob/main/pkg/cluster/internal/kubeadm/config.go>
    pub fn kind_cluster(&self) -> Option<&str> {
        let mut names = self.nodes.values().map(NodeFacts::kind_cluster);
        let first = names.next()??;
        names.all(|name| name == Some(first)).then_some(first)
    }
}

impl NodeFacts {
    fn kind_cluster(&self) -> Option<&str> {
        self.machine.as_deref()?.strip_prefix("kind://")?.split('/').nth(1)
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its provider ID: `kind://docker/verdikt-cilium-1.20/…`.
    pub machine: Option<String>,
    /// Its addresses inside the cluster.
    pub addresses: Vec<IpAddr>,
    /// Whether Kubernetes says that it is ready.
    pub ready: bool,
    /// Whether pods without tolerations may run on it.
    pub schedulable: bool,
    /// How many scenarios it can run at once; none if it does not report its capacity.
    pub scenarios: Option<usize>,
    /// Its Cilium agent.
    pub agent: Option<AgentPod>,
}

/// The pod of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPod {
    /// Its container.
    pub container: PodContainer,
    /// Whether it is ready.
    pub ready: bool,
}

/// The Cilium of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its full version: `1.18.3`.
    pub full_version: String,
    /// The minor version.
    pub version: CiliumVersion,
    /// Everything in `cilium-config`.
    pub config: BTreeMap<String, String>,
    /// The kinds of Cilium's API group, and of the group of `ClusterNetworkPolicy`, that the API server serves, by plural
    /// name.
    pub kinds: BTreeSet<String>,
    /// The Service of Hubble Relay, if there is one: its address and port.
    pub relay: Option<(IpAddr, u16)>,
    /// Whether Envoy runs in a `DaemonSet` of its own.
    pub envoy: bool,
}

impl CiliumFacts {
    /// Whether an option with the default `false` is on.
    fn is_on(&self, option: &str) -> bool {
        self.config.get(option).is_some_and(|value| value == "true")
    }

    /// Whether an option with the default `true` is off.
    fn is_off(&self, option: &str) -> bool {
        self.config.get(option).is_some_and(|value| value != "true")
    }

    /// Whether Hubble is on.
    pub fn hubble(&self) -> bool {
        self.is_on("enable-hubble")
    }

    /// The port on which agents serve flows to other nodes.
    pub fn hubble_port(&self) -> Option<u16> {
        self.config.get("hubble-listen-address")?.rsplit(':').next()?.parse().ok()
    }

    /// Whether that port uses TLS.
    pub fn hubble_tls(&self) -> bool {
        !self.is_on("hubble-disable-tls")
    }

    /// Whether HTTP and DNS rules are enforced.
    pub fn l7_proxy(&self) -> bool {
        !self.is_off("enable-l7-proxy")
    }

    /// Whether HTTP rules can be enforced. Agents without a separate Envoy have one built in unless configured otherwise.
    pub fn http_proxy(&self) -> bool {
        self.l7_proxy() && (self.envoy || !self.is_on("external-envoy-proxy"))
    }

    /// Whether denials are only reported.
    pub fn audit(&self) -> bool {
        self.is_on("policy-audit-mode")
    }

    /// The source addresses of pods that reach themselves through a service.
    /// <https://docs.cilium.io/en/stable/cmdref/cilium-agent/>
    pub fn own_service_clients(&self) -> Vec<IpAddr> {
        let usual = [
            ("ipv4-service-loopback-address", IpAddr::from([169, 254, 42, 1])),
            ("ipv6-service-loopback-address", IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1])),
        ];
        let set = |name| self.config.get(name).and_then(|address| address.parse().ok());
        usual.into_iter().map(|(name, address)| set(name).unwrap_or(address)).collect()
    }

    /// The policy enforcement mode: `default`, `always` or `never`.
    pub fn enforcement(&self) -> &str {
        self.config.get("enable-policy").map_or("default", String::as_str)
    }

    /// Whether nodes reach pods of other nodes through a tunnel, from the tunnel's own address.
    /// <https://docs.cilium.io/en/stable/network/concepts/routing/>
    pub fn tunnels(&self) -> bool {
        self.config.get("routing-mode").is_none_or(|mode| mode == "tunnel")
    }

    /// Whether Cilium itself implements `hostPort`, in place of kube-proxy and other plugins.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#container-hostport-support>
    pub fn leads_host_ports(&self) -> bool {
        let replaces = self.config.get("kube-proxy-replacement");
        replaces.is_some_and(|value| ["true", "strict"].contains(&value.as_str()))
            || self.is_on("enable-host-port")
    }

    /// Whether agents obey local redirect policies.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>
    pub fn redirects(&self) -> bool {
        self.is_on("enable-local-redirect-policy") && self.kinds.contains(LOCAL_REDIRECT_POLICY.plural)
    }

    /// The name of the cluster in identities.
    pub fn cluster_name(&self) -> &str {
        self.config.get("cluster-name").map_or("default", String::as_str)
    }
}

/// Why verdikt cannot use a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The API server does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// An agent does not report its version.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The cluster does not run Cilium.
    #[error("context `{context}` has no Cilium: there is no DaemonSet labelled k8s-app=cilium{}; verdikt tests policies on Cilium only", other.as_ref().map(|other| format!(", and its network is that of {other}")).unwrap_or_default())]
    NoCilium {
        /// The context.
        context: String,
        /// The network that it runs instead.
        other: Option<String>,
    },
    /// CRDs of Cilium are missing.
    #[error(
        "the API server of context `{context}` does not know {}: the CRDs of Cilium are missing; its operator creates them, look at its log",
        list(missing)
    )]
    NoKinds {
        /// The context.
        context: String,
        /// Those that are missing.
        missing: Vec<String>,
    },
    /// It runs a version that verdikt does not know.
    #[error("context `{context}` runs Cilium {found}; verdikt knows {}", list(CiliumVersion::ALL))]
    Version {
        /// The context.
        context: String,
        /// The version.
        found: String,
    },
    /// No agent runs.
    #[error("no Cilium agent runs in context `{context}`: look at the DaemonSet {namespace}/cilium")]
    NoAgent {
        /// The context.
        context: String,
        /// The namespace of Cilium.
        namespace: String,
    },
}

/// The kinds that verdikt needs and every version of Cilium has.
const KINDS: &[&str] = &["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumendpoints"];

/// The kinds that the API server serves of one version of a group, by plural name.
pub(crate) async fn kinds_of(
    connection: &ApiConnection,
    version: &str,
) -> Result<BTreeSet<String>, ApiError> {
    let known = connection.client().list_api_group_resources(version);
    match connection.ask(&format!("list the kinds of {version}"), known).await {
        Ok(known) => Ok(known.resources.into_iter().map(|resource| resource.name).collect()),
        Err(error) if error.is_absent() => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Collects the facts about a cluster. `kubernetes` is its version, as [`ApiConnection::open`] found it.
pub async fn inspect(connection: &ApiConnection, kubernetes: &str) -> Result<Facts, InspectError> {
    let context = || connection.context().to_owned();
    let client = || connection.client().clone();
    let daemon_sets: Api<DaemonSet> = Api::all(client());
    let everything = ListParams::default();
    let daemon_sets =
        connection.ask("list the DaemonSets of the cluster", daemon_sets.list(&everything)).await?;
    let Some(namespace) = cilium::namespace(&daemon_sets.items) else {
        return Err(InspectError::NoCilium {
            context: context(),
            other: cilium::other_network(&daemon_sets.items),
        });
    };
    let mut kinds = kinds_of(connection, "cilium.io/v2").await?;
    let missing: Vec<String> =
        KINDS.iter().filter(|kind| !kinds.contains(**kind)).map(|kind| format!("{kind}.cilium.io")).collect();
    if !missing.is_empty() {
        return Err(InspectError::NoKinds { context: context(), missing });
    }
    kinds.extend(kinds_of(connection, "policy.networking.k8s.io/v1alpha2").await?);
    let configs: Api<ConfigMap> = Api::namespaced(client(), &namespace);
    let what = format!("read the ConfigMap {namespace}/cilium-config");
    let config = connection.ask(&what, configs.get("cilium-config")).await?.data.unwrap_or_default();
    let services: Api<Service> = Api::namespaced(client(), &namespace);
    let what = format!("read the Service {namespace}/hubble-relay");
    let relay = connection.ask(&what, services.get_opt("hubble-relay")).await?;
    let agents = agents(connection, &namespace).await?;
    let nodes = cilium::nodes(&all_nodes(connection).await?, &agents, &namespace);
    let api_servers = api_servers(connection).await?;
    let (dns_service, dns_pods) = dns(connection).await?;
    let load_balancing = load_balancing::load_balancing(connection, nodes.values()).await?;

    let answering = nodes.values().filter_map(|node| node.agent.as_ref()).find(|agent| agent.ready);
    let Some(answering) = answering else {
        return Err(InspectError::NoAgent { context: context(), namespace });
    };
    let full_version = match cilium::version_of_image(&agents) {
        Some(version) => version,
        None => version_of_agent(connection, &answering.container).await?,
    };
    let Some(version) = cilium::minor(&full_version) else {
        return Err(InspectError::Version { context: context(), found: full_version });
    };
    let relay = relay.as_ref().and_then(cilium::service_address);
    let envoy = daemon_sets.items.iter().any(|set| set.metadata.name.as_deref() == Some("cilium-envoy"));
    let cilium = CiliumFacts { namespace, full_version, version, config, kinds, relay, envoy };
    let kubernetes = kubernetes.to_owned();
    Ok(Facts { kubernetes, nodes, api_servers, cilium, dns_service, dns_pods, load_balancing })
}

/// Lists the nodes with their agents. `namespace` is that of Cilium.
pub async fn nodes(
    connection: &ApiConnection,
    namespace: &str,
) -> Result<BTreeMap<String, NodeFacts>, ApiError> {
    let agents = agents(connection, namespace).await?;
    Ok(cilium::nodes(&all_nodes(connection).await?, &agents, namespace))
}

async fn agents(connection: &ApiConnection, namespace: &str) -> Result<Vec<Pod>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), namespace);
    let what = format!("list the Cilium agents in {namespace}");
    let labelled = ListParams::default().labels("k8s-app=cilium");
    Ok(connection.ask(&what, pods.list(&labelled)).await?.items)
}

async fn all_nodes(connection: &ApiConnection) -> Result<Vec<Node>, ApiError> {
    let nodes: Api<Node> = Api::all(connection.client().clone());
    Ok(connection.ask("list the nodes", nodes.list(&ListParams::default())).await?.items)
}

/// The endpoint addresses of the service `kubernetes`.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
async fn api_servers(connection: &ApiConnection) -> Result<BTreeSet<IpAddr>, ApiError> {
    let slices: Api<EndpointSlice> = Api::namespaced(connection.client().clone(), "default");
    let of_service = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let slices = connection.ask("list the addresses of the API server", slices.list(&of_service)).await?;
    let addresses = slices.items.iter().flat_map(|slice| &slice.endpoints).flat_map(|it| &it.addresses);
    Ok(addresses.filter_map(|address| address.parse().ok()).collect())
}

async fn dns(connection: &ApiConnection) -> Result<(Vec<IpAddr>, Vec<IpAddr>), ApiError> {
    let services: Api<Service> = Api::namespaced(connection.client().clone(), KUBE_SYSTEM);
    let service =
        connection.ask("read the Service kube-system/kube-dns", services.get_opt("kube-dns")).await?;
    let pods: Api<Pod> = Api::namespaced(connection.client().clone(), KUBE_SYSTEM);
    let labelled = ListParams::default().labels("k8s-app=kube-dns");
    let pods = connection.ask("list the pods of the cluster's DNS", pods.list(&labelled)).await?;
    let spec = service.and_then(|service| service.spec);
    let ips =
        spec.map(|spec| spec.cluster_ips.or_else(|| spec.cluster_ip.map(|ip| vec![ip])).unwrap_or_default());
    let service = ips.unwrap_or_default().iter().filter_map(|ip| ip.parse().ok()).collect();
    // A terminating pod, as after a restart, still has its address, but nothing listens there.
    let stays = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none();
    let pods = pods.items.iter().filter(stays).flat_map(crate::pods::addresses).collect();
    Ok((service, pods))
}

async fn version_of_agent(connection: &ApiConnection, agent: &PodContainer) -> Result<String, ExecError> {
    let said = exec::output(connection, agent, &["cilium-dbg", "version"], EXEC_DEADLINE).await?;
    Ok(cilium::version_of_output(&said))
}
