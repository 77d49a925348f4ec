//! A diff as SARIF 2.1.0, for code scanning.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use serde_json::{Value, json};
use verdikt_scenario::place::Place;
use verdikt_scenario::plain::Plain;

use super::{DiffView, isolation, ports};
use crate::diff::{ChangeKind, TrafficChange};

/// The diff as a SARIF log.
pub fn sarif(shown: &DiffView<'_>) -> String {
    let diff = shown.diff;
    let mut results: Vec<Value> = diff.changes.iter().map(|it| change(shown, it)).collect();
    results.extend(diff.isolation.iter().map(|it| {
        let message = format!("{}: {}", shown.ends(&it.ends), isolation(it));
        let place = it.by.first().map(|rule| rule.place.clone());
        result("isolation", "note", &message, place.as_ref())
    }));
    results.extend(diff.refused.iter().map(|refusal| {
        let message = format!("{} is refused by {}: {}", refusal.object, refusal.by, refusal.message);
        result("refused", "error", &message, Some(&refusal.place))
    }));
    let rules = ChangeKind::ALL.map(ChangeKind::word).into_iter().chain(["isolation", "refused"]);
    let rules: Vec<Value> = rules.map(|word| json!({"id": word, "name": word})).collect();
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "verdikt diff", "rules": rules}},
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

fn change(shown: &DiffView<'_>, change: &TrafficChange) -> Value {
    let flips: Vec<String> =
        change.flips.iter().map(|flip| format!("{}: {} -> {}", ports(flip), flip.old, flip.new)).collect();
    let message = format!("{}: {} ({})", change.kind, shown.pairs(change), flips.join("; "));
    let level = match change.kind {
        ChangeKind::Opened | ChangeKind::Closed | ChangeKind::Unknown => "warning",
        ChangeKind::Proxied | ChangeKind::Unproxied | ChangeKind::ProxyRules => "note",
    };
    result(change.kind.word(), level, &message, place(change).as_ref())
}

/// The place of the change: the rule that decides after it, or else the one before.
fn place(change: &TrafficChange) -> Option<Place> {
    let reasons = change.flips.iter().flat_map(|flip| &flip.reasons);
    let of = |reason: &crate::reason::Reason| {
        let found = reason.deciding().into_iter().find_map(|(_, found)| found.rules().first().cloned());
        found.map(|rule| rule.place.clone())
    };
    reasons.clone().find_map(|(_, new)| of(new)).or_else(|| reasons.clone().find_map(|(old, _)| of(old)))
}

fn result(rule: &str, level: &str, message: &str, place: Option<&Place>) -> Value {
    let location = |place: &Place| {
        json!({"physicalLocation": {
            "artifactLocation": {"uri": place.file_uri()},
            "region": {"startLine": place.line.max(1), "startColumn": place.column.max(1)},
        }})
    };
    let locations: Vec<Value> = place.into_iter().map(location).collect();
    json!({"ruleId": rule, "level": level, "message": {"text": Plain::line(message).as_str()}, "locations": locations})
}
