//! Reads and writes objects of the API server as untyped JSON.

use std::collections::BTreeMap;
use std::fmt;

use http::Request;
use http::request::Builder;
use serde_json::{Value, json};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::PolicyKind;
use verdikt_scenario::scenario::FieldValidation;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::mark::{FIELD_MANAGER, OWNED, OWNER, OWNER_KEY, RunId};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceKind {
    /// Its name, as manifests have it.
    pub kind: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The version of the group.
    pub version: &'static str,
    /// Its plural name, as in paths.
    pub plural: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// A kind whose objects live in namespaces.
pub(crate) const fn namespaced(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
) -> ResourceKind {
    ResourceKind { kind, group, version, plural, namespaced: true }
}

/// A kind whose objects live in no namespace.
pub(crate) const fn clusterwide(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
) -> ResourceKind {
    ResourceKind { kind, group, version, plural, namespaced: false }
}

/// Namespaces.
pub const NAMESPACE: ResourceKind = clusterwide("Namespace", "", "v1", "namespaces");
/// Pods.
pub const POD: ResourceKind = namespaced("Pod", "", "v1", "pods");
/// Events.
pub const EVENT: ResourceKind = namespaced("Event", "", "v1", "events");
/// Services.
pub const SERVICE: ResourceKind = namespaced("Service", "", "v1", "services");
/// Service accounts.
pub const SERVICE_ACCOUNT: ResourceKind = namespaced("ServiceAccount", "", "v1", "serviceaccounts");
/// Endpoint slices.
pub const ENDPOINT_SLICE: ResourceKind =
    namespaced("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices");
/// Leases.
pub const LEASE: ResourceKind = namespaced("Lease", "coordination.k8s.io", "v1", "leases");
/// Cilium's identities.
pub const CILIUM_IDENTITY: ResourceKind =
    clusterwide("CiliumIdentity", "cilium.io", "v2", "ciliumidentities");
/// Cilium's endpoints.
pub const CILIUM_ENDPOINT: ResourceKind = namespaced("CiliumEndpoint", "cilium.io", "v2", "ciliumendpoints");

/// Local redirect policies.
pub const LOCAL_REDIRECT_POLICY: ResourceKind =
    namespaced("CiliumLocalRedirectPolicy", "cilium.io", "v2", "ciliumlocalredirectpolicies");

/// The kinds of policies, clusterwide ones first: they are removed in this order.
pub const POLICIES: &[ResourceKind] = &[
    policy(PolicyKind::ClusterNetworkPolicy, 0),
    policy(PolicyKind::CiliumClusterwideNetworkPolicy, 0),
    policy(PolicyKind::CiliumNetworkPolicy, 0),
    policy(PolicyKind::NetworkPolicy, 0),
    policy(PolicyKind::CiliumCidrGroup, 0),
    // Older clusters serve only this version.
    policy(PolicyKind::CiliumCidrGroup, 1),
];

/// A kind of policy in one of the versions of its API.
const fn policy(policy: PolicyKind, version: usize) -> ResourceKind {
    let version = policy.versions()[version];
    ResourceKind {
        kind: policy.name(),
        group: policy.group(),
        version,
        plural: policy.plural(),
        namespaced: policy.is_namespaced(),
    }
}

impl ResourceKind {
    /// Whether the [mark](crate::mark) of its objects is in annotations, because their labels become part of identities.
    pub(crate) fn is_marked_by_annotations(self) -> bool {
        matches!(self.plural, "namespaces" | "pods" | "ciliumcidrgroups")
    }

    /// The path of all objects of the kind, or of those of one namespace.
    fn collection(&self, namespace: Option<&str>) -> String {
        let base = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{}", self.plural),
            None => format!("{base}/{}", self.plural),
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiObject {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ApiObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        f.pad(&format!("{} {namespace}{}", self.kind.kind, self.name))
    }
}

impl ApiObject {
    /// An object of a kind; the namespace is ignored for clusterwide kinds.
    pub fn new(kind: ResourceKind, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.filter(|_| kind.namespaced).map(str::to_owned);
        Self { kind, namespace, name: name.to_owned() }
    }

    /// An object that lives in a namespace.
    pub fn named(kind: ResourceKind, name: &NamespacedName) -> Self {
        Self::new(kind, Some(name.namespace.as_str()), name.name.as_str())
    }

    fn path(&self) -> String {
        format!("{}/{}", self.kind.collection(self.namespace.as_deref()), self.name)
    }
}

/// The value of the query parameter `fieldValidation`.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level>
fn field_validation_parameter(validation: FieldValidation) -> &'static str {
    match validation {
        FieldValidation::Strict => "Strict",
        FieldValidation::Ignore => "Ignore",
    }
}

async fn call(
    connection: &ApiConnection,
    what: &str,
    builder: Builder,
    body: &Value,
) -> Result<Value, ApiError> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = builder.body(body).map_err(kube::Error::HttpError);
    connection.ask(what, async { connection.client().request::<Value>(request?).await }).await
}

