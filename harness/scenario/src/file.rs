//! The scenario file as authors write it: its keys as types, from which the JSON Schema is generated.
//!
//! Nothing here is judged: names are texts, tables are lists. [`crate::lower`] gives them their meaning.

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

/// A verdikt scenario: a small topology, and steps that put policies in force and state what every attempt
/// must come to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Scenario")]
pub(crate) struct ScenarioFile {
    /// The name of the scenario, unique in a run.
    pub(crate) scenario: Located<String>,
    /// Why the scenario exists, in one or two sentences.
    pub(crate) about: Located<String>,
    /// The Cilium versions the scenario holds for, such as `>=1.17 <1.20`; every version if left out.
    pub(crate) cilium: Option<Located<String>>,
    /// Namespaces, pods, services, nodes, and the hosts outside the cluster.
    pub(crate) topology: TopologyFile,
    /// What must hold at every step, whatever the tables say; proven for every pod and port, and for pods that are not
    /// there yet.
    #[serde(default)]
    pub(crate) invariants: Vec<Located<InvariantFile>>,
    /// The steps, in order; at least one.
    #[schemars(length(min = 1))]
    pub(crate) steps: Located<Vec<Located<StepFile>>>,
}

/// Namespaces, pods, services, nodes, and the hosts outside the cluster. A file that is included has exactly
/// this shape.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Topology")]
pub(crate) struct TopologyFile {
    /// Topology files to start from, relative to this file; what is written here wins key by key, and of two
    /// included files the later one.
    pub(crate) include: Vec<Located<String>>,
    /// Kubernetes manifests to start from, relative to this file: files (`deploy/web.yaml`) and folders (`deploy/`).
    /// Workloads are pods, with the labels and ports that they declare; Services and Namespaces are what they are. What
    /// is written here adds to them and wins key by key; of a pod, what is left out stays as the manifest has it.
    pub(crate) manifests: Vec<Located<String>>,
    /// The namespace of manifests that name none, and of policies that name none; `default` for the former if left out.
    pub(crate) namespace: Option<Located<String>>,
    /// Namespaces by name. Every namespace that a pod or service uses is declared here, or in `manifests`.
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
    /// Where the gateway's listener leads requests, as an `Ingress` or `HTTPRoute` says it: what a path begins with, with a host
    /// before it or without, and a service and its port: `{/: shop/web:80, api.example.test/v1: shop/api:80}`. Without
    /// any, the gateway answers itself.
    pub(crate) routes: LocatedMap<Located<String>>,
    /// Local redirect policies, by `namespace/name`: pods that answer the clients of their own node in the place of a service or of
    /// a host outside.
    pub(crate) redirects: LocatedMap<RedirectFile>,
    /// What the cluster's Cilium is configured to do, by the names of its Helm values: `policyAuditMode: true`,
    /// `ipv6.enabled: true`; or `values: values.yaml`, the file of values, relative to this file, beside what is said here.
    pub(crate) settings: LocatedMap<Located<SettingWord>>,
    /// The DNS server of pods; the service `kube-system/kube-dns` if left out.
    pub(crate) dns: Option<DnsFile>,
    /// Secrets that the cluster has, by `namespace/name`: certificates with which policies end TLS and begin it again. What is in
    /// them, manifests say; else it is made up. The model does not know what becomes of policies that name others.
    pub(crate) secrets: Vec<Located<String>>,
    /// Which definition of `ClusterNetworkPolicy` the API server has; the experimental one if left out.
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
    /// What it serves: `http 80`, `https 443`, `tcp 6379`, `udp 53`, `sctp 9`, `dns 53`, with the name of the port where it
    /// has one: `http 3000 as web`; a range of ports: `tcp 8000-8010`.
    pub(crate) serves: Vec<Located<String>>,
    /// Ports of its node that lead to it, as a container's `hostPort` says it, and the port of its own: `{80: 8080}`, with
    /// `/udp` or `/sctp` unless it is TCP. Attempts name the node: `tcp host:80`.
    pub(crate) host_ports: LocatedMap<Located<TargetPortWord>>,
    /// Its service account; `default` if left out.
    pub(crate) service_account: Option<Located<String>>,
    /// The only part it takes in attempts; both if left out.
    pub(crate) only: Option<PartWord>,
    /// Whether it takes what comes and answers nothing: a client of what policies allow sees a timeout, and the verdict
    /// is `allow` all the same. It is a target only, on any port unless it says what it serves.
    pub(crate) silent: Option<Located<bool>>,
    /// The secret whose certificate it shows to clients of `https`; if left out, one that everybody trusts. Attempts of `https` alone
    /// depend on it.
    pub(crate) certificate: Option<Located<String>>,
    /// The secrets that it trusts as a client of `https`, beside what servers show themselves; if left out, it takes any certificate
    /// of a proxy. `[]` trusts none.
    pub(crate) trusts: Option<Located<Vec<Located<String>>>>,
    /// Whether it is in the network of its node: to policies it is the node then, and its labels mean nothing.
    pub(crate) host_network: bool,
    /// The node of a pod with `hostNetwork`; `host` if left out.
    pub(crate) node: Option<Located<String>>,
    /// The cluster of the mesh that it is in, if not this one: no policy of this cluster selects it.
    pub(crate) cluster: Option<Located<String>>,
}

