//! Gateways and their routes: `Gateway`, `HTTPRoute` and `Ingress`, as far as a topology can express them.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/>, <https://kubernetes.io/docs/concepts/services-networking/ingress/>

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::DnsName;
use verdikt_scenario::place::Position;
use verdikt_scenario::topology::Labels;

use crate::field::{self, Unusable};

/// The class of the gateways and ingresses that Cilium runs itself.
const CILIUM_CLASS: &str = "cilium";

/// The annotation with the class of an Ingress, from before there was a field for it.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Characters that make a path of type `ImplementationSpecific` a regular expression in Cilium.
const REGULAR: &str = "^$*+?()[]{}|\\";

/// A part of an object that a topology cannot express, and why.
pub(crate) type Inexpressible = &'static str;

/// A gateway of Cilium.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) listeners: Vec<Listener>,
}

/// A listener for HTTP requests.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) host: Option<String>,
    pub(crate) takes: RouteNamespaces,
}

/// The namespaces whose routes a listener accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RouteNamespaces {
    Same,
    All,
    Labelled(Labels),
}

/// A gateway that a route names.
#[derive(Clone, Debug)]
pub(crate) struct ParentReference {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) section: Option<String>,
}

/// An `HTTPRoute`.
#[derive(Clone, Debug)]
pub(crate) struct HttpRoute {
    pub(crate) parents: Vec<ParentReference>,
    pub(crate) hosts: Vec<String>,
    pub(crate) rules: Vec<Result<RouteRule, Inexpressible>>,
}