/// Reads an object; none if it does not exist.
pub async fn get(connection: &ApiConnection, object: &ApiObject) -> Result<Option<Value>, ApiError> {
    let request = Request::get(object.path());
    match call(connection, &format!("read {object}"), request, &Value::Null).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates an object. Returns it as the API server stored it.
pub async fn create(
    connection: &ApiConnection,
    object: &ApiObject,
    body: &Value,
    validation: FieldValidation,
) -> Result<Value, ApiError> {
    let path = object.kind.collection(object.namespace.as_deref());
    let query =
        format!("fieldManager={FIELD_MANAGER}&fieldValidation={}", field_validation_parameter(validation));
    let request = Request::post(format!("{path}?{query}")).header("content-type", "application/json");
    call(connection, &format!("create {object}"), request, body).await
}

/// Replaces an object; the body contains the resource version that it replaces.
pub async fn replace(
    connection: &ApiConnection,
    object: &ApiObject,
    body: &Value,
    validation: FieldValidation,
) -> Result<Value, ApiError> {
    let query =
        format!("fieldManager={FIELD_MANAGER}&fieldValidation={}", field_validation_parameter(validation));
    let request =
        Request::put(format!("{}?{query}", object.path())).header("content-type", "application/json");
    call(connection, &format!("change {object}"), request, body).await
}

/// Changes the given fields of an object's status; null removes a field.
pub async fn merge_status(
    connection: &ApiConnection,
    object: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    let what = format!("change the status of {object}");
    patch(connection, &what, (object, "/status"), "merge", change).await
}

/// Changes the given fields of an object; null removes a field.
pub async fn merge(
    connection: &ApiConnection,
    object: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    patch(connection, &format!("change {object}"), (object, ""), "merge", change).await
}

/// Adds ephemeral containers to a pod, by the subresource that is the only way to do so.
/// <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>
pub(crate) async fn add_container(
    connection: &ApiConnection,
    pod: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    let what = format!("add a probe to {pod}");
    patch(connection, &what, (pod, "/ephemeralcontainers"), "strategic-merge", change).await
}

/// Patches an object or one of its subresources, with one of the patch types of Kubernetes.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply>
async fn patch(
    connection: &ApiConnection,
    what: &str,
    (object, part): (&ApiObject, &str),
    manner: &str,
    change: &Value,
) -> Result<Value, ApiError> {
    let path = format!("{}{part}?fieldManager={FIELD_MANAGER}", object.path());
    let request = Request::patch(path).header("content-type", format!("application/{manner}-patch+json"));
    call(connection, what, request, change).await
}

/// Removes an object and its dependents without a grace period. The UID keeps it from a later object of the same name,
/// which may not be verdikt's. Returns false if it did not exist.
pub async fn delete(connection: &ApiConnection, object: &ApiObject, uid: &str) -> Result<bool, ApiError> {
    let mut options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": {"uid": uid},
    });
    if object.kind == POD {
        options["gracePeriodSeconds"] = json!(0);
    }
    let request = Request::delete(object.path()).header("content-type", "application/json");
    match call(connection, &format!("remove {object}"), request, &options).await {
        Ok(_) => Ok(true),
        // No object has the name, or another one has it.
        Err(error) if error.is_absent() || error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lists the objects of a kind that were created for a run, or for any run. Namespaces and pods are reduced to their
/// metadata.
pub async fn marked(
    connection: &ApiConnection,
    kind: ResourceKind,
    run: Option<&RunId>,
) -> Result<Vec<Value>, ApiError> {
    if !kind.is_marked_by_annotations() {
        let selector = run.map_or_else(|| OWNED.to_owned(), RunId::selector);
        return list(connection, kind, None, Some(&selector)).await;
    }
    // Policies are read whole, as evidence; clusters have few of them.
    let form = if POLICIES.contains(&kind) { WHOLE } else { METADATA };
    pages(connection, kind, form, (None, None), |object| match run {
        Some(run) => run.made(|key| mark(object, key)),
        None => mark(object, OWNER_KEY) == Some(OWNER),
    })
    .await
}

/// Lists the objects of a kind that a label selector selects, in one namespace or in all. Returns none for a kind that
/// the API server does not serve.
pub async fn list(
    connection: &ApiConnection,
    kind: ResourceKind,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Value>, ApiError> {
    select(connection, kind, namespace, selector, |_| true).await
}

/// Lists the objects for which `keep` holds, page by page: a large cluster has more than fit into memory.
pub async fn select(
    connection: &ApiConnection,
    kind: ResourceKind,
    namespace: Option<&str>,
    selector: Option<&str>,
    keep: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, ApiError> {
    pages(connection, kind, WHOLE, (namespace, selector), keep).await
}

/// The media types for whole objects, and for their metadata alone.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>
const WHOLE: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

async fn pages(
    connection: &ApiConnection,
    kind: ResourceKind,
    form: &str,
    (namespace, selector): (Option<&str>, Option<&str>),
    keep: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, ApiError> {
    let mut found = Vec::new();
    let mut from = String::new();
    loop {
        let selector =
            selector.map(|selector| format!("&labelSelector={}", encode(selector))).unwrap_or_default();
        let path = format!("{}?limit=500{selector}{from}", kind.collection(namespace));
        let request = Request::get(path).header("accept", form);
        let page = call(connection, &format!("list {}", kind.plural), request, &Value::Null).await;
        let mut page = match page {
            Err(error) if error.is_absent() => return Ok(found),
            other => other?,
        };
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            found.extend(items.into_iter().filter(&keep));
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(next) if !next.is_empty() => from = format!("&continue={}", encode(next)),
            _ => return Ok(found),
        }
    }
}

/// Counts the objects of a kind without reading them; none if the API server does not serve the kind.
pub(crate) async fn count(connection: &ApiConnection, kind: ResourceKind) -> Result<Option<usize>, ApiError> {
    let request = Request::get(format!("{}?limit=1", kind.collection(None))).header("accept", METADATA);
    let page = match call(connection, &format!("count {}", kind.plural), request, &Value::Null).await {
        Err(error) if error.is_absent() => return Ok(None),
        page => page?,
    };
    let first = page["items"].as_array().map_or(0, Vec::len);
    let others = page.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or_default();
    Ok(Some(first.saturating_add(usize::try_from(others).unwrap_or(usize::MAX))))
}

/// Percent-encodes a text for a query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A text field of an object's metadata.
pub(crate) fn metadata<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// A label of an object.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// A mark of an object: an annotation, or otherwise a label.
pub(crate) fn mark<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    let annotation = object.get("metadata")?.get("annotations").and_then(|it| it.get(key)?.as_str());
    annotation.or_else(|| label(object, key))
}

/// The labels of an object.
pub(crate) fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The name of an object that lives in a namespace.
pub(crate) fn namespaced_name(object: &Value) -> Option<NamespacedName> {
    format!("{}/{}", metadata(object, "namespace")?, metadata(object, "name")?).parse().ok()
}

#[cfg(test)]
mod tests;
