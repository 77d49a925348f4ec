//! Converts objects to a topology: each object by its kind, then their relations.

mod behind;
mod names;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::{HostName, NamespaceName, NamespacedName};
use verdikt_scenario::objects::ManifestTopology;
use verdikt_scenario::place::{Place, Position};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{NAMESPACE_NAME_LABEL, Topology};

use crate::field::{self, Unusable};
use crate::gateway::{gateway, http_route, ingress};
use crate::node::{node, node_name};
use crate::redirect::{self, FoundRedirect, local_redirect};
use crate::secret::tls_secret;
use crate::service::{ReadService, service};
use crate::slices::{self, EndpointSlice, UnselectiveService, endpoint_slice, endpoints};
use crate::workload::{Workload, controller, pod_template, workload};

use self::routes::{FoundIngress, FoundRoute, GatewayRoutes, JoinedRoutes};

/// The default namespace: that of `kubectl apply` with a new kubeconfig.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Makes a topology of objects that are not policies. Objects without a namespace are in the one given, or in
/// `default`.
pub fn objects(manifests: &[Manifest], namespace: Option<&NamespaceName>) -> ManifestTopology {
    let mut reader = ManifestReader { namespace, ..ManifestReader::default() };
    for manifest in manifests {
        reader.read(manifest);
    }
    reader.finish()
}

/// Adds the namespaces of policies; a policy can only be in force in a namespace that exists.
pub(crate) fn add_namespaces_of_policies(topology: &mut Topology, policies: &[Manifest]) {
    for policy in policies {
        if let Some(namespace) = policy.object().namespace.and_then(|namespace| namespace.parse().ok()) {
            topology.add_namespace(namespace);
        }
    }
}

/// A workload with its name and place.
struct FoundWorkload<'a> {
    kind: &'a str,
    name: NamespacedName,
    place: Place,
    workload: Workload,
    /// The controller that creates it, if it names one.
    controller: Option<(&'a str, &'a str)>,
}

/// The ports of a service that are compared with its backends.
pub(crate) struct PortPlace {
    pub(crate) service: NamespacedName,
    pub(crate) index: usize,
    pub(crate) place: Place,
}

/// What has been read so far.
#[derive(Default)]
struct ManifestReader<'a> {
    namespace: Option<&'a NamespaceName>,
    objects: ManifestTopology,
    workloads: Vec<FoundWorkload<'a>>,
    selectors: BTreeMap<NamespacedName, Place>,
    ports: Vec<PortPlace>,
    unselective: BTreeMap<NamespacedName, UnselectiveService>,
    slices: BTreeMap<NamespacedName, Vec<EndpointSlice>>,
    entrances: GatewayRoutes,
    redirects: Vec<(NamespacedName, FoundRedirect)>,
    /// The first object that names no namespace, and the number of such objects.
    without_namespace: Option<(Place, usize)>,
}

impl<'a> ManifestReader<'a> {
    fn read(&mut self, manifest: &'a Manifest) {
        let text = |key: &str| manifest.root.get(key).and_then(YamlNode::text).unwrap_or_default();
        let kind = text("kind");
        let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
        let read = match (group, kind) {
            ("", "Namespace") => self.add_namespace_object(manifest),
            ("", "Service") => self.add_service(manifest),
            ("", "Node") => self.add_node(manifest),
            ("", "Endpoints") => self.add_endpoints(manifest),
            ("", "Secret") => self.add_secret(manifest),
            ("discovery.k8s.io", "EndpointSlice") => self.add_slice(manifest),
            ("", "PodTemplate") => {
                self.count(kind.to_owned());
                Ok(())
            }
            ("networking.k8s.io", "Ingress") => self.add_ingress(manifest),
            ("gateway.networking.k8s.io", "Gateway") => self.add_gateway(manifest),
            ("gateway.networking.k8s.io", "HTTPRoute") => self.add_route(manifest),
            ("cilium.io", "CiliumLocalRedirectPolicy") => self.add_redirect(manifest),
            _ => {
                if let Some(template) = pod_template(&manifest.root, kind) {
                    workload(template).and_then(|found| self.add_workload(manifest, kind, found))
                } else {
                    self.count(if kind.is_empty() { "document without a kind" } else { kind }.to_owned());
                    Ok(())
                }
            }
        };
        match read {
            Ok(()) => {}
            Err(Unusable::Encrypted) => self.count(format!("{kind} (encrypted)")),
            Err(Unusable::Unrendered(why)) => {
                let name = why.name_of(&manifest.file);
                self.objects.unrendered.entry(why).or_default().insert(name);
            }
            Err(Unusable::Wrong(position, message)) => self.mistake(manifest.place(position), message, None),
        }
    }

