//! The scenario file as authors write it: its keys as types, from which the JSON Schema is generated.
//!
//! Nothing is checked here: names are texts, tables are lists. [`crate::lower`] gives them their meaning.

pub(crate) mod deserialize;
pub(crate) mod located;
pub(crate) mod words;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use located::{Located, LocatedMap};
pub(crate) use words::{
    ApiChannelWord, CiliumEndpointWord, FieldValidationWord, ModeWord, PartWord, RefuserWord,
    ServiceTypeWord, SettingWord, SourceNames, TargetPortWord, TrafficPolicyWord,
};

/// A verdikt scenario: a small topology, and steps that apply policies and state the expected verdict of every
/// attempt.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Scenario")]
pub(crate) struct ScenarioFile {
    /// The name of the scenario, unique in a run.
    pub(crate) scenario: Located<String>,
    /// What the scenario tests, in one or two sentences.
    pub(crate) about: Located<String>,
    /// The Cilium versions the scenario holds for, such as `>=1.17 <1.20`; every version if left out.
    pub(crate) cilium: Option<Located<String>>,
    /// Namespaces, pods, services, nodes, and the hosts outside the cluster.
    pub(crate) topology: TopologyFile,
    /// What must hold at every step, besides the tables; proven for every pod and port, and for pods that may be
    /// created later.
    #[serde(default)]
    pub(crate) invariants: Vec<Located<InvariantFile>>,
    /// The steps, in order; at least one.
    #[schemars(length(min = 1))]
    pub(crate) steps: Located<Vec<Located<StepFile>>>,
}

/// Namespaces, pods, services, nodes, and the hosts outside the cluster. An included file has the same format.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Topology")]
pub(crate) struct TopologyFile {
    /// Topology files to start from, relative to this file. What is written here wins key by key; of two included
    /// files the later one wins.
    pub(crate) include: Vec<Located<String>>,
    /// Kubernetes manifests to start from, relative to this file: files (`deploy/web.yaml`) and folders (`deploy/`).
    /// Workloads become pods, with the labels and ports that they declare; Services and Namespaces are taken as they
    /// are. What is written here is added and wins key by key; a pod keeps what its manifest says and this file does
    /// not.
    pub(crate) manifests: Vec<Located<String>>,
    /// The namespace of manifests and policies that name none. Without it, manifests that name none are in `default`.
    pub(crate) namespace: Option<Located<String>>,
    /// Namespaces by name. Every namespace of a pod or service must be declared here or in `manifests`.
    pub(crate) namespaces: LocatedMap<NamespaceFile>,
    /// Pods by `namespace/name`.
    pub(crate) pods: LocatedMap<PodFile>,
    /// Services by `namespace/name`.
    pub(crate) services: LocatedMap<ServiceFile>,
    /// Hosts outside the cluster, by a name without dots.
    pub(crate) world: LocatedMap<WorldHostFile>,
    /// Nodes that take part as source or target; `host` is the node the pods run on, every other one is a
    /// remote node.
    pub(crate) nodes: LocatedMap<NodeFile>,
    /// Cilium's own endpoints that take part.
    pub(crate) cilium: Vec<Located<CiliumEndpointWord>>,
    /// The routes of the gateway, as an `Ingress` or `HTTPRoute` has them: the start of a path, with or without a
    /// host in front, and a service with its port: `{/: shop/web:80, api.example.test/v1: shop/api:80}`. Without
    /// routes, the gateway answers requests itself.
    pub(crate) routes: LocatedMap<Located<String>>,
    /// Local redirect policies, by `namespace/name`: pods that answer clients on their own node instead of a service
    /// or a host outside.
    pub(crate) redirects: LocatedMap<RedirectFile>,
    /// How the cluster's Cilium is configured, by the names of its Helm values: `policyAuditMode: true`,
    /// `ipv6.enabled: true`. `values: values.yaml` names a values file, relative to this file, which is read besides.
    pub(crate) settings: LocatedMap<Located<SettingWord>>,
    /// The DNS server of pods; the service `kube-system/kube-dns` if left out.
    pub(crate) dns: Option<DnsFile>,
    /// Secrets of the cluster, by `namespace/name`: certificates with which policies terminate and originate TLS.
    /// Their content comes from manifests, or else is generated. If a policy names any other secret, the model
    /// abstains.
    pub(crate) secrets: Vec<Located<String>>,
    /// The definition of `ClusterNetworkPolicy` that the API server has; the experimental one if left out.
    pub(crate) network_policy_api: Option<ApiChannelWord>,
}

