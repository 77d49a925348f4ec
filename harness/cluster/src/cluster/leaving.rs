//! Removes the objects of the step before that a step does not have.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::topology::{Endpoint, Topology};

use super::populate::{AT_ONCE, pod_object};
use super::{Cluster, ClusterError};
use crate::error::ApiError;
use crate::objects::{self, ApiObject, POD, metadata};
use crate::wait::{self, Wait, WaitError, WaitState};

impl Cluster {
    /// Removes what the new topology does not have, and waits until its pods are gone.
    pub(super) async fn remove_leaving(
        &mut self,
        topology: &Topology,
        wanted: &BTreeMap<Endpoint, Value>,
    ) -> Result<(), ClusterError> {
        let stays = |endpoint: &Endpoint, present: &Value| {
            let wanted = wanted.get(endpoint);
            wanted.is_some_and(|wanted| self.is_borrowed(endpoint) || same_but_labels(present, wanted))
        };
        let leaving: Vec<Endpoint> = self
            .pods
            .iter()
            .filter(|(endpoint, present)| !stays(endpoint, present))
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        let mut removed = BTreeSet::new();
        for endpoint in leaving {
            self.addresses.endpoints.remove(&endpoint);
            self.probes.remove(&endpoint);
            let made = self.pods.remove(&endpoint).filter(|_| !self.is_borrowed(&endpoint));
            if let Some(object) = made.map(|pod| pod_object(&pod)) {
                self.remove(&object).await?;
                removed.insert(object);
            }
        }
        self.wait_gone(&removed).await?;
        let services = self.wanted_services(topology);
        let stale: Vec<ApiObject> =
            self.created.keys().filter(|it| !services.contains_key(*it)).cloned().collect();
        for object in stale {
            if object.kind != objects::SERVICE_ACCOUNT {
                self.remove(&object).await?;
                self.created.remove(&object);
            }
        }
        let gone: Vec<(NamespaceName, String)> = self
            .namespaces
            .iter()
            .filter(|(name, _)| !topology.namespaces.contains_key(*name))
            .map(|(name, uid)| (name.clone(), uid.clone()))
            .collect();
        for (name, uid) in gone {
            let object = ApiObject::new(objects::NAMESPACE, None, name.as_str());
            objects::delete(&self.connection, &object, &uid).await?;
            self.created.retain(|object, _| object.namespace.as_deref() != Some(name.as_str()));
            self.uids.retain(|object, _| object.namespace.as_deref() != Some(name.as_str()));
            self.namespaces.remove(&name);
        }
        Ok(())
    }

    /// Removes everything that was created for the scenario except its namespaces. Policies go first, so that no policy
    /// cuts off a pod that is still there. Waits until the agents have dropped clusterwide policies and local redirect
    /// policies, which could affect the next scenario.
    pub async fn remove_all(self) -> Result<(), ClusterError> {
        let canaries = self.canaries.iter().map(|(object, uid)| (object, uid));
        self.remove_each(self.stored.uids().chain(canaries)).await?;
        let clusterwide = self.stored.uids().filter(|(object, _)| !object.kind.namespaced);
        let clusterwide: Vec<String> = clusterwide.map(|(_, uid)| uid.clone()).collect();
        self.wait_forgotten(&clusterwide).await;
        self.remove_each(&self.uids).await?;
        self.await_no_redirects().await
    }

    async fn remove_each<'a>(
        &self,
        objects: impl IntoIterator<Item = (&'a ApiObject, &'a String)>,
    ) -> Result<(), ApiError> {
        let removed =
            stream::iter(objects).map(|(object, uid)| objects::delete(&self.connection, object, uid));
        removed.buffer_unordered(AT_ONCE).try_fold((), async |(), _| Ok(())).await
    }

    /// Removes an object that this run created, and no other object of the same name.
    pub(super) async fn remove(&mut self, object: &ApiObject) -> Result<(), ApiError> {
        if let Some(uid) = self.uids.get(object) {
            objects::delete(&self.connection, object, uid).await?;
        }
        self.uids.remove(object);
        Ok(())
    }

    /// Remembers the UID of a created object, so that only this object is removed later.
    pub(super) fn remember_uid(&mut self, object: ApiObject, made: &Value) {
        self.uids.insert(object, metadata(made, "uid").unwrap_or_default().to_owned());
    }

    async fn wait_gone(&self, removed: &BTreeSet<ApiObject>) -> Result<(), ClusterError> {
        let namespaces: BTreeSet<&str> =
            removed.iter().filter_map(|object| object.namespace.as_deref()).collect();
        let watched = self.all(POD, namespaces);
        let what = "wait until pods of the step before have gone";
        let wait = Wait { what, deadline: self.options.pod_deadline, progress: &self.options.progress };
        if removed.is_empty() {
            return Ok(());
        }
        let looked = |seen: &wait::Seen<Pod>| {
            let left = removed.iter().find(|object| {
                seen.contains_key(&(object.namespace.clone().unwrap_or_default(), object.name.clone()))
            });
            left.map_or(WaitState::Done(()), |object| WaitState::NotYet(object.to_string()))
        };
        wait::until(&self.connection, wait, watched, looked).await.map_err(|late| match late {
            WaitError::Api(error) => error.into(),
            WaitError::Deadline { last, .. } | WaitError::Failed(last) => {
                ClusterError::Object { object: last, reason: "it is still being removed".to_owned() }
            }
        })
    }
}

/// Whether an existing pod can be kept: only its labels can be changed.
fn same_but_labels(present: &Value, wanted: &Value) -> bool {
    present.get("spec") == wanted.get("spec")
}
