//! Creates the objects of a topology: namespaces, service accounts, services, pods.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use serde_json::{Value, json};
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::{
    DNS_POD, DNS_SERVICE, Endpoint, NAMESPACE_NAME_LABEL, Topology, is_own_service,
};

use super::place::{NodePlaces, choose_places};
use super::{Cluster, ClusterError};
use crate::error::ApiError;
use crate::exec::PodContainer;
use crate::mark::SYSTEM_NAMESPACE;
use crate::namespaces;
use crate::objects::{
    self, ApiObject, LOCAL_REDIRECT_POLICY, POD, ResourceKind, SERVICE_ACCOUNT, labels_of, metadata,
    namespaced_name,
};
use crate::pods::{self, PROBE_CONTAINER, PodObstacle};
use crate::probe;
use crate::redirects;
use crate::services;
use crate::wait::{self, Wait, WaitError, WaitState};

/// How many objects are created at once.
pub(super) const AT_ONCE: usize = 8;

impl Cluster {
    /// Creates the objects of a topology, removes those of the step before that it does not have, and starts the probes.
    pub(super) async fn populate(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let borrowed_on = self.borrowed_on(topology.pods.keys().cloned().map(Endpoint::Pod));
        let places = choose_places(&self.facts, topology, &borrowed_on)?;
        let wanted = self.wanted_pods(topology, &places);
        let are_made = self.made_ahead.take().as_ref() == Some(topology);
        if !are_made {
            self.remove_leaving(topology, &wanted).await?;
            self.ensure_namespaces(topology).await?;
            self.ensure_accounts(topology).await?;
        }
        self.ensure_world(topology).await?;
        self.learn_nodes(&places);
        self.ensure_services(topology).await?;
        if !are_made {
            self.ensure_pods(&wanted).await?;
            self.learn_addresses(&wanted, &places).await?;
        }
        let headless = services::headless(topology, &self.addresses);
        self.addresses.services.extend(headless);
        self.find_exposed_ports(topology).await?;
        self.await_redirects(topology).await
    }

    /// Creates the pods of a topology in advance and starts their probes, before its services exist.
    pub async fn make_pods(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let borrowed_on = self.borrowed_on(topology.pods.keys().cloned().map(Endpoint::Pod));
        let places = choose_places(&self.facts, topology, &borrowed_on)?;
        let wanted = self.wanted_pods(topology, &places);
        self.ensure_namespaces(topology).await?;
        self.ensure_accounts(topology).await?;
        self.ensure_pods(&wanted).await?;
        self.learn_addresses(&wanted, &places).await?;
        self.made_ahead = Some(topology.clone());
        Ok(())
    }

    /// Records the addresses of the nodes in use, which services may have as backends.
    fn learn_nodes(&mut self, places: &NodePlaces) {
        for (name, node) in &places.nodes {
            let addresses = self.facts.nodes.get(node).map(|node| node.addresses.clone()).unwrap_or_default();
            self.addresses.endpoints.insert(Endpoint::Node(name.clone()), addresses);
        }
    }

    /// The pods to create, by endpoint: those of the topology except the cluster's own DNS, and one for each node in use.
    fn wanted_pods(&self, topology: &Topology, places: &NodePlaces) -> BTreeMap<Endpoint, Value> {
        let (image, run) = (&self.options.image, &self.options.run);
        let pods = topology.pods.iter().filter(|(name, _)| name.to_string() != DNS_POD).map(|(name, pod)| {
            let manifest = match &pod.host_network {
                None => pods::manifest(name, pod, image, run, Some(&places.pods)),
                Some(node) => {
                    let node = places.nodes.get(node).unwrap_or(&places.pods.node);
                    pods::host_network_manifest(name, pod, image, run, node)
                }
            };
            (Endpoint::Pod(name.clone()), manifest)
        });
        let nodes = places.nodes.iter().map(|(name, node)| {
            // The node pods of all scenarios are in one namespace.
            let pod = format!("node-{name}-{run}");
            (Endpoint::Node(name.clone()), pods::node_manifest(&pod, image, run, node))
        });
        pods.chain(nodes).collect()
    }

