//! The words of verdikt as types, and the loading of files with located mistakes.
//!
//! Every other crate speaks in these words, and gives none of them another meaning.
//!
//! | word | meaning |
//! |---|---|
//! | [scenario](scenario::Scenario) | one file: a topology, and steps |
//! | [topology](topology::Topology) | namespaces, pods, services, nodes, and hosts outside the cluster |
//! | [step](scenario::Step) | the policies in force and the table of expected verdicts at one point of a scenario |
//! | table, [row](scenario::Row) | the attempts of a step, each with what is expected for every source |
//! | cell | one source and one attempt of a step; it has one name everywhere, see [`cell_name`] |
//! | [endpoint](topology::Endpoint) | an end of traffic: a pod, a node, a host outside |
//! | identity | the labels by which Cilium knows an endpoint |
//! | [attempt](attempt::Attempt) | one try of traffic from a source to a target |
//! | [outcome](observation::Outcome) | what the client of an attempt saw, and only that |
//! | [flow](flow::Flow) | what the datapath reported of an attempt |
//! | evidence | outcome, flows, arrival and losses of one attempt |
//! | [prediction](prediction::Prediction) | what the engine says of an attempt, with its trace |
//! | trace, [check](prediction::Check) | the enforcement points that a predicted attempt meets, each with its rules |
//! | [enforcement point](prediction::EnforcementPoint) | where policy decides: egress, ingress, the DNS proxy, the HTTP proxy |
//! | [decision](prediction::Decision) | what the policies of one endpoint say in one direction, or a proxy of a request |
//! | subject, peer | the endpoint whose policies decide (`spec.subject` of a `ClusterNetworkPolicy`); the other end |
//! | verdict | what the harness concludes of a cell: allowed, denied, audited, or inconclusive |
//! | [expectation](expect::Expectation) | what the author's table says of a cell, in [verdict words](expect::VerdictWord) |
//! | refusal | an object that the API server or the agent does not accept; nothing of it is enforced. A scenario file lists expected ones under `rejected` |
//! | warning | what `check` says of a policy that is legal and likely wrong; it has a code |
//! | policy model | the policies in force compiled for a topology |
//! | cluster, agent | a Kubernetes cluster; the Cilium agent. Neither word means anything else |
//! | probe | verdikt's own process in a pod or a network namespace: it serves and attempts |
//! | backend | where steps run: `model`, `lab`, `kind`, `cluster` |
//! | batch, retry | attempts made together; attempts made again because their evidence told no verdict |
//! | settings | what a cluster's Cilium is configured to do |
//! | workload, manifest | what a Deployment and its kin become; any Kubernetes object in a file |
//!
//! Must not know: Kubernetes clients, sockets, async, and how a policy decides. Only [`loader`] reads files.

pub mod attempt;
pub mod cell_name;
pub mod diagnostic;
pub mod document;
pub mod expect;
pub mod flow;
pub mod icmp;
pub mod invariant;
pub mod loader;
pub mod name;
pub mod objects;
pub mod observation;
pub mod place;
pub mod plain;
pub mod policy;
pub mod precedence;
pub mod prediction;
pub mod rewrite;
pub mod scenario;
pub mod schema;
pub mod settings;
pub mod topology;
pub mod unreachable;
pub mod version;

mod enforcement;
mod file;
mod host_port;
mod ip_family;
mod lower;
mod redirected;
mod rendering;
mod unanswered;
