//! The routes of the gateway, from the objects that define them.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::place::Place;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, GatewayRoute, Labels, Port, Protocol, ServedProtocol, Topology, has_labels,
};

use crate::gateway::{
    Gateway, HttpRoute, Inexpressible, IngressRules, RouteNamespaces, RoutePort, RouteRule, host,
};

/// An `HTTPRoute` with its name and file.
pub(super) struct FoundRoute {
    pub(super) name: NamespacedName,
    pub(super) place: Place,
    pub(super) route: HttpRoute,
}

/// The rules of an `Ingress` with its name and file.
pub(super) struct FoundIngress {
    pub(super) name: NamespacedName,
    pub(super) place: Place,
    pub(super) rules: IngressRules,
}

/// Gateways and their routes, as far as they were read.
#[derive(Default)]
pub(super) struct GatewayRoutes {
    pub(super) gateways: BTreeMap<NamespacedName, (Gateway, Place)>,
    pub(super) routes: Vec<FoundRoute>,
    pub(super) ingresses: Vec<FoundIngress>,
    /// The port names of services, in the order of the ports.
    pub(super) port_names: BTreeMap<NamespacedName, Vec<String>>,
}

/// The result of adding routes to a topology.
#[derive(Default)]
pub(super) struct JoinedRoutes {
    /// What a topology cannot express, each once.
    pub(super) skipped: Vec<String>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl GatewayRoutes {
    /// Adds the gateway and its routes to a topology.
    pub(super) fn join(&self, topology: &mut Topology) -> JoinedRoutes {
        let mut joined = JoinedRoutes::default();
        if self.gateways.is_empty() && self.ingresses.is_empty() {
            joined
                .skipped
                .extend(self.routes.iter().map(|_| "HTTPRoute (of no gateway of Cilium)".to_owned()));
            return joined;
        }
        topology.cilium.insert(CiliumEndpoint::Ingress);
        let mut used = BTreeSet::new();
        for found in &self.routes {
            self.join_route(found, topology, &mut used, &mut joined);
        }
        for FoundIngress { name, place, rules } in &self.ingresses {
            for rule in rules {
                let (own, rule) = match rule {
                    Ok(rule) => rule,
                    Err(why) => {
                        joined.skipped.push(format!("rule of Ingress ({why})"));
                        continue;
                    }
                };
                let site = RouteSite { kind: "Ingress", namespace: &name.namespace, place };
                self.add(&site, own.as_deref(), rule, topology, &mut joined);
            }
        }
        for (name, (_, place)) in self.gateways.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("no route is attached to gateway {name}: it answers every request itself");
            let warning = Diagnostic::warning(place.clone(), "gateway-without-routes", message);
            let help = "name the files with its HTTPRoutes too; another namespace's need `allowedRoutes`";
            joined.warnings.push(warning.help(help));
        }
        joined
    }

