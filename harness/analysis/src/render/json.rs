//! A matrix as JSON: groups, profiles, and the profile between any two groups.

use serde_json::{Value, json};
use verdikt_scenario::topology::{Endpoint, TargetPort};

use super::MatrixView;
use crate::access::{Access, AccessProfile, transport_word};
use crate::end::TrafficEnd;

/// The version of the format.
const FORMAT: u32 = 1;

/// The matrix as a JSON text.
pub fn json(shown: &MatrixView<'_>) -> String {
    let matrix = shown.matrix;
    let groups: Vec<Value> = matrix
        .classes
        .iter()
        .enumerate()
        .map(|(number, class)| {
            let ends: Vec<Value> = class.ends.iter().map(|end| end_json(shown, end)).collect();
            json!({"group": number, "ends": ends})
        })
        .collect();
    let profiles: Vec<Value> = matrix.profiles.iter().map(profile).collect();
    let rows = matrix.cells.iter().enumerate();
    let cells = rows.flat_map(|(from, row)| {
        row.iter()
            .enumerate()
            .filter_map(move |(to, number)| Some(json!({"from": from, "to": to, "access": (*number)?})))
    });
    let value = json!({
        "format": FORMAT,
        "cilium": shown.model.options().version.to_string(),
        "groups": groups,
        "services": services(shown),
        "accesses": profiles,
        "cells": cells.collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

/// The kind of an end, for programs.
pub(crate) fn kind(end: &TrafficEnd) -> &'static str {
    match end {
        TrafficEnd::Endpoint(Endpoint::Pod(_)) => "pod",
        TrafficEnd::Endpoint(Endpoint::World(_)) => "host outside",
        TrafficEnd::Endpoint(Endpoint::Node(_)) => "node",
        TrafficEnd::Endpoint(Endpoint::Cilium(_)) => "cilium",
        TrafficEnd::Block(_) => "addresses outside",
        TrafficEnd::Name(_) => "name outside",
        TrafficEnd::Future(..) => "future pod",
    }
}

fn end_json(shown: &MatrixView<'_>, end: &TrafficEnd) -> Value {
    let serves: Vec<Value> = match end {
        TrafficEnd::Endpoint(endpoint) => shown
            .model
            .topology()
            .serves(endpoint)
            .iter()
            .map(|served| {
                let name = served.name.as_ref().map(ToString::to_string);
                json!({"protocol": served.protocol, "port": served.port, "name": name})
            })
            .collect(),
        _ => Vec::new(),
    };
    json!({"name": end.to_string(), "kind": kind(end), "serves": serves})
}

fn services(shown: &MatrixView<'_>) -> Vec<Value> {
    let topology = shown.model.topology();
    let one = |(name, service): (&_, &verdikt_scenario::topology::Service)| {
        let ports: Vec<Value> = service
            .ports
            .iter()
            .map(|port| {
                let target = match &port.target {
                    TargetPort::Number(number) => number.to_string(),
                    TargetPort::Name(name) => name.to_string(),
                };
                json!({"protocol": port.protocol, "port": port.port, "target": target})
            })
            .collect();
        let backends: Vec<String> = topology.backends(name).iter().map(ToString::to_string).collect();
        json!({"service": name, "ports": ports, "backends": backends})
    };
    topology.services.iter().map(one).collect()
}

/// Every interval of a profile.
pub(crate) fn profile(profile: &AccessProfile<Access>) -> Value {
    let intervals = profile.iter().map(|(interval, access)| {
        let word = match access {
            Access::Proxy { .. } => "proxy".to_owned(),
            access => access.to_string(),
        };
        let mut value = json!({
            "protocol": transport_word(interval.transport),
            "first": interval.first,
            "last": interval.last,
            "verdict": word,
        });
        if let Access::Proxy { egress, ingress } = access {
            for (side, rules) in [("egress", egress), ("ingress", ingress)] {
                if let Some(rules) = rules {
                    value[side] = json!({"rules": rules.lines, "open": rules.open});
                }
            }
        }
        value
    });
    Value::Array(intervals.collect())
}
