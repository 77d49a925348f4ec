//! Services: names in front of workloads.

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::DnsName;
use verdikt_scenario::place::Position;
use verdikt_scenario::topology::{Port, Service, ServicePort, ServiceType, TargetPort, TrafficPolicy};

use crate::field::{self, Unusable};
use crate::ports;
use crate::slices::UnselectiveService;

/// The result of reading a Service object.
#[derive(Clone, Debug)]
pub(crate) enum ReadService {
    /// A service of the topology.
    Service {
        service: Service,
        /// The places of its ports.
        positions: Vec<Position>,
        /// The name of each port.
        names: Vec<String>,
    },
    /// A service without a selector.
    Unselective(UnselectiveService),
    /// A service that a topology cannot express, and why.
    Skipped(&'static str),
}

/// Reads a Service object.
pub(crate) fn service(root: &YamlNode) -> Result<ReadService, Unusable> {
    let service_type = match field::optional_text(root, &["spec", "type"])? {
        Some("ExternalName") => return external(root),
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        _ => ServiceType::ClusterIp,
    };
    let labels = field::labels(root.at(&["metadata", "labels"]))?;
    let selects = field::labels(root.at(&["spec", "selector"]))?;
    let headless = field::optional_text(root, &["spec", "clusterIP"])? == Some("None");
    let translation = if headless { PortTranslation::Absent } else { PortTranslation::ToTarget };
    let (mut all, mut positions, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for port in root.at(&["spec", "ports"]).map_or(&[][..], YamlNode::elements) {
        let read = service_port(port, translation)?;
        if !all.iter().any(|other: &ServicePort| (other.port, other.protocol) == (read.port, read.protocol)) {
            all.push(read);
            positions.push(port.position_near(&["targetPort"]));
            names.push(field::optional_text(port, &["name"])?.unwrap_or_default().to_owned());
        }
    }
    if all.is_empty() {
        return Ok(ReadService::Skipped("without ports"));
    }
    // A headless service is not reachable from outside.
    let service_type = if headless { ServiceType::ClusterIp } else { service_type };
    let is_selective = !selects.is_empty();
    let selects = Some(selects).filter(|_| is_selective);
    let service = Service { service_type, labels, selects, ports: all, headless, ..reach(root)? };
    if !is_selective {
        return Ok(ReadService::Unselective(UnselectiveService { service, names }));
    }
    Ok(ReadService::Service { service, positions, names })
}

/// A service that is an alias of a name outside.
fn external(root: &YamlNode) -> Result<ReadService, Unusable> {
    let labels = field::labels(root.at(&["metadata", "labels"]))?;
    let name = field::optional_text(root, &["spec", "externalName"])?;
    let Some(Ok(name)) = name.map(|name| name.trim_end_matches('.').to_lowercase().parse::<DnsName>()) else {
        return Ok(ReadService::Skipped("ExternalName without a name"));
    };
    let service = Service { labels, external_name: Some(name), ..Service::default() };
    Ok(ReadService::Service { service, positions: Vec::new(), names: Vec::new() })
}

/// The keys of a Service object that say how it is reached.
fn reach(root: &YamlNode) -> Result<Service, Unusable> {
    let policy = |key: &str| match field::optional_text(root, &["spec", key])? {
        Some("Local") => Ok::<_, Unusable>(TrafficPolicy::Local),
        _ => Ok(TrafficPolicy::Cluster),
    };
    let texts = |key: &str| {
        let list = root.at(&["spec", key]).map_or(&[][..], YamlNode::elements);
        list.iter().filter_map(YamlNode::text)
    };
    Ok(Service {
        external_traffic_policy: policy("externalTrafficPolicy")?,
        internal_traffic_policy: policy("internalTrafficPolicy")?,
        external_ips: texts("externalIPs").filter_map(|text| text.parse().ok()).collect(),
        source_ranges: texts("loadBalancerSourceRanges").filter_map(|text| text.parse().ok()).collect(),
        ..Service::default()
    })
}

/// How the port of a service is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortTranslation {
    /// To the target port.
    ToTarget,
    /// Not at all: the name of a headless service resolves to the pods themselves.
    Absent,
}

fn service_port(node: &YamlNode, translation: PortTranslation) -> Result<ServicePort, Unusable> {
    let Some(port) = node.get("port") else {
        return Err(Unusable::Wrong(node.position, "the port has no `port`".to_owned()));
    };
    let port: Port = ports::number(port, "`port`")?;
    let protocol = ports::protocol(node)?;
    let target = match node.get("targetPort") {
        Some(target) if translation == PortTranslation::ToTarget => target_port(target)?,
        Some(_) | None => TargetPort::Number(port),
    };
    Ok(ServicePort { port, protocol, target })
}

fn target_port(node: &YamlNode) -> Result<TargetPort, Unusable> {
    if matches!(node.value, Value::Integer(_)) {
        return ports::number(node, "`targetPort`").map(TargetPort::Number);
    }
    let text = field::text(node, "`targetPort`")?;
    if let Ok(number) = text.parse::<Port>() {
        return Ok(TargetPort::Number(number));
    }
    let name = text.parse();
    name.map(TargetPort::Name).map_err(|error| Unusable::Wrong(node.position, format!("{error}")))
}