/// A namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Namespace")]
pub(crate) struct NamespaceFile {
    /// Its labels; `kubernetes.io/metadata.name` is always there.
    pub(crate) labels: LocatedMap<Located<String>>,
}

/// A pod.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Pod")]
pub(crate) struct PodFile {
    /// Its labels.
    pub(crate) labels: LocatedMap<Located<String>>,
    /// The servers: `http 80`, `https 443`, `tcp 6379`, `udp 53`, `sctp 9`, `dns 53`. A named port is `http 3000 as
    /// web`, a range of ports `tcp 8000-8010`.
    pub(crate) serves: Vec<Located<String>>,
    /// Ports of its node that are forwarded to it, as by a container's `hostPort`, each with the pod's own port:
    /// `{80: 8080}`, with `/udp` or `/sctp` unless it is TCP. Attempts name the node: `tcp host:80`.
    pub(crate) host_ports: LocatedMap<Located<TargetPortWord>>,
    /// Its service account; `default` if left out.
    pub(crate) service_account: Option<Located<String>>,
    /// Restricts it to one part in attempts, `source` or `target`; both if left out.
    pub(crate) only: Option<PartWord>,
    /// Whether it never answers. Clients that policies allow then see a timeout, and the verdict is still `allow`. It
    /// is only a target, on any port unless `serves` is given.
    pub(crate) silent: Option<Located<bool>>,
    /// The secret whose certificate it presents to clients of `https`; if left out, a certificate that everybody
    /// trusts. Only attempts of `https` depend on it.
    pub(crate) certificate: Option<Located<String>>,
    /// The secrets that it trusts as a client of `https`, besides the certificates of the servers themselves; if left
    /// out, it accepts any certificate of a proxy. `[]` trusts none.
    pub(crate) trusts: Option<Located<Vec<Located<String>>>>,
    /// Whether it is in the network of its node: policies then treat it as the node, and ignore its labels.
    pub(crate) host_network: bool,
    /// The node of a pod with `hostNetwork`; `host` if left out.
    pub(crate) node: Option<Located<String>>,
    /// The cluster of the mesh that it is in, if it is another one: no policy of this cluster selects it.
    pub(crate) cluster: Option<Located<String>>,
}

/// The DNS server of pods.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Dns")]
pub(crate) struct DnsFile {
    /// The service of the DNS server, by `namespace/name`, such as `openshift-dns/dns-default`.
    pub(crate) service: Option<Located<String>>,
    /// A cache on the pods' own node that answers in its place: `host` if the cache is in the node's network, or a
    /// pod.
    pub(crate) cache: Option<Located<String>>,
    /// Further servers, as in the `dnsConfig` of a pod: services, hosts outside or nodes. The next one is asked if
    /// the one before does not answer, is unreachable, refuses or fails.
    pub(crate) nameservers: Vec<Located<String>>,
}

/// A local redirect policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Redirect")]
pub(crate) struct RedirectFile {
    /// The frontend whose clients are redirected: a service of type `ClusterIP`, or the address of a host outside.
    pub(crate) from: Located<String>,
    /// The labels of the pods that answer, in the namespace of the policy.
    pub(crate) selects: LocatedMap<Located<String>>,
    /// Each port of the frontend, with the port of the pods: `{80: 8181}`; with `/udp` unless it is TCP.
    pub(crate) ports: LocatedMap<Located<TargetPortWord>>,
    /// Whether the pods that answer reach the frontend themselves (`skipRedirectFromBackend`).
    #[serde(default)]
    pub(crate) skip_redirect_from_backend: bool,
}

