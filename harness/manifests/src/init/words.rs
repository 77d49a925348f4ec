//! Formats parts of a topology as the scenario format writes them.

use verdikt_scenario::topology::{Labels, Protocol, ServicePort, TargetPort};

use super::yaml::scalar;

/// Labels as a mapping in one line.
pub(super) fn labels(labels: &Labels) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
    format!("{{{}}}", labels.join(", "))
}

/// Ports, each with the port of the pod.
pub(super) fn led_ports<'a>(ports: impl Iterator<Item = &'a ServicePort>) -> String {
    let entries = ports.map(|port| {
        let protocol =
            if port.protocol == Protocol::Tcp { String::new() } else { format!("/{}", port.protocol) };
        let target = match &port.target {
            TargetPort::Number(number) => number.to_string(),
            TargetPort::Name(name) => scalar(name.as_str()),
        };
        format!("{}{protocol}: {target}", port.port)
    });
    entries.collect::<Vec<_>>().join(", ")
}