    async fn ensure_namespaces(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let ours = topology
            .namespaces
            .iter()
            .filter(|(name, _)| !self.options.borrowed.contains(*name) && is_used(topology, name));
        let (connection, run, progress) = (&self.connection, &self.options.run, &self.options.progress);
        let ensured = stream::iter(ours).map(|(name, labels)| async move {
            let uid = namespaces::ensure(connection, name, labels, run, progress).await?;
            Ok::<_, ClusterError>((name.clone(), uid))
        });
        let ensured: Vec<(NamespaceName, String)> = ensured.buffer_unordered(AT_ONCE).try_collect().await?;
        self.namespaces.extend(ensured);
        Ok(())
    }

    /// Creates the service accounts, and waits for those that Kubernetes creates: no pod is admitted before.
    async fn ensure_accounts(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let pods = topology.pods.iter().filter(|(name, _)| name.to_string() != DNS_POD);
        let accounts: BTreeSet<(String, String)> = pods
            .map(|(name, pod)| {
                (
                    name.namespace.to_string(),
                    pod.service_account.clone().unwrap_or_else(|| "default".to_owned()),
                )
            })
            .chain([(SYSTEM_NAMESPACE.to_owned(), "default".to_owned())])
            .collect();
        for (namespace, account) in accounts.iter().filter(|(_, account)| account != "default") {
            let object = ApiObject::new(objects::SERVICE_ACCOUNT, Some(namespace), account);
            let body = json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"namespace": namespace, "name": account, "labels": self.options.run.marks()},
            });
            if self.created.contains_key(&object) {
                continue;
            }
            match objects::create(&self.connection, &object, &body, FieldValidation::Strict).await {
                Err(error) if error.is_conflict() => {}
                made => self.remember_uid(object.clone(), &made?),
            }
            self.created.insert(object, body);
        }
        let namespaces: BTreeSet<&str> = accounts.iter().map(|(namespace, _)| namespace.as_str()).collect();
        let watched = self.all(SERVICE_ACCOUNT, namespaces);
        let what = "wait until the service accounts exist";
        let wait = Wait { what, deadline: self.options.pod_deadline, progress: &self.options.progress };
        let looked = |seen: &wait::Seen<ServiceAccount>| {
            let missing = accounts.iter().find(|account| !seen.contains_key(*account));
            missing.map_or(WaitState::Done(()), |(namespace, name)| {
                WaitState::NotYet(format!("{namespace}/{name}"))
            })
        };
        wait::until(&self.connection, wait, watched, looked).await.map_err(|late| match late {
            WaitError::Api(error) => error.into(),
            WaitError::Deadline { last, .. } | WaitError::Failed(last) => ClusterError::Object {
                object: format!("ServiceAccount {last}"),
                reason: "Kubernetes has not created it; does kube-controller-manager run?".to_owned(),
            },
        })
    }

    pub(super) fn wanted_services(&self, topology: &Topology) -> BTreeMap<ApiObject, Value> {
        let mut wanted = BTreeMap::new();
        let ours =
            |name: &NamespacedName| !is_own_service(name) && !self.borrowed.services.contains_key(name);
        for (name, service) in topology.services.iter().filter(|(name, _)| ours(name)) {
            let object = ApiObject::named(objects::SERVICE, name);
            let mut body = services::manifest(name, service, &self.options.run);
            redirects::name_ports(name, topology, &mut body);
            wanted.insert(object, body);
            if service.selects.is_none() {
                let backends = topology.backends(name);
                let hosts = backends.iter().filter_map(|backend| self.addresses.endpoints.get(backend));
                let hosts: Vec<_> = hosts.flatten().copied().collect();
                for slice in services::slices(name, service, &hosts, &self.options.run) {
                    let slice_name = metadata(&slice, "name").unwrap_or_default().to_owned();
                    let namespace = Some(name.namespace.as_str());
                    wanted.insert(ApiObject::new(objects::ENDPOINT_SLICE, namespace, &slice_name), slice);
                }
            }
        }
        wanted.extend(self.redirect_objects(topology));
        wanted
    }

    async fn ensure_services(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        for (object, body) in self.wanted_services(topology) {
            if self.created.get(&object) == Some(&body) {
                continue;
            }
            // Kubernetes does not let a local redirect policy change.
            let stays = object.kind != LOCAL_REDIRECT_POLICY;
            let present = self.created.contains_key(&object);
            if present && !stays {
                self.remove(&object).await?;
            }
            let made = if present && stays {
                objects::merge(&self.connection, &object, &body).await?
            } else {
                objects::create(&self.connection, &object, &body, FieldValidation::Strict).await?
            };
            self.remember_uid(object.clone(), &made);
            if object.kind == objects::SERVICE {
                let listed = made.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten();
                let addresses = listed.filter_map(|address| address.as_str()?.parse().ok()).collect();
                if let Some(name) = namespaced_name(&body) {
                    self.addresses.services.insert(name, addresses);
                }
            }
            self.created.insert(object, body);
        }
        let borrowed =
            self.borrowed.services.iter().map(|(name, service)| (name.clone(), service.addresses.clone()));
        self.addresses.services.extend(borrowed);
        self.addresses.services.retain(|name, _| topology.services.contains_key(name));
        if let Ok(dns) = DNS_SERVICE.parse() {
            self.addresses.services.insert(dns, self.facts.dns_service.clone());
        }
        Ok(())
    }

    async fn ensure_pods(&mut self, wanted: &BTreeMap<Endpoint, Value>) -> Result<(), ClusterError> {
        let ours = || wanted.iter().filter(|(endpoint, _)| !self.is_borrowed(endpoint));
        let making: Vec<&Value> =
            ours().filter(|(endpoint, _)| !self.pods.contains_key(*endpoint)).map(|(_, pod)| pod).collect();
        let present = ours().filter_map(|(endpoint, pod)| Some((endpoint, pod, self.pods.get(endpoint)?)));
        let changing: Vec<(&Endpoint, &Value, Value)> = present
            .filter(|(_, pod, present)| pod != present)
            .map(|(endpoint, pod, present)| {
                (endpoint, pod, pods::label_change(&labels_of(present), &labels_of(pod)))
            })
            .collect();
        let connection = &self.connection;
        let changed = stream::iter(changing).map(|(endpoint, pod, change)| async move {
            objects::merge(connection, &pod_object(pod), &change).await?;
            Ok::<_, ApiError>((endpoint.clone(), pod.clone()))
        });
        let changed: Vec<(Endpoint, Value)> = changed.buffer_unordered(AT_ONCE).try_collect().await?;
        let made = stream::iter(making).map(|pod| async move {
            let object = pod_object(pod);
            match objects::create(connection, &object, pod, FieldValidation::Strict).await {
                // An earlier run left it in a borrowed namespace, or it was there before.
                Err(error) if error.is_conflict() => Err(ClusterError::Taken { object: object.to_string() }),
                Err(error) => Err(error.into()),
                Ok(made) => Ok((object, made)),
            }
        });
        let made = made.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        self.pods.extend(changed);
        for (object, made) in made {
            self.remember_uid(object, &made);
        }
        Ok(())
    }

    /// Waits until every pod is ready, records its addresses, and starts the probes of new pods.
    async fn learn_addresses(
        &mut self,
        wanted: &BTreeMap<Endpoint, Value>,
        places: &NodePlaces,
    ) -> Result<(), ClusterError> {
        let objects: BTreeMap<(String, String), &Endpoint> = wanted
            .iter()
            .map(|(endpoint, pod)| {
                let object = pod_object(pod);
                ((object.namespace.unwrap_or_default(), object.name), endpoint)
            })
            .collect();
        let namespaces: BTreeSet<&str> = objects.keys().map(|(namespace, _)| namespace.as_str()).collect();
        let has_pods = wanted.keys().any(|endpoint| matches!(endpoint, Endpoint::Pod(_)));
        self.pods_on = has_pods.then(|| places.pods.node.clone());
        let borrowed_on = self.borrowed_on(wanted.keys().cloned());
        let borrowed_on: BTreeSet<String> = borrowed_on.into_iter().map(str::to_owned).collect();
        self.in_use = places.nodes.values().chain(&self.pods_on).chain(&borrowed_on).cloned().collect();
        if !objects.is_empty() {
            let watched = self.all(POD, namespaces);
            let what = format!("wait until {} pods are ready", objects.len());
            let wait =
                Wait { what: &what, deadline: self.options.pod_deadline, progress: &self.options.progress };
            let ready = wait::until(&self.connection, wait, watched, |seen| all_ready(seen, &objects)).await;
            let ready = match ready {
                Ok(ready) => ready,
                Err(late) => return Err(self.unready(late).await),
            };
            for (key, pod) in ready {
                if let Some(endpoint) = objects.get(&key) {
                    self.addresses.endpoints.insert((*endpoint).clone(), pods::addresses(&pod));
                }
            }
        }
        if let Ok(dns) = DNS_POD.parse() {
            self.addresses.endpoints.insert(Endpoint::Pod(dns), self.facts.dns_pods.clone());
        }
        self.start_probes(wanted).await?;
        self.start_borrowed(wanted).await
    }

    async fn start_probes(&mut self, wanted: &BTreeMap<Endpoint, Value>) -> Result<(), ClusterError> {
        let fresh: Vec<(&Endpoint, &Value)> =
            wanted.iter().filter(|(it, _)| !self.probes.is_there(it) && !self.is_borrowed(it)).collect();
        let (connection, command) = (&self.connection, &self.options.image.command);
        let started = stream::iter(fresh).map(|(endpoint, pod)| async move {
            let object = pod_object(pod);
            let container = PodContainer {
                namespace: object.namespace.unwrap_or_default(),
                pod: object.name,
                container: PROBE_CONTAINER.to_owned(),
            };
            let started = probe::start(connection, &container, command).await?;
            Ok::<_, ApiError>((endpoint, pod, started))
        });
        for (endpoint, pod, started) in started.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await? {
            started.join(&mut self.probes, endpoint.clone());
            self.pods.insert(endpoint.clone(), pod.clone());
        }
        Ok(())
    }

    /// Watches every object of a kind in these namespaces.
    pub(super) fn all<'a>(
        &self,
        kind: ResourceKind,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Vec<wait::Watched> {
        let watched = |namespace| wait::all(&self.connection, kind, Some(namespace));
        namespaces.into_iter().map(watched).collect()
    }
}

