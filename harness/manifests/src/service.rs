//! Services: names in front of workloads.

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::place::Position;
use verdikt_scenario::topology::{Port, Service, ServicePort, ServiceType, TargetPort, TrafficPolicy};

use crate::field::{self, Unusable};
use crate::ports;

/// What a Service object is.
#[derive(Clone, Debug)]
pub(crate) enum ReadService {
    /// A service of the topology, and where each of its ports says what it leads to.
    Service(Service, Vec<Position>),
    /// One that the topology has no words for, and why.
    Skipped(&'static str),
}

/// Reads a Service object.
pub(crate) fn service(root: &YamlNode) -> Result<ReadService, Unusable> {
    let service_type = match field::optional_text(root, &["spec", "type"])? {
        Some("ExternalName") => return Ok(ReadService::Skipped("ExternalName")),
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        _ => ServiceType::ClusterIp,
    };
    let labels = field::labels(root.at(&["metadata", "labels"]))?;
    let selects = field::labels(root.at(&["spec", "selector"]))?;
    if selects.is_empty() {
        return Ok(ReadService::Skipped("without a selector"));
    }
    let headless = field::optional_text(root, &["spec", "clusterIP"])? == Some("None");
    let (mut all, mut positions) = (Vec::new(), Vec::new());
    for port in root.at(&["spec", "ports"]).map_or(&[][..], YamlNode::elements) {
        let read = service_port(port, headless)?;
        if !all.iter().any(|other: &ServicePort| (other.port, other.protocol) == (read.port, read.protocol)) {
            all.push(read);
            positions.push(port.position_near(&["targetPort"]));
        }
    }
    if all.is_empty() {
        return Ok(ReadService::Skipped("without ports"));
    }
    // Nobody outside reaches a service without an address of its own.
    let service_type = if headless { ServiceType::ClusterIp } else { service_type };
    let selects = Some(selects);
    let service = Service { service_type, labels, selects, ports: all, headless, ..reach(root)? };
    Ok(ReadService::Service(service, positions))
}

/// What a Service object says of how it is reached.
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

fn service_port(node: &YamlNode, headless: bool) -> Result<ServicePort, Unusable> {
    let Some(port) = node.get("port") else {
        return Err(Unusable::Wrong(node.position, "the port has no `port`".to_owned()));
    };
    let port: Port = ports::number(port, "`port`")?;
    let protocol = ports::protocol(node)?;
    let target = match node.get("targetPort") {
        // The name of a headless service leads to the pods themselves, where nothing translates ports.
        _ if headless => TargetPort::Number(port),
        None => TargetPort::Number(port),
        Some(target) => target_port(target)?,
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
