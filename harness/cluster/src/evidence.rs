//! Collects what helps to explain a failure, before the objects of the scenario are removed.
//!
//! | file | what |
//! |---|---|
//! | `policies.yaml` | the policies of the scenario as the API server has them, with Cilium's status of each |
//! | `topology.yaml` | the namespaces, services and pods of the scenario |
//! | `ciliumendpoints.yaml` | the `CiliumEndpoint` of each pod concerned |
//! | `events.yaml` | the events about the scenario's pods |
//! | `endpoints-NODE.json` | the endpoints of these pods as the node's agent lists them |
//! | `endpoint-ID-NODE.json` | the log of an endpoint that is not ready |
//! | `agent-NODE.log` | the last lines of the agent's log |
//! | `missing.txt` | what could not be collected, and why |

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde_json::Value;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::Endpoint;

use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::exec::{self, PodContainer};
use crate::objects::{
    self, ApiObject, CILIUM_ENDPOINT, EVENT, NAMESPACE, POD, POLICIES, ResourceKind, SERVICE, metadata,
};
use crate::settle::UnhealthyEndpoint;

/// How much of an agent's log is kept: its last lines, up to this many bytes.
const LOG_LINES: i64 = 2000;
const LOG_BYTES: i64 = 4 << 20;
/// The timeout for an agent to list its endpoints.
const EXEC_DEADLINE: Duration = Duration::from_secs(15);

/// Why evidence cannot be saved.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct EvidenceError {
    /// The file or folder.
    path: PathBuf,
    /// Why not.
    #[source]
    source: io::Error,
}

/// Collects the evidence of one failed step into a folder, which is created: about the pods concerned, or about all.
/// Returns the files. What cannot be collected is named in `missing.txt`; only a folder that cannot be written is an
/// error.
pub async fn collect(
    cluster: &Cluster,
    folder: &Path,
    concerned: &BTreeSet<NamespacedName>,
) -> Result<Vec<PathBuf>, EvidenceError> {
    let mut kept = Kept { folder, files: Vec::new(), missing: String::new() };
    std::fs::create_dir_all(folder).map_err(|source| EvidenceError { path: folder.to_owned(), source })?;
    let all: BTreeSet<NamespacedName> = cluster.pods().cloned().chain(cluster.made_pods()).collect();
    let concerned = if concerned.is_empty() { &all } else { concerned };

    let mut policies = Vec::new();
    for kind in POLICIES.iter().copied() {
        policies.extend(kept.take(&format!("{}s", kind.kind), ours(cluster, kind).await));
    }
    kept.write_documents("policies.yaml", &policies)?;

    let mut topology = Vec::new();
    for kind in [NAMESPACE, SERVICE] {
        topology.extend(kept.take(&format!("{}s", kind.kind), ours(cluster, kind).await));
    }
    // Borrowed pods may contain secrets of their owners.
    let made =
        all.iter().filter(|pod| !cluster.is_borrowed(&Endpoint::Pod((*pod).clone()))).cloned().collect();
    topology.extend(kept.take("Pods", each(cluster, POD, &made).await));
    kept.write_documents("topology.yaml", &topology)?;

    let endpoints = kept.take("CiliumEndpoints", each(cluster, CILIUM_ENDPOINT, concerned).await);
    kept.write_documents("ciliumendpoints.yaml", &endpoints)?;

    let events = kept.take("Events", cluster.events().await);
    let events: Vec<Value> = events.into_iter().map(|event| named(event, EVENT)).collect();
    kept.write_documents("events.yaml", &events)?;

    let names: BTreeSet<String> = concerned.iter().map(ToString::to_string).collect();
    for (node, agent) in cluster.nodes_in_use() {
        let Some(agent) = agent else { continue };
        for UnhealthyEndpoint { id, .. } in cluster.unhealthy_endpoints(&agent, &names).await {
            let log = cluster.log_of_endpoint(&agent, id).await;
            if !log.is_empty() {
                kept.write(&format!("endpoint-{id}-{node}.json"), &log)?;
            }
        }
        match endpoints_of(cluster, &agent, concerned).await {
            Ok(text) => kept.write(&format!("endpoints-{node}.json"), &text)?,
            Err(reason) => kept.miss(&format!("the endpoints of node {node}"), &reason),
        }
        match log_of(cluster, &agent).await {
            Ok(text) => kept.write(&format!("agent-{node}.log"), &text)?,
            Err(error) => kept.miss(&format!("the log of the agent of node {node}"), &error.to_string()),
        }
    }
    if !kept.missing.is_empty() {
        let missing = std::mem::take(&mut kept.missing);
        kept.write("missing.txt", &missing)?;
    }
    Ok(kept.files)
}