/// Requests that go to one service.
#[derive(Clone, Debug)]
pub(crate) struct RouteRule {
    pub(crate) prefixes: Vec<String>,
    pub(crate) service: String,
    pub(crate) port: RoutePort,
    pub(crate) position: Position,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RoutePort {
    Number(u16),
    Name(String),
}

/// The host of a route: any, one, or one that a topology cannot express.
pub(crate) fn host(text: Option<&str>) -> Result<Option<DnsName>, Inexpressible> {
    match text {
        None | Some("") => Ok(None),
        Some(name) if name.starts_with('*') => Err("with a wildcard in its host"),
        Some(name) => name.parse().map(Some).map_err(|_| "with a host that is not a name"),
    }
}

/// Reads a `Gateway`; none if Cilium does not run it.
pub(crate) fn gateway(root: &YamlNode) -> Result<Option<Gateway>, Unusable> {
    if field::optional_text(root, &["spec", "gatewayClassName"])? != Some(CILIUM_CLASS) {
        return Ok(None);
    }
    let mut listeners = Vec::new();
    for listener in elements(root, &["spec", "listeners"]) {
        let protocol = field::optional_text(listener, &["protocol"])?;
        if !protocol.is_none_or(|protocol| ["HTTP", "HTTPS"].contains(&protocol)) {
            continue;
        }
        let takes = match field::optional_text(listener, &["allowedRoutes", "namespaces", "from"])? {
            Some("All") => RouteNamespaces::All,
            Some("Selector") => RouteNamespaces::Labelled(field::labels(listener.at(&[
                "allowedRoutes",
                "namespaces",
                "selector",
                "matchLabels",
            ]))?),
            _ => RouteNamespaces::Same,
        };
        let name = field::optional_text(listener, &["name"])?.unwrap_or_default().to_owned();
        let host = field::optional_text(listener, &["hostname"])?.map(str::to_owned);
        listeners.push(Listener { name, host, takes });
    }
    Ok(Some(Gateway { listeners }))
}

/// Reads an `HTTPRoute`.
pub(crate) fn http_route(root: &YamlNode) -> Result<HttpRoute, Unusable> {
    let mut parents = Vec::new();
    for parent in elements(root, &["spec", "parentRefs"]) {
        if field::optional_text(parent, &["kind"])?.is_none_or(|kind| kind == "Gateway") {
            parents.push(ParentReference {
                namespace: field::optional_text(parent, &["namespace"])?.map(str::to_owned),
                name: field::optional_text(parent, &["name"])?.unwrap_or_default().to_owned(),
                section: field::optional_text(parent, &["sectionName"])?.map(str::to_owned),
            });
        }
    }
    let hosts = elements(root, &["spec", "hostnames"]).iter();
    let hosts = hosts.map(|host| Ok(field::text(host, "the host")?.to_owned()));
    let hosts = hosts.collect::<Result<_, Unusable>>()?;
    let namespace = field::optional_text(root, &["metadata", "namespace"])?;
    let rules = elements(root, &["spec", "rules"]).iter();
    let rules = rules.map(|rule| http_rule(rule, namespace)).collect::<Result<_, Unusable>>()?;
    Ok(HttpRoute { parents, hosts, rules })
}

fn http_rule(rule: &YamlNode, own: Option<&str>) -> Result<Result<RouteRule, Inexpressible>, Unusable> {
    const HARMLESS: [&str; 2] = ["RequestHeaderModifier", "ResponseHeaderModifier"];
    for filter in elements(rule, &["filters"]) {
        if !field::optional_text(filter, &["type"])?.is_some_and(|kind| HARMLESS.contains(&kind)) {
            return Ok(Err("with filters"));
        }
    }
    let mut prefixes = Vec::new();
    for matched in elements(rule, &["matches"]) {
        if matched.entries().iter().any(|entry| entry.key != "path") {
            return Ok(Err("by more than paths"));
        }
        if !matches!(field::optional_text(matched, &["path", "type"])?, None | Some("PathPrefix")) {
            return Ok(Err("with conditions other than a path prefix"));
        }
        prefixes.push(field::optional_text(matched, &["path", "value"])?.unwrap_or("/").to_owned());
    }
    if prefixes.is_empty() {
        prefixes.push("/".to_owned());
    }
    let [backend] = elements(rule, &["backendRefs"]) else { return Ok(Err("to several services, or none")) };
    if !matches!(field::optional_text(backend, &["kind"])?, None | Some("Service")) {
        return Ok(Err("to something that is not a service"));
    }
    let namespace = field::optional_text(backend, &["namespace"])?;
    if namespace.is_some() && namespace != own {
        return Ok(Err("to a service of another namespace"));
    }
    let Some(Value::Integer(port)) = backend.get("port").map(|port| &port.value) else {
        return Ok(Err("without a port"));
    };
    let Ok(port) = u16::try_from(*port) else { return Ok(Err("without a port")) };
    let service = field::optional_text(backend, &["name"])?.unwrap_or_default().to_owned();
    let position = backend.position_near(&["name"]);
    Ok(Ok(RouteRule { prefixes, service, port: RoutePort::Number(port), position }))
}

/// The rules of an `Ingress`, each with its host.
pub(crate) type IngressRules = Vec<Result<(Option<String>, RouteRule), Inexpressible>>;

/// Reads an `Ingress`; none if Cilium does not run it.
pub(crate) fn ingress(root: &YamlNode) -> Result<Option<IngressRules>, Unusable> {
    let class = match field::optional_text(root, &["spec", "ingressClassName"])? {
        None => field::optional_text(root, &["metadata", "annotations", CLASS_ANNOTATION])?,
        class => class,
    };
    if class != Some(CILIUM_CLASS) {
        return Ok(None);
    }
    let mut rules = IngressRules::new();
    if let Some(backend) = root.at(&["spec", "defaultBackend"]) {
        rules.push(ingress_backend(backend, "/".to_owned())?.map(|rule| (None, rule)));
    }
    for rule in elements(root, &["spec", "rules"]) {
        let host = field::optional_text(rule, &["host"])?.map(str::to_owned);
        for path in elements(rule, &["http", "paths"]) {
            let text = field::optional_text(path, &["path"])?.unwrap_or("/");
            let is_prefix = match field::optional_text(path, &["pathType"])? {
                Some("Exact") => false,
                Some("Prefix") => true,
                _ => !text.contains(|letter| REGULAR.contains(letter)),
            };
            if !is_prefix {
                rules.push(Err("with conditions other than a path prefix"));
                continue;
            }
            rules.push(match path.get("backend") {
                Some(backend) => ingress_backend(backend, text.to_owned())?.map(|rule| (host.clone(), rule)),
                None => Err("to something that is not a service"),
            });
        }
    }
    Ok(Some(rules))
}

fn ingress_backend(backend: &YamlNode, prefix: String) -> Result<Result<RouteRule, Inexpressible>, Unusable> {
    let Some(service) = backend.get("service") else { return Ok(Err("to something that is not a service")) };
    let number = service.at(&["port", "number"]).map(|port| &port.value);
    let port = match number {
        Some(Value::Integer(number)) => u16::try_from(*number).ok().map(RoutePort::Number),
        _ => field::optional_text(service, &["port", "name"])?.map(|name| RoutePort::Name(name.to_owned())),
    };
    let Some(port) = port else { return Ok(Err("without a port")) };
    let name = field::optional_text(service, &["name"])?.unwrap_or_default().to_owned();
    let position = service.position_near(&["name"]);
    Ok(Ok(RouteRule { prefixes: vec![prefix], service: name, port, position }))
}

fn elements<'a>(root: &'a YamlNode, path: &[&str]) -> &'a [YamlNode] {
    root.at(path).map_or(&[][..], YamlNode::elements)
}