/// The DNS server of pods.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Dns")]
pub(crate) struct DnsFile {
    /// The service of the DNS server, by `namespace/name`, such as `openshift-dns/dns-default`.
    pub(crate) service: Option<Located<String>>,
    /// The cache on the pods' own node that answers in its place: `host`, where it is in the node's network, or a pod.
    pub(crate) cache: Option<Located<String>>,
    /// Further servers, as in the `dnsConfig` of a pod: services, hosts outside or nodes, asked in this order where the one
    /// before says nothing, cannot be reached, refuses or fails.
    pub(crate) nameservers: Vec<Located<String>>,
}

/// A local redirect policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Redirect")]
pub(crate) struct RedirectFile {
    /// Whose clients are led elsewhere: a service of type `ClusterIP`, or a host outside, of which the address counts.
    pub(crate) from: Located<String>,
    /// The labels of the pods of the policy's namespace that answer.
    pub(crate) selects: LocatedMap<Located<String>>,
    /// Each port that clients ask, and the port of the pods: `{80: 8181}`; with `/udp` unless it is TCP.
    pub(crate) ports: LocatedMap<Located<TargetPortWord>>,
    /// Whether the pods that answer reach the service or host itself.
    #[serde(default)]
    pub(crate) skip_redirect_from_backend: bool,
}

/// A service: a name and an address in front of pods, or of hosts outside the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Service")]
pub(crate) struct ServiceFile {
    /// How far it reaches; `ClusterIP`, no further than the cluster, if left out. Hosts outside that attempt a service of
    /// type `NodePort` or `LoadBalancer` go in by that port; everybody else uses its address in the cluster.
    #[serde(rename = "type")]
    pub(crate) service_type: ServiceTypeWord,
    /// Labels of the service itself.
    pub(crate) labels: LocatedMap<Located<String>>,
    /// The labels of the pods of its namespace that stand behind it.
    pub(crate) selects: Option<LocatedMap<Located<String>>>,
    /// The hosts outside the cluster, or nodes, behind a service without a selector.
    pub(crate) backends: Vec<Located<String>>,
    /// Where traffic from outside goes: `Cluster`, to any node's pods, whose policies see another node as the client
    /// where the traffic comes over one; or `Local`. `Cluster` if left out, as in Kubernetes.
    pub(crate) external_traffic_policy: Option<Located<TrafficPolicyWord>>,
    /// Where traffic from inside goes; `Cluster` if left out.
    pub(crate) internal_traffic_policy: Option<Located<TrafficPolicyWord>>,
    /// Whether it has no address of its own (`clusterIP: None`): its name leads to the addresses behind it.
    pub(crate) headless: Option<Located<bool>>,
    /// The DNS name outside the cluster of which its own name is an alias (`type: ExternalName`).
    pub(crate) external_name: Option<Located<String>>,
    /// Addresses outside the cluster that lead to it too.
    #[serde(rename = "externalIPs")]
    pub(crate) external_ips: Vec<Located<String>>,
    /// The ranges of addresses that its load balancer lets in; everybody if left out.
    pub(crate) load_balancer_source_ranges: Vec<Located<String>>,
    /// What it offers: the service's port, with `/udp` or `/sctp` unless it is TCP, and the port of the pods
    /// behind it, by number or by name.
    pub(crate) ports: LocatedMap<Located<TargetPortWord>>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "WorldHost")]
