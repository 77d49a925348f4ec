//! The fields of Hubble's JSON that are written unlike serde would: enumerations by name or number, 64-bit numbers as
//! strings, times as RFC 3339.

use prost_types::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};

use crate::drop_reason as reason;

#[derive(Deserialize)]
#[serde(untagged)]
enum NameOrNumber<N> {
    Number(N),
    Name(String),
}

/// A number of an enumeration. A name of a later version is 0, as no version gives 0 a meaning.
fn enumeration<'de, D: Deserializer<'de>>(json: D, names: &[(&str, i32)]) -> Result<i32, D::Error> {
    Ok(match NameOrNumber::<i32>::deserialize(json)? {
        NameOrNumber::Number(number) => number,
        NameOrNumber::Name(name) => {
            names.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number)
        }
    })
}

pub(crate) fn verdict<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    let names = [
        ("FORWARDED", 1),
        ("DROPPED", 2),
        ("ERROR", 3),
        ("AUDIT", 4),
        ("REDIRECTED", 5),
        ("TRACED", 6),
        ("TRANSLATED", 7),
    ];
    enumeration(json, &names)
}

pub(crate) fn traffic_direction<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    enumeration(json, &[("INGRESS", 1), ("EGRESS", 2)])
}

pub(crate) fn l7_type<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    enumeration(json, &[("REQUEST", 1), ("RESPONSE", 2), ("SAMPLE", 3)])
}

pub(crate) fn node_state<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    let names = [("NODE_CONNECTED", 1), ("NODE_UNAVAILABLE", 2), ("NODE_GONE", 3), ("NODE_ERROR", 4)];
    enumeration(json, &names)
}

pub(crate) fn lost_event_source<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    let names = [("PERF_EVENT_RING_BUFFER", 1), ("OBSERVER_EVENTS_QUEUE", 2), ("HUBBLE_RING_BUFFER", 3)];
    enumeration(json, &names)
}

pub(crate) fn drop_reason<'de, D: Deserializer<'de>>(json: D) -> Result<i32, D::Error> {
    Ok(match NameOrNumber::<i32>::deserialize(json)? {
        NameOrNumber::Number(number) => number,
        NameOrNumber::Name(name) => reason::number(&name).unwrap_or(0),
    })
}

/// A 64-bit number.
pub(crate) fn number<'de, D: Deserializer<'de>>(json: D) -> Result<u64, D::Error> {
    match NameOrNumber::<u64>::deserialize(json)? {
        NameOrNumber::Number(number) => Ok(number),
        NameOrNumber::Name(text) => text.parse().map_err(D::Error::custom),
    }
}

pub(crate) fn timestamp<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(json)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}