    fn join_route<'a>(
        &'a self,
        found: &FoundRoute,
        topology: &mut Topology,
        used: &mut BTreeSet<&'a NamespacedName>,
        joined: &mut JoinedRoutes,
    ) {
        let FoundRoute { name, place, route } = found;
        let none = Labels::new();
        let labels = topology.namespaces.get(&name.namespace).unwrap_or(&none).clone();
        let mut hosts: BTreeSet<Option<&str>> = BTreeSet::new();
        let mut is_attached = false;
        for parent in &route.parents {
            let namespace = parent.namespace.as_deref().unwrap_or(name.namespace.as_str());
            let named = self.gateways.iter().find(|(gateway, _)| {
                gateway.namespace.as_str() == namespace && gateway.name.as_str() == parent.name
            });
            let Some((gateway, (Gateway { listeners }, _))) = named else { continue };
            for listener in listeners {
                let is_meant = parent.section.as_ref().is_none_or(|section| *section == listener.name);
                let is_taken = match &listener.takes {
                    RouteNamespaces::Same => gateway.namespace == name.namespace,
                    RouteNamespaces::All => true,
                    RouteNamespaces::Labelled(wanted) => has_labels(&labels, wanted),
                };
                if is_meant && is_taken {
                    is_attached = true;
                    used.insert(gateway);
                    hosts.insert(listener.host.as_deref());
                }
            }
        }
        if !is_attached {
            return joined.skipped.push("HTTPRoute (of no gateway of Cilium)".to_owned());
        }
        if !route.hosts.is_empty() {
            hosts = route.hosts.iter().map(|host| Some(host.as_str())).collect();
        }
        let site = RouteSite { kind: "HTTPRoute", namespace: &name.namespace, place };
        for rule in &route.rules {
            match rule {
                Err(why) => joined.skipped.push(format!("rule of HTTPRoute ({why})")),
                Ok(rule) => {
                    for own in &hosts {
                        self.add(&site, *own, rule, topology, joined);
                    }
                }
            }
        }
    }

    /// Adds the routes of a rule, except those that a topology cannot express.
    fn add(
        &self,
        site: &RouteSite<'_>,
        own: Option<&str>,
        rule: &RouteRule,
        topology: &mut Topology,
        joined: &mut JoinedRoutes,
    ) {
        let mut skip = |why: Inexpressible| joined.skipped.push(format!("rule of {} ({why})", site.kind));
        let own = match host(own) {
            Ok(own) => own,
            Err(why) => return skip(why),
        };
        let Some((service, port)) = self.destination(site, rule, topology) else {
            let place =
                Place { line: rule.position.line, column: rule.position.column, ..site.place.clone() };
            let port = match &rule.port {
                RoutePort::Number(number) => number.to_string(),
                RoutePort::Name(name) => format!("`{name}`"),
            };
            let message = format!(
                "a route names service {}/{} with the TCP port {port}, which does not exist",
                site.namespace, rule.service
            );
            let warning = Diagnostic::warning(place, "route-without-service", message);
            joined
                .warnings
                .push(warning.help("correct the name or port, or name the files with the service too"));
            return;
        };
        for prefix in &rule.prefixes {
            let route =
                GatewayRoute { host: own.clone(), prefix: prefix.clone(), service: service.clone(), port };
            let same = |other: &&GatewayRoute| other.host == route.host && other.prefix == route.prefix;
            match topology.routes.iter().find(same) {
                Some(other) if *other == route => {}
                Some(_) => skip("for a path of another route"),
                None => topology.routes.push(route),
            }
        }
        speak_http(topology, &service, port);
    }

    /// The service and port of a rule, if they exist.
    fn destination(
        &self,
        site: &RouteSite<'_>,
        rule: &RouteRule,
        topology: &Topology,
    ) -> Option<(NamespacedName, Port)> {
        let name = NamespacedName { namespace: site.namespace.clone(), name: rule.service.parse().ok()? };
        let offered = topology.services.get(&name)?.ports.iter().enumerate();
        let mut offered = offered.filter(|(_, port)| port.protocol == Protocol::Tcp);
        let names = self.port_names.get(&name);
        let (_, port) = offered.find(|(index, port)| match &rule.port {
            RoutePort::Number(number) => port.port.get() == *number,
            RoutePort::Name(wanted) => names.and_then(|names| names.get(*index)) == Some(wanted),
        })?;
        Some((name, port.port))
    }
}

/// The place of a rule.
struct RouteSite<'a> {
    kind: &'static str,
    namespace: &'a NamespaceName,
    place: &'a Place,
}

/// Makes the pods behind a port of a service serve HTTP, which is all that the gateway sends them.
fn speak_http(topology: &mut Topology, service: &NamespacedName, port: Port) {
    for (endpoint, target) in topology.behind(service, Protocol::Tcp, port) {
        let Endpoint::Pod(pod) = endpoint else { continue };
        let serves = topology.pods.get_mut(&pod).map(|pod| &mut pod.serves).into_iter().flatten();
        for served in serves.filter(|served| Some(served.port) == target) {
            if served.protocol == ServedProtocol::Tcp {
                served.protocol = ServedProtocol::Http;
            }
        }
    }
}