/// The files written so far.
struct Kept<'a> {
    folder: &'a Path,
    files: Vec<PathBuf>,
    missing: String,
}

impl Kept<'_> {
    fn miss(&mut self, what: &str, reason: &str) {
        // Writing to text cannot fail.
        let _ = writeln!(self.missing, "{what}: {reason}");
    }

    fn take(&mut self, what: &str, found: Result<Vec<Value>, ApiError>) -> Vec<Value> {
        found.unwrap_or_else(|error| {
            self.miss(what, &error.to_string());
            Vec::new()
        })
    }

    fn write(&mut self, name: &str, text: &str) -> Result<(), EvidenceError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|source| EvidenceError { path: path.clone(), source })?;
        self.files.push(path);
        Ok(())
    }

    fn write_documents(&mut self, name: &str, objects: &[Value]) -> Result<(), EvidenceError> {
        if objects.is_empty() {
            return Ok(());
        }
        let documents: Vec<String> = objects.iter().map(document).collect();
        self.write(name, &documents.join("---\n"))
    }
}

/// An object as YAML, without its managed fields.
fn document(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    // JSON is valid YAML.
    let mut text = serde_saphyr::to_string(&object).unwrap_or_else(|_| object.to_string());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

async fn ours(cluster: &Cluster, kind: ResourceKind) -> Result<Vec<Value>, ApiError> {
    let found = objects::marked(cluster.connection(), kind, Some(cluster.run())).await?;
    Ok(found.into_iter().map(|object| named(object, kind)).collect())
}

/// Adds kind and version to an element of a list, which lacks both.
fn named(mut object: Value, kind: ResourceKind) -> Value {
    let version = if kind.group.is_empty() {
        kind.version.to_owned()
    } else {
        format!("{}/{}", kind.group, kind.version)
    };
    let Some(fields) = object.as_object_mut() else { return object };
    let rest = std::mem::take(fields);
    fields.insert("apiVersion".to_owned(), Value::String(version));
    fields.insert("kind".to_owned(), Value::String(kind.kind.to_owned()));
    fields.extend(rest.into_iter().filter(|(key, _)| key != "apiVersion" && key != "kind"));
    object
}

async fn each(
    cluster: &Cluster,
    kind: ResourceKind,
    pods: &BTreeSet<NamespacedName>,
) -> Result<Vec<Value>, ApiError> {
    let namespaces: BTreeSet<&str> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
    let mut found = Vec::new();
    for namespace in namespaces {
        let all = objects::list(cluster.connection(), kind, Some(namespace), None).await?;
        found.extend(all.into_iter().map(|object| named(object, kind)).filter(|object| {
            let name = metadata(object, "name").unwrap_or_default();
            pods.iter().any(|pod| pod.namespace.as_str() == namespace && pod.name.as_str() == name)
        }));
    }
    Ok(found)
}

async fn endpoints_of(
    cluster: &Cluster,
    agent: &PodContainer,
    concerned: &BTreeSet<NamespacedName>,
) -> Result<String, String> {
    let command = ["cilium-dbg", "endpoint", "list", "-o", "json"];
    let said = exec::output(cluster.connection(), agent, &command, EXEC_DEADLINE).await;
    let said = said.map_err(|error| error.to_string())?;
    let endpoints: Vec<Value> = serde_json::from_str(&said).map_err(|error| error.to_string())?;
    let is_concerned = |endpoint: &&Value| {
        let name = endpoint.pointer("/status/external-identifiers/pod-name").and_then(Value::as_str);
        name.is_some_and(|name| concerned.iter().any(|pod| pod.to_string() == name))
    };
    let ours: Vec<&Value> = endpoints.iter().filter(is_concerned).collect();
    serde_json::to_string_pretty(&ours).map_err(|error| error.to_string())
}

async fn log_of(cluster: &Cluster, agent: &PodContainer) -> Result<String, ApiError> {
    let pods: Api<Pod> = Api::namespaced(cluster.connection().client().clone(), &agent.namespace);
    let parameters = LogParams {
        container: Some(agent.container.clone()),
        tail_lines: Some(LOG_LINES),
        limit_bytes: Some(LOG_BYTES),
        ..LogParams::default()
    };
    let object = ApiObject::new(POD, Some(&agent.namespace), &agent.pod);
    cluster.connection().ask(&format!("read the log of {object}"), pods.logs(&agent.pod, &parameters)).await
}