pub(crate) struct WorldHostFile {
    /// Its address; the next free one of 192.0.2.0/24 if left out.
    pub(crate) address: Option<Located<String>>,
    /// Its IPv6 address beside that one.
    pub(crate) ipv6: Option<Located<String>>,
    /// The DNS names that lead to it.
    pub(crate) names: Vec<Located<String>>,
    /// DNS names that are aliases (CNAME) of the first of its names, or lead there over other aliases:
    /// `www.example.test -> shop.cdn.test`.
    pub(crate) aliases: Vec<Located<String>>,
    /// What it serves, as for a pod.
    pub(crate) serves: Vec<Located<String>>,
    /// The only part it takes in attempts; both if left out.
    pub(crate) only: Option<PartWord>,
    /// Whether it takes what comes and answers nothing: a client of what policies allow sees a timeout, and the verdict
    /// is `allow` all the same. It is a target only, on any port unless it says what it serves.
    pub(crate) silent: Option<Located<bool>>,
    /// The secret whose certificate it shows to clients of `https`; if left out, one that everybody trusts. Attempts of `https` alone
    /// depend on it.
    pub(crate) certificate: Option<Located<String>>,
    /// The secrets that it trusts as a client of `https`, beside what servers show themselves; if left out, it takes any certificate
    /// of a proxy. `[]` trusts none.
    pub(crate) trusts: Option<Located<Vec<Located<String>>>>,
    /// Whether it runs the Kubernetes API server, as a managed one does.
    pub(crate) api_server: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[schemars(rename = "Node")]
pub(crate) struct NodeFile {
    /// Whether it runs the Kubernetes API server. The service `default/kubernetes` leads to those that serve something.
    pub(crate) api_server: bool,
    /// Its address.
    pub(crate) address: Option<Located<String>>,
    /// Its labels.
    pub(crate) labels: LocatedMap<Located<String>>,
    /// Its roles: `control-plane` is the label `node-role.kubernetes.io/control-plane`.
    pub(crate) roles: Vec<Located<String>>,
    /// What it serves, as for a pod.
    pub(crate) serves: Vec<Located<String>>,
    /// The only part it takes in attempts; both if left out.
    pub(crate) only: Option<PartWord>,
}

/// Attempts, each with verdicts and the sources they hold for: `tcp database/redis:6379: {allow:
/// [backend/backend], deny ingress: others}`.
pub(crate) type ExpectFile = LocatedMap<LocatedMap<SourceNames>>;

/// What must hold at every step: one of `never` and `always`, and why.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Invariant")]
pub(crate) struct InvariantFile {
    /// Traffic of which nothing may pass.
    pub(crate) never: Option<InvariantEnds>,
    /// Traffic that must pass.
    pub(crate) always: Option<InvariantEnds>,
    /// Why it must hold.
    pub(crate) because: Located<String>,
    /// The steps at which it is known not to hold. It is an error if it does.
    #[serde(default)]
    pub(crate) broken_at: Vec<Located<String>>,
}

/// Traffic that an invariant is about.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "InvariantTraffic")]
pub(crate) struct InvariantEnds {
    /// The sources: `world`, `database/*` and `*/*` (every pod of the namespaces, those that are not there yet included),
    /// `database/app=redis` (those with the labels), a pod, a host outside or a node by its name, or a pattern of pods'
    /// names.
    pub(crate) from: Located<String>,
    /// The destinations: as the sources, or `dns`.
    pub(crate) to: Located<String>,
    /// The ports: `tcp 6379`, `udp 8000-8999`. If left out, `never` is about all traffic, and `always` about what the
    /// destinations serve.
    #[serde(default)]
    pub(crate) ports: Vec<Located<String>>,
}

/// A step: the policies in force, and the table of what every attempt must come to.
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
    /// Pods that are gone from this step on.
    #[serde(default)]
    pub(crate) remove: Vec<Located<String>>,
    /// Names of hosts outside that lead to another one from this step on: `api.example.test: new`. What was learned of
    /// them stays known until they are `expired`.
    #[serde(default)]
    pub(crate) names: LocatedMap<Located<String>>,
    /// Names whose answers have outlived their TTL since the step before, while no connection stood: what the DNS proxy
    /// has learned of them is forgotten.
    #[serde(default)]
    pub(crate) expired: Vec<Located<String>>,
    /// Pods whose endpoints are in audit mode by themselves in this step (`PolicyAuditMode=Enabled` of the endpoint): what
    /// their own policies deny passes.
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
    pub(crate) rejected: LocatedMap<RejectionFile>,
    /// For every attempt, the verdict of every source. What is expected of an attempt through a service is expected of
    /// each of its backends; `tcp shop/web:80 via shop/web-1` names one of them.
    #[schemars(schema_with = "words::table_of_step")]
    pub(crate) expect: Located<ExpectFile>,
    /// What differs in some Cilium versions.
    #[serde(default)]
    pub(crate) differs: Vec<Located<DifferenceFile>>,
}

/// The refusal that is expected of an object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rejection")]
pub(crate) struct RejectionFile {
    /// Who refuses it.
    pub(crate) by: RefuserWord,
    /// Part of what the refusal says; letter case does not matter.
    pub(crate) saying: Located<String>,
}

/// What differs in some Cilium versions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Difference")]
pub(crate) struct DifferenceFile {
    /// The versions, such as `<1.19`.
    pub(crate) cilium: Located<String>,
    /// Why they differ.
    pub(crate) because: Located<String>,
    /// The address of the change in Cilium, or of its description.
    pub(crate) see: Option<Located<String>>,
    /// Cells that replace those of the step.
    #[serde(default)]
    #[schemars(schema_with = "words::table")]
    pub(crate) expect: ExpectFile,
    /// Rejections that replace those of the step.
    pub(crate) rejected: Option<LocatedMap<RejectionFile>>,
}
