//! Borrowed pods: existing pods that a run uses, and never removes, relabels or restarts.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{Order, Resolver};

use super::{Cluster, ClusterError};
use crate::borrow::{self, Borrowed, BorrowedPod};
use crate::exec::PodContainer;
use crate::objects::{self, ApiObject, POD, metadata};
use crate::pods::{PodObstacle, placed_on};
use crate::probe;
use crate::wait::{self, Wait, WaitState};

impl Cluster {
    /// The contents of the borrowed namespaces when this cluster was opened.
    pub fn borrowed(&self) -> &Borrowed {
        &self.borrowed
    }

    /// Whether an endpoint is a borrowed pod.
    pub fn is_borrowed(&self, endpoint: &Endpoint) -> bool {
        self.borrowed_pod(endpoint).is_some()
    }

    fn borrowed_pod(&self, endpoint: &Endpoint) -> Option<(&NamespacedName, &BorrowedPod)> {
        match endpoint {
            Endpoint::Pod(name) => self.borrowed.pods.get_key_value(name),
            _ => None,
        }
    }

    /// The nodes that run the borrowed pods among these endpoints.
    pub(super) fn borrowed_on(&self, endpoints: impl Iterator<Item = Endpoint>) -> BTreeSet<&str> {
        let borrowed_pod = endpoints
            .filter_map(|endpoint| self.borrowed_pod(&endpoint).map(|(_, borrowed_pod)| borrowed_pod));
        borrowed_pod.filter_map(|borrowed_pod| borrowed_pod.node.as_deref()).collect()
    }

    /// The node that runs a pod of the topology.
    pub(crate) fn node_of(&self, pod: &NamespacedName) -> Option<&str> {
        if let Some(borrowed_pod) = self.borrowed.pods.get(pod) {
            return borrowed_pod.node.as_deref();
        }
        let made = self.pods.get(&Endpoint::Pod(pod.clone()));
        made.and_then(placed_on).or_else(|| self.pods_on())
    }

    /// Starts a probe in each borrowed pod that has none, one after the other: each changes its pod.
    pub(super) async fn start_borrowed(
        &mut self,
        wanted: &BTreeMap<Endpoint, Value>,
    ) -> Result<(), ClusterError> {
        for (endpoint, pod) in wanted {
            let Some((name, borrowed_pod)) =
                self.borrowed_pod(endpoint).filter(|_| !self.probes.is_there(endpoint))
            else {
                continue;
            };
            let container = self.add_probe(name, borrowed_pod).await?;
            probe::attach(&self.connection, &container).await?.join(&mut self.probes, endpoint.clone());
            // A probe that gets no order for a while assumes that its run is dead. This order changes nothing.
            self.probes.tell(endpoint, Order::Resolve(Resolver::default()));
            self.pods.insert(endpoint.clone(), pod.clone());
        }
        Ok(())
    }

    /// Adds a probe's container to a pod, and waits until it runs.
    async fn add_probe(
        &self,
        name: &NamespacedName,
        borrowed_pod: &BorrowedPod,
    ) -> Result<PodContainer, ClusterError> {
        let object = ApiObject::named(POD, name);
        let replaced = || ClusterError::Pod {
            reason: format!("{object} was removed or replaced since the run began"),
            events: Vec::new(),
        };
        let present = objects::get(&self.connection, &object).await?;
        let present =
            present.filter(|pod| metadata(pod, "uid") == Some(&borrowed_pod.uid)).ok_or_else(replaced)?;
        let container = PodContainer {
            namespace: name.namespace.to_string(),
            pod: name.name.to_string(),
            container: borrow::next_name(&present, &self.options.run),
        };
        let change = borrow::addition(&borrowed_pod.uid, &container.container, &self.options.image);
        objects::add_container(&self.connection, &object, &change).await?;
        let what = format!("wait until the probe of {object} runs");
        let wait =
            Wait { what: &what, deadline: self.options.pod_deadline, progress: &self.options.progress };
        let look = |seen: &wait::Seen<Pod>| match seen.values().next() {
            None => WaitState::Never(format!("{object} does not exist any more")),
            Some(pod) => match borrow::state(pod, &container.container) {
                PodObstacle::Ready => WaitState::Done(()),
                PodObstacle::Waiting(why) => WaitState::NotYet(format!("{object}: {why}")),
                PodObstacle::Failed(why) => {
                    WaitState::Never(format!("the probe of {object} never runs: {why}"))
                }
            },
        };
        let watched = vec![wait::named(&self.connection, POD, Some(&container.namespace), &container.pod)];
        wait::until(&self.connection, wait, watched, look).await.map_err(ClusterError::unready)?;
        Ok(container)
    }
}