/// A service: a name and an address in front of pods, or of hosts outside the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Service")]
pub(crate) struct ServiceFile {
    /// The type of the service; `ClusterIP`, which is reachable only in the cluster, if left out. Hosts outside reach
    /// a service of type `NodePort` or `LoadBalancer` by its node port or external address; all other sources use its
    /// cluster address.
    #[serde(rename = "type")]
    pub(crate) service_type: ServiceTypeWord,
    /// Labels of the service itself.
    pub(crate) labels: LocatedMap<Located<String>>,
    /// The labels of the pods behind it, in its namespace.
    pub(crate) selects: Option<LocatedMap<Located<String>>>,
    /// The hosts outside the cluster, or nodes, behind a service without a selector.
    pub(crate) backends: Vec<Located<String>>,
    /// The backends of traffic from outside the cluster: with `Cluster` on any node, so that their policies may see
    /// another node as the client; with `Local` only on the node that receives it. `Cluster` if left out, as in
    /// Kubernetes.
    pub(crate) external_traffic_policy: Option<Located<TrafficPolicyWord>>,
    /// The backends of traffic from inside the cluster; `Cluster` if left out.
    pub(crate) internal_traffic_policy: Option<Located<TrafficPolicyWord>>,
    /// Whether it is headless (`clusterIP: None`): its name resolves to the addresses of its backends.
    pub(crate) headless: Option<Located<bool>>,
    /// The DNS name outside the cluster that its own name is an alias of (`type: ExternalName`).
    pub(crate) external_name: Option<Located<String>>,
    /// Further addresses of it, outside the cluster (`externalIPs`).
    #[serde(rename = "externalIPs")]
    pub(crate) external_ips: Vec<Located<String>>,
    /// The address ranges that its load balancer accepts (`loadBalancerSourceRanges`); every address if left out.
    pub(crate) load_balancer_source_ranges: Vec<Located<String>>,
    /// Its ports, with `/udp` or `/sctp` unless they are TCP, each with the port of the pods behind it, by number or
    /// by name.
    pub(crate) ports: LocatedMap<Located<TargetPortWord>>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "WorldHost")]