    fn mistake(&mut self, place: Place, message: String, help: Option<String>) {
        self.objects.diagnostics.push(Diagnostic { help, ..Diagnostic::error(place, message) });
    }

    fn count(&mut self, what: String) {
        *self.objects.skipped.entry(what).or_default() += 1;
    }

    /// The name of an object in its namespace, with its place.
    fn name(&mut self, manifest: &Manifest) -> Result<(NamespacedName, Place), Unusable> {
        let (name, at) = object_name(manifest)?;
        let name = name.parse().map_err(|error| Unusable::Wrong(at, format!("{error}")))?;
        let place = manifest.place(at);
        let written = field::optional_text(&manifest.root, &["metadata", "namespace"])?;
        let namespace = match (written, self.namespace) {
            (Some(text), _) => {
                let at = manifest.root.position_near(&["metadata", "namespace"]);
                text.parse().map_err(|error| Unusable::Wrong(at, format!("{error}")))?
            }
            (None, Some(given)) => given.clone(),
            (None, None) => {
                self.without_namespace.get_or_insert((place.clone(), 0)).1 += 1;
                let wrong = |error| Unusable::Wrong(at, format!("{error}"));
                DEFAULT_NAMESPACE.parse().map_err(wrong)?
            }
        };
        Ok((NamespacedName { namespace, name }, place))
    }

