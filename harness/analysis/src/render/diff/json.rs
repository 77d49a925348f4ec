//! A diff as JSON.

use serde_json::{Value, json};
use verdikt_engine::rule::Direction;

use super::DiffView;
use crate::access::{Access, transport_word};
use crate::diff::{AccessChange, Isolation, RefusalChange, TrafficChange};
use crate::end::TrafficEnd;
use crate::reason::Reason;

/// The version of the format.
const FORMAT: u32 = 1;

/// The diff as a JSON text.
pub fn json(shown: &DiffView<'_>) -> String {
    let diff = shown.diff;
    let value = json!({
        "format": FORMAT,
        "base": shown.titles[0],
        "head": shown.titles[1],
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "isolation": diff.isolation.iter().map(isolation).collect::<Vec<_>>(),
        "refused": diff.refused.iter().map(refusal).collect::<Vec<_>>(),
        "taken": diff.taken.iter().map(refusal).collect::<Vec<_>>(),
        "appeared": names(&diff.appeared),
        "gone": names(&diff.gone),
    });
    format!("{value:#}\n")
}

fn names(ends: &[TrafficEnd]) -> Vec<String> {
    ends.iter().map(ToString::to_string).collect()
}

fn change(change: &TrafficChange) -> Value {
    json!({
        "kind": change.kind,
        "sources": names(&change.sources),
        "destinations": names(&change.destinations),
        "flips": change.flips.iter().map(flip).collect::<Vec<_>>(),
        "allReasons": change.all_reasons,
    })
}

fn flip(flip: &AccessChange) -> Value {
    let intervals = flip.intervals.iter().map(|interval| {
        let (first, last) = (interval.first, interval.last);
        json!({"protocol": transport_word(interval.transport), "first": first, "last": last})
    });
    let reasons = flip.reasons.iter().map(|(old, new)| json!({"old": reason(old), "new": reason(new)}));
    json!({
        "intervals": intervals.collect::<Vec<_>>(),
        "old": access(&flip.old),
        "new": access(&flip.new),
        "reasons": reasons.collect::<Vec<_>>(),
    })
}

fn access(access: &Access) -> Value {
    let word = match access {
        Access::Proxy { .. } => "proxy".to_owned(),
        access => access.to_string(),
    };
    json!({"verdict": word, "proxy": access.proxy_text()})
}

fn reason(reason: &Reason) -> Value {
    let sides = reason
        .deciding()
        .into_iter()
        .map(|(side, found)| json!({"side": side, "text": found.to_string(), "rules": found.rules()}));
    Value::Array(sides.collect())
}

fn isolation(isolation: &Isolation) -> Value {
    let direction = if isolation.direction == Direction::Ingress { "ingress" } else { "egress" };
    json!({
        "ends": names(&isolation.ends),
        "direction": direction,
        "isolated": isolation.isolated,
        "rules": isolation.by,
    })
}

fn refusal(refusal: &RefusalChange) -> Value {
    json!({
        "object": refusal.object,
        "place": refusal.place,
        "by": refusal.by,
        "message": refusal.message,
    })
}