pub(crate) struct WorldHostFile {
    /// Its address; the next free one of 192.0.2.0/24 if left out.
    pub(crate) address: Option<Located<String>>,
    /// An IPv6 address besides that one.
    pub(crate) ipv6: Option<Located<String>>,
    /// The DNS names that resolve to it.
    pub(crate) names: Vec<Located<String>>,
    /// DNS names that are aliases (CNAME) of its first name, directly or through other aliases: `www.example.test ->
    /// shop.cdn.test`.
    pub(crate) aliases: Vec<Located<String>>,
    /// What it serves, as for a pod.
    pub(crate) serves: Vec<Located<String>>,
    /// Restricts it to one part in attempts, `source` or `target`; both if left out.
    pub(crate) only: Option<PartWord>,
    /// Whether it never answers. Clients that policies allow then see a timeout, and the verdict is still `allow`. It
    /// is only a target, on any port unless `serves` is given.
    pub(crate) silent: Option<Located<bool>>,
    /// The secret whose certificate it presents to clients of `https`; if left out, a certificate that everybody
    /// trusts. Only attempts of `https` depend on it.
    pub(crate) certificate: Option<Located<String>>,
    /// The secrets that it trusts as a client of `https`, besides the certificates of the servers themselves; if left
    /// out, it accepts any certificate of a proxy. `[]` trusts none.
    pub(crate) trusts: Option<Located<Vec<Located<String>>>>,
    /// Whether it runs the Kubernetes API server, as a managed one does.
    pub(crate) api_server: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Node")]
pub(crate) struct NodeFile {
    /// Whether it runs the Kubernetes API server. The service `default/kubernetes` has those as backends that serve a
    /// port.
    pub(crate) api_server: bool,
    /// Its address.
    pub(crate) address: Option<Located<String>>,
    /// Its labels.
    pub(crate) labels: LocatedMap<Located<String>>,
    /// Its roles: `control-plane` means the label `node-role.kubernetes.io/control-plane`.
    pub(crate) roles: Vec<Located<String>>,
    /// What it serves, as for a pod.
    pub(crate) serves: Vec<Located<String>>,
    /// Restricts it to one part in attempts, `source` or `target`; both if left out.
    pub(crate) only: Option<PartWord>,
}

/// Attempts, each with verdicts and the sources they hold for: `tcp database/redis:6379: {allow:
/// [backend/backend], deny ingress: others}`.
pub(crate) type ExpectFile = LocatedMap<LocatedMap<SourceNames>>;

/// An invariant: one of `never` and `always`, and the reason.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Invariant")]
pub(crate) struct InvariantFile {
    /// Traffic that must not pass.
    pub(crate) never: Option<InvariantEnds>,
    /// Traffic that must pass.
    pub(crate) always: Option<InvariantEnds>,
    /// Why it must hold.
    pub(crate) because: Located<String>,
    /// The steps at which it is known to fail. It is an error if it holds there.
    #[serde(default)]
    pub(crate) broken_at: Vec<Located<String>>,
}

/// The traffic of an invariant.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "InvariantTraffic")]
pub(crate) struct InvariantEnds {
    /// The sources: `world`, all pods of namespaces (`database/*`, `*/*`) or those with some labels
    /// (`database/app=redis`), each including pods that may be created later; a pod, host outside or node by its
    /// name; or a pattern of pod names.
    pub(crate) from: Located<String>,
    /// The destinations, written like the sources, or `dns`.
    pub(crate) to: Located<String>,
    /// The ports: `tcp 6379`, `udp 8000-8999`. If left out, `never` covers all traffic, and `always` the ports that
    /// the destinations serve.
    #[serde(default)]
    pub(crate) ports: Vec<Located<String>>,
}

/// A step: the policies in force, and the table of the expected verdicts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Step")]
pub(crate) struct StepFile {
    /// The name of the step, unique in the scenario.
    pub(crate) step: Located<String>,
    /// The complete set of policies in force: files (`policies/a.yaml`), folders (`policies/`), both relative to
    /// the scenario, and names of manifests that follow in the same file (`lockdown`, `database/lockdown`).
    #[serde(default)]
    pub(crate) policies: Vec<Located<String>>,
    /// Labels that change from this step on, by `namespace NAME` or `pod NAMESPACE/NAME`; null removes a label.
    #[serde(default)]
    pub(crate) labels: LocatedMap<LocatedMap<Located<Option<String>>>>,
    /// Pods that are added from this step on.
    #[serde(default)]
    pub(crate) pods: LocatedMap<PodFile>,
    /// Pods that are removed from this step on.
    #[serde(default)]
    pub(crate) remove: Vec<Located<String>>,
    /// Names of hosts outside that resolve to another host from this step on: `api.example.test: new`. The old
    /// addresses stay known until the names are `expired`.
    #[serde(default)]
    pub(crate) names: LocatedMap<Located<String>>,
    /// Names whose answers have outlived their TTL since the step before, while no connection was open: what the DNS
    /// proxy learned of them is forgotten.
    #[serde(default)]
    pub(crate) expired: Vec<Located<String>>,
    /// Pods that are in audit mode on their own in this step (`PolicyAuditMode=Enabled` of the endpoint): what their
    /// policies deny passes, and is reported.
    #[serde(default)]
    pub(crate) audit: Vec<Located<String>>,
    /// How policies are enforced in this step; `default` if left out.
    #[serde(default)]
    pub(crate) mode: ModeWord,
    /// What the API server does with fields it does not know; `strict` if left out.
    #[serde(default)]
    pub(crate) field_validation: FieldValidationWord,
    /// Objects that must be refused, by `namespace/name`, `name`, or a policy file with one document.
    #[serde(default)]
    pub(crate) rejected: LocatedMap<RefusalFile>,
    /// For every attempt, the verdict of every source. An attempt through a service stands for one attempt to each of
    /// its backends; `tcp shop/web:80 via shop/web-1` names one of them.
    #[schemars(schema_with = "words::table_of_step")]
    pub(crate) expect: Located<ExpectFile>,
    /// Verdicts and refusals that differ in some Cilium versions.
    #[serde(default)]
    pub(crate) differs: Vec<Located<DifferenceFile>>,
}

/// The expected refusal of an object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Refusal")]
pub(crate) struct RefusalFile {
    /// Who refuses it.
    pub(crate) by: RefuserWord,
    /// Part of what the refusal says; letter case does not matter.
    pub(crate) saying: Located<String>,
}

/// Verdicts and refusals that differ in some Cilium versions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Difference")]
pub(crate) struct DifferenceFile {
    /// The versions, such as `<1.19`.
    pub(crate) cilium: Located<String>,
    /// Why they differ.
    pub(crate) because: Located<String>,
    /// A link to the change in Cilium, or to its description.
    pub(crate) see: Option<Located<String>>,
    /// Cells that replace those of the step.
    #[serde(default)]
    #[schemars(schema_with = "words::table")]
    pub(crate) expect: ExpectFile,
    /// Refusals that replace those of the step.
    pub(crate) rejected: Option<LocatedMap<RefusalFile>>,
}