/// Whether the topology puts something into a namespace. A namespace that is only named belongs to the cluster and stays
/// as it is.
fn is_used(topology: &Topology, name: &NamespaceName) -> bool {
    let own = |key: &String| key == NAMESPACE_NAME_LABEL;
    let labelled = topology.namespaces.get(name).is_some_and(|labels| !labels.keys().all(own));
    let pods = topology.pods.keys().any(|pod| pod.namespace == *name && pod.to_string() != DNS_POD);
    let services = topology.services.keys().any(|it| it.namespace == *name && !is_own_service(it));
    labelled || pods || services || name.as_str() != verdikt_scenario::topology::DNS_NAMESPACE
}

fn all_ready(
    seen: &wait::Seen<Pod>,
    wanted: &BTreeMap<(String, String), &Endpoint>,
) -> WaitState<Vec<((String, String), Pod)>> {
    let mut ready = Vec::new();
    let mut waiting = Vec::new();
    for key in wanted.keys() {
        let name = format!("pod {}/{}", key.0, key.1);
        match seen.get(key).map(|pod| (pod, pods::state(pod))) {
            Some((pod, PodObstacle::Ready)) => ready.push((key.clone(), pod.clone())),
            Some((_, PodObstacle::Failed(why))) => {
                return WaitState::Never(format!("{name} never becomes ready: {why}"));
            }
            Some((_, PodObstacle::Waiting(why))) => waiting.push(format!("{name}: {why}")),
            None => waiting.push(format!("{name} does not exist any more")),
        }
    }
    match waiting.into_iter().next() {
        None => WaitState::Done(ready),
        Some(first) => WaitState::NotYet(first),
    }
}

pub(super) fn pod_object(pod: &Value) -> ApiObject {
    ApiObject::new(objects::POD, metadata(pod, "namespace"), metadata(pod, "name").unwrap_or_default())
}
