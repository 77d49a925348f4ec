//! Objects as the API server takes and gives them: JSON, untyped.

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
    /// What paths call it.
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
/// Events: what Kubernetes and others tell of an object.
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

/// The kinds of policies, clusterwide ones first: in this order they are removed.
pub const POLICIES: [ResourceKind; 6] = [
    policy(PolicyKind::ClusterNetworkPolicy, 0),
    policy(PolicyKind::CiliumClusterwideNetworkPolicy, 0),
    policy(PolicyKind::CiliumNetworkPolicy, 0),
    policy(PolicyKind::NetworkPolicy, 0),
    policy(PolicyKind::CiliumCidrGroup, 0),
    // Older clusters know it by this version only.
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
    /// Whether the [mark](crate::mark) of its objects stands in annotations, because their labels enter identities.
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
    /// An object of a kind; the namespace counts only where the kind has one.
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

/// An object; none if it is not there.
pub async fn get(connection: &ApiConnection, object: &ApiObject) -> Result<Option<Value>, ApiError> {
    let request = Request::get(object.path());
    match call(connection, &format!("read {object}"), request, &Value::Null).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes an object; what the API server made of it.
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

/// Replaces an object; the body carries the version it replaces.
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

/// Changes the fields of an object's status that are given; null removes one.
pub async fn merge_status(
    connection: &ApiConnection,
    object: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    let what = format!("change the status of {object}");
    patch(connection, &what, (object, "/status"), "merge", change).await
}

/// Changes the fields that are given; null removes one.
pub async fn merge(
    connection: &ApiConnection,
    object: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    patch(connection, &format!("change {object}"), (object, ""), "merge", change).await
}

/// Gives a pod what is in the change: ephemeral containers, which a pod takes in no other way.
/// <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>
pub(crate) async fn add_container(
    connection: &ApiConnection,
    pod: &ApiObject,
    change: &Value,
) -> Result<Value, ApiError> {
    let what = format!("add a probe to {pod}");
    patch(connection, &what, (pod, "/ephemeralcontainers"), "strategic-merge", change).await
}

/// Changes an object, or a part of it by a path of its own, in one of the manners that Kubernetes has for it.
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

/// Asks for an object to be removed, at once and with all that depends on it: the one with this UID, and no later one of
/// the same name, which may not be verdikt's. False if it was not there.
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
        // There is nothing of the name, or something else.
        Err(error) if error.is_absent() || error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The objects of a kind that were made for a run, or for any; in one namespace or in all. Of those whose marks are
/// annotations, namespaces and pods come as their metadata.
pub async fn marked(
    connection: &ApiConnection,
    kind: ResourceKind,
    run: Option<&RunId>,
) -> Result<Vec<Value>, ApiError> {
    if !kind.is_marked_by_annotations() {
        let selector = run.map_or_else(|| OWNED.to_owned(), RunId::selector);
        return list(connection, kind, None, Some(&selector)).await;
    }
    // Policies are kept as evidence, and clusters have few of such kinds.
    let form = if POLICIES.contains(&kind) { WHOLE } else { METADATA };
    pages(connection, kind, form, (None, None), |object| match run {
        Some(run) => run.made(|key| mark(object, key)),
        None => mark(object, OWNER_KEY) == Some(OWNER),
    })
    .await
}

/// Every object of a kind, in one namespace or in all, that a label selector selects. A kind the API server does not
/// know has none.
pub async fn list(
    connection: &ApiConnection,
    kind: ResourceKind,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Value>, ApiError> {
    select(connection, kind, namespace, selector, |_| true).await
}

/// The same, of those that are to be kept: a large cluster has more than fit into memory.
pub async fn select(
    connection: &ApiConnection,
    kind: ResourceKind,
    namespace: Option<&str>,
    selector: Option<&str>,
    keep: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, ApiError> {
    pages(connection, kind, WHOLE, (namespace, selector), keep).await
}

/// What is asked for: objects as they are, or their metadata alone, which is what a list of them is for.
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

/// How many objects of a kind there are, without reading them; none if the API server does not know the kind.
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

/// A text as part of a query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A text in an object's metadata.
pub(crate) fn metadata<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// A label of an object.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The mark of an object: an annotation, or else a label.
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