    fn add_namespace_object(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, at) = object_name(manifest)?;
        let name: NamespaceName = name.parse().map_err(|error| Unusable::Wrong(at, format!("{error}")))?;
        let mut labels = field::labels(manifest.root.at(&["metadata", "labels"]))?;
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_string());
        let place = manifest.place(at);
        let Some(first) = self.objects.places.namespaces.get(&name) else {
            self.objects.places.namespaces.insert(name.clone(), place);
            self.objects.topology.namespaces.insert(name, labels);
            return Ok(());
        };
        // Every application of a namespace may include it.
        if self.objects.topology.namespaces.get(&name) != Some(&labels) {
            let message = format!("namespace {name} occurs twice, with different labels");
            let help = twice(first);
            self.mistake(place, message, Some(help));
        }
        Ok(())
    }

    fn add_service(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, place) = self.name(manifest)?;
        let (service, positions) = match service(&manifest.root)? {
            ReadService::Service { service, positions, names } => {
                self.entrances.port_names.insert(name.clone(), names);
                (service, positions)
            }
            ReadService::Unselective(found) => {
                self.entrances.port_names.insert(name.clone(), found.names.clone());
                self.objects.places.services.entry(name.clone()).or_insert(place);
                self.unselective.insert(name, found);
                return Ok(());
            }
            ReadService::Skipped(why) => {
                self.count(format!("Service ({why})"));
                return Ok(());
            }
        };
        if let Some(first) = self.objects.places.services.get(&name) {
            let help = twice(first);
            self.mistake(place, format!("Service {name} occurs twice"), Some(help));
            return Ok(());
        }
        if service.selects.is_some() {
            let selector = manifest.place(manifest.root.position_near(&["spec", "selector"]));
            self.selectors.insert(name.clone(), selector);
        }
        let places = positions.into_iter().enumerate().map(|(index, position)| PortPlace {
            service: name.clone(),
            index,
            place: manifest.place(position),
        });
        self.ports.extend(places);
        self.objects.places.services.insert(name.clone(), place);
        self.objects.topology.services.insert(name, service);
        Ok(())
    }

    fn add_node(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (text, at) = object_name(manifest)?;
        let name: HostName =
            node_name(text).parse().map_err(|error| Unusable::Wrong(at, format!("{error}")))?;
        let found = node(&manifest.root)?;
        if self.objects.topology.nodes.get(&name).is_some_and(|first| *first != found) {
            let message = format!("Node {text} occurs twice");
            self.mistake(manifest.place(at), message, Some("name only the files of one cluster".to_owned()));
        }
        self.objects.topology.nodes.insert(name, found);
        Ok(())
    }

    fn add_slice(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (NamespacedName { namespace, .. }, _) = self.name(manifest)?;
        let (service, slice) = endpoint_slice(&manifest.root)?;
        match service.and_then(|service| service.parse().ok()) {
            Some(name) => self.slices.entry(NamespacedName { namespace, name }).or_default().push(slice),
            None => self.count("EndpointSlice (of no service)".to_owned()),
        }
        Ok(())
    }

    fn add_endpoints(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, _) = self.name(manifest)?;
        self.slices.entry(name).or_default().extend(endpoints(&manifest.root)?);
        Ok(())
    }

    /// A secret that may be a certificate or an authority for the TLS of policies.
    fn add_secret(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        match tls_secret(&manifest.root)? {
            Some(secret) => {
                let (name, _) = self.name(manifest)?;
                self.objects.topology.secrets.insert(name, secret);
            }
            None => self.count("Secret (without a certificate)".to_owned()),
        }
        Ok(())
    }

    /// A gateway. Its backends see the proxy of Cilium as their client, if Cilium runs it.
    fn add_gateway(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, place) = self.name(manifest)?;
        match gateway(&manifest.root)? {
            Some(found) => drop(self.entrances.gateways.insert(name, (found, place))),
            None => self.count("Gateway (of another class than Cilium's)".to_owned()),
        }
        Ok(())
    }

    fn add_route(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, place) = self.name(manifest)?;
        self.entrances.routes.push(FoundRoute { name, place, route: http_route(&manifest.root)? });
        Ok(())
    }

    fn add_redirect(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, _) = self.name(manifest)?;
        self.redirects.push((name, local_redirect(&manifest.root)?));
        Ok(())
    }

    fn add_ingress(&mut self, manifest: &Manifest) -> Result<(), Unusable> {
        let (name, place) = self.name(manifest)?;
        match ingress(&manifest.root)? {
            Some(rules) => self.entrances.ingresses.push(FoundIngress { name, place, rules }),
            None => self.count("Ingress (of another class than Cilium's)".to_owned()),
        }
        Ok(())
    }

    fn add_workload(
        &mut self,
        manifest: &'a Manifest,
        kind: &'a str,
        found: Workload,
    ) -> Result<(), Unusable> {
        let (name, place) = self.name(manifest)?;
        let controller = controller(&manifest.root);
        self.workloads.push(FoundWorkload { kind, name, place, workload: found, controller });
        Ok(())
    }

    fn finish(mut self) -> ManifestTopology {
        self.name_workloads();
        let unselective = std::mem::take(&mut self.unselective);
        for name in self.slices.keys().filter(|name| !unselective.contains_key(*name)) {
            // The pods that a selector matches define them already.
            let of_pods = self.objects.topology.services.contains_key(name);
            let what = if of_pods {
                "Endpoints (of a service with a selector)"
            } else {
                "Endpoints (of no service)"
            };
            *self.objects.skipped.entry(what.to_owned()).or_default() += 1;
        }
        for _ in 0..slices::join(&mut self.objects.topology, unselective, &self.slices) {
            self.count("Service (without a selector, and without endpoints)".to_owned());
        }
        behind::hold_ports_against_pods(&mut self.objects, &self.ports, &self.selectors);
        let JoinedRoutes { skipped, warnings } = self.entrances.join(&mut self.objects.topology);
        for what in skipped {
            self.count(what);
        }
        self.objects.diagnostics.extend(warnings);
        let names = &self.entrances.port_names;
        for what in redirect::join(&self.redirects, names, &mut self.objects.topology) {
            *self.objects.skipped.entry(what.to_owned()).or_default() += 1;
        }
        let topology = &self.objects.topology;
        let used = topology.pods.keys().chain(topology.services.keys());
        let used: BTreeSet<NamespaceName> = used.map(|name| name.namespace.clone()).collect();
        for namespace in used {
            self.objects.topology.add_namespace(namespace);
        }
        if let Some((place, count)) = self.without_namespace {
            let (objects, verb) = if count == 1 { ("object names", "is") } else { ("objects name", "are") };
            let message =
                format!("{count} {objects} no namespace, and {verb} taken to be in `{DEFAULT_NAMESPACE}`");
            let warning = Diagnostic::warning(place, "no-namespace", message);
            let help = "name it in `metadata.namespace`, or say which it is: `--namespace NAME`, `topology: {namespace: NAME}`";
            self.objects.diagnostics.push(warning.help(help));
        }
        self.objects
    }
}

/// The name of an object, or the prefix of its generated name.
fn object_name(manifest: &Manifest) -> Result<(&str, Position), Unusable> {
    let at = |key: &str| manifest.root.position_near(&["metadata", key]);
    if let Some(name) = field::optional_text(&manifest.root, &["metadata", "name"])? {
        return Ok((name, at("name")));
    }
    let generated = field::optional_text(&manifest.root, &["metadata", "generateName"])?;
    let name = generated.map(|name| name.trim_end_matches('-')).filter(|name| !name.is_empty());
    let missing = || Unusable::Wrong(at("name"), "the object has no `metadata.name`".to_owned());
    Ok((name.ok_or_else(missing)?, at("generateName")))
}

/// What to do about an object that occurs twice.
fn twice(first: &Place) -> String {
    format!("it is also at {first}: name only the files of one cluster")
}
