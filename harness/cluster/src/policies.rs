//! Applies the policies of each step, and removes those that the step does not have.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use verdikt_scenario::policy::{Manifest, Refuser};
use verdikt_scenario::scenario::FieldValidation;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::manifest;
use crate::mark::{OWNER, OWNER_KEY, RunId};
use crate::objects::{self, ApiObject, mark, metadata};

/// How often a change is retried after a conflict.
const CONFLICTS: u32 = 5;

/// Why policies cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The object exists, and verdikt did not create it.
    #[error("{object} exists and is not verdikt's: rename it in the scenario, or remove it from the cluster")]
    Foreign {
        /// The object.
        object: String,
    },
    /// It would select pods that verdikt did not create.
    #[error(
        "{object} would act in the namespace {namespace}, which is not verdikt's: use a namespace of the scenario, or allow its use with `--borrow`"
    )]
    ForeignNamespace {
        /// The object.
        object: String,
        /// The namespace.
        namespace: String,
    },
}

/// An object that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRefusal {
    /// Who refused it.
    pub by: Refuser,
    /// The message.
    pub message: String,
}

/// The policies of a run that the API server has stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPolicies {
    objects: BTreeMap<ApiObject, Version>,
}

/// An object as it was last sent.
#[derive(Clone, Debug, PartialEq)]
struct Version {
    uid: String,
    body: Value,
    validation: FieldValidation,
}

impl StoredPolicies {
    /// The objects.
    pub fn objects(&self) -> impl Iterator<Item = &ApiObject> {
        self.objects.keys()
    }

    /// The objects with their UIDs.
    pub(crate) fn uids(&self) -> impl Iterator<Item = (&ApiObject, &String)> {
        self.objects.iter().map(|(object, version)| (object, &version.uid))
    }
}

/// The result of applying policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedPolicies {
    /// The refusals of the API server, by the index of the manifest. The stored version of a refused object stays.
    pub refused: BTreeMap<usize, ClusterRefusal>,
    /// The objects of the manifests that it accepted, by index.
    pub stored: BTreeMap<usize, ApiObject>,
    /// The objects that were created, changed or removed.
    pub touched: BTreeSet<ApiObject>,
}

/// Where policies may be created.
#[derive(Clone, Copy, Debug)]
pub struct PolicyContext<'a> {
    /// The namespaces of the run, and those that it borrows.
    pub namespaces: &'a BTreeSet<String>,
    /// The run.
    pub run: &'a RunId,
}

/// Makes these the policies of the run. Each document is sent as it was written; an object that is already stored with
/// the same values is not sent again.
///
/// Objects are created and replaced as by `kubectl create` and `kubectl replace`. Server-side apply refuses unknown
/// fields whatever field validation is asked for, so it could not test documents whose unknown fields the API server
/// drops.
pub async fn apply(
    connection: &ApiConnection,
    stored: &mut StoredPolicies,
    manifests: &[Manifest],
    validation: FieldValidation,
    context: PolicyContext<'_>,
) -> Result<AppliedPolicies, PolicyError> {
    let mut applied = AppliedPolicies::default();
    let named: Vec<Result<ApiObject, String>> = manifests.iter().map(manifest::object).collect();
    let listed: BTreeSet<&ApiObject> = named.iter().flatten().collect();
    let stale: Vec<ApiObject> =
        stored.objects.keys().filter(|object| !listed.contains(object)).cloned().collect();
    for object in stale {
        if let Some(version) = stored.objects.get(&object) {
            objects::delete(connection, &object, &version.uid).await?;
        }
        stored.objects.remove(&object);
        applied.touched.insert(object);
    }
    for (index, (manifest, object)) in manifests.iter().zip(named).enumerate() {
        let object = match object {
            Ok(object) => object,
            Err(message) => {
                applied.refused.insert(index, ClusterRefusal { by: Refuser::ApiServer, message });
                continue;
            }
        };
        let body = manifest::json(&manifest.root);
        let same = stored
            .objects
            .get(&object)
            .is_some_and(|version| version.body == body && version.validation == validation);
        if same {
            applied.stored.insert(index, object);
            continue;
        }
        guard(connection, &object, context).await?;
        match put(connection, &object, &manifest::marked(object.kind, body.clone(), context.run), validation)
            .await?
        {
            Ok(uid) => {
                stored.objects.insert(object.clone(), Version { uid, body, validation });
                applied.touched.insert(object.clone());
                applied.stored.insert(index, object);
            }
            Err(message) => {
                applied.refused.insert(index, ClusterRefusal { by: Refuser::ApiServer, message });
            }
        }
    }
    Ok(applied)
}

/// Refuses namespaces that the run neither created nor borrows. One that does not exist is left to the API server.
async fn guard(
    connection: &ApiConnection,
    object: &ApiObject,
    context: PolicyContext<'_>,
) -> Result<(), PolicyError> {
    let Some(namespace) = &object.namespace else { return Ok(()) };
    if context.namespaces.contains(namespace) {
        return Ok(());
    }
    let found = objects::get(connection, &ApiObject::new(objects::NAMESPACE, None, namespace)).await?;
    if found.is_none() {
        return Ok(());
    }
    Err(PolicyError::ForeignNamespace { object: object.to_string(), namespace: namespace.clone() })
}

/// Creates or replaces an object. Returns its UID, or the message with which the API server refused it.
async fn put(
    connection: &ApiConnection,
    object: &ApiObject,
    body: &Value,
    validation: FieldValidation,
) -> Result<Result<String, String>, PolicyError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let found = if object.name.is_empty() { None } else { objects::get(connection, object).await? };
        let answer = match found {
            None => objects::create(connection, object, body, validation).await,
            Some(found) if mark(&found, OWNER_KEY) != Some(OWNER) => {
                return Err(PolicyError::Foreign { object: object.to_string() });
            }
            Some(found) => replace(connection, object, body, &found, validation).await,
        };
        return match answer {
            Ok(made) => Ok(Ok(metadata(&made, "uid").unwrap_or_default().to_owned())),
            Err(error) if error.is_conflict() && tries < CONFLICTS => continue,
            Err(ApiError::Refused { reason, status, .. })
                if (400..500).contains(&status) && status != 429 =>
            {
                Ok(Err(reason))
            }
            // The namespace or the kind does not exist.
            Err(ApiError::Absent { reason, .. }) => Ok(Err(reason)),
            Err(error) => Err(error.into()),
        };
    }
}

async fn replace(
    connection: &ApiConnection,
    object: &ApiObject,
    body: &Value,
    found: &Value,
    validation: FieldValidation,
) -> Result<Value, ApiError> {
    let mut body = body.clone();
    if let (Some(metadata), Some(version)) =
        (body.get_mut("metadata").and_then(Value::as_object_mut), metadata(found, "resourceVersion"))
    {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    let replaced = objects::replace(connection, object, &body, validation).await?;
    // The status still has the condition of the version before, which would be taken for that of this one.
    if replaced.pointer("/status/conditions").is_some() {
        objects::merge_status(connection, object, &json!({"status": {"conditions": null}})).await?;
    }
    Ok(replaced)
}
