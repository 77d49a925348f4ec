//! The answers of `who` and `reach` as text and as JSON.

use serde_json::{Value, json};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::plain::Plain;
use verdikt_scenario::prediction::Prediction;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::access::{Interval, transport_word};
use crate::describe;
use crate::end::TrafficEnd;
use crate::question::{AdmittingRule, DestinationGroup, SourceGroup};
use crate::reason::Reason;
use crate::render::joined;

/// The largest number of ends in a line.
const MOST_NAMED: usize = 8;

/// What a pod that does not exist yet would need.
#[derive(Clone, Debug)]
pub struct FuturePodNeeds {
    /// Whose policy is asked.
    pub endpoint: Endpoint,
    /// One line for each rule.
    pub rules: Vec<AdmittingRule>,
}

/// What a source reaches.
#[derive(Clone, Copy, Debug)]
pub struct ReachAnswer<'a> {
    /// The source.
    pub source: &'a Endpoint,
    /// By address.
    pub destinations: &'a [DestinationGroup],
    /// By the names that clients use.
    pub by_name: &'a [(Attempt, Prediction)],
    /// What a target that does not exist yet would need; none if it needs nothing.
    pub needed: Option<&'a FuturePodNeeds>,
}

/// Who makes an attempt, as text.
pub fn who(
    head: &str,
    sources: &[SourceGroup],
    needed: Option<&FuturePodNeeds>,
    topology: &Topology,
) -> String {
    let mut lines = vec![format!("who may make {}", Plain::line(head))];
    let mut verdict = None;
    for sources in sources {
        if verdict != Some(&sources.verdict) {
            lines.extend([String::new(), sources.verdict.clone()]);
            verdict = Some(&sources.verdict);
        }
        lines.push(format!("  {}", named(&sources.ends, topology)));
        lines.extend(sources.why.iter().map(|why| format!("      {}", Plain::line(why))));
    }
    lines.push(String::new());
    match needed {
        None => {
            lines
                .push("a pod that does not exist yet needs no label: nothing isolates the target".to_owned());
        }
        Some(needed) => {
            lines.push(format!(
                "for a pod that does not exist yet, the ingress rules of {} decide:",
                needed.endpoint
            ));
            lines.extend(admissions(&needed.rules));
            lines.push("  and egress rules that select it".to_owned());
        }
    }
    joined(lines)
}

/// What a source reaches, as text.
pub fn reach(head: &str, reached: &ReachAnswer<'_>, topology: &Topology) -> String {
    let mut lines = vec![format!("what {} reaches", Plain::line(head))];
    let (open, closed): (Vec<_>, Vec<_>) = reached.destinations.iter().partition(|it| it.any_passes());
    for (title, destinations) in [("reaches", open), ("does not reach", closed)] {
        if destinations.is_empty() {
            continue;
        }
        lines.extend([String::new(), title.to_owned()]);
        for destinations in destinations {
            lines.push(format!("  {}", named(&destinations.ends, topology)));
            lines.extend(intervals(destinations).into_iter().map(|(intervals, reason)| {
                let ports = describe::ports(&intervals);
                let text = format!("      {ports}: {}; {reason}", reason.access);
                format!("      {}", Plain::line(&text))
            }));
        }
    }
    if !reached.by_name.is_empty() {
        lines.extend([String::new(), "by name".to_owned()]);
        lines.extend(reached.by_name.iter().map(|(attempt, prediction)| {
            let gap = prediction.gap().map(|gap| format!(": does not know {gap}")).unwrap_or_default();
            format!("  {}", Plain::line(&format!("{attempt}: {}{gap}", prediction.answer)))
        }));
    }
    lines.push(String::new());
    match reached.needed {
        None => lines.push(
            "nothing isolates it at egress: for what does not exist yet, ingress rules decide".to_owned(),
        ),
        Some(needed) => {
            lines.push(format!(
                "for what does not exist yet, the egress rules of {} decide:",
                needed.endpoint
            ));
            lines.extend(admissions(&needed.rules));
            lines.push("  and ingress rules that select it".to_owned());
        }
    }
    joined(lines)
}

fn named(ends: &[TrafficEnd], topology: &Topology) -> String {
    Plain::line(&describe::ends(ends, &[topology], MOST_NAMED)).into()
}

/// Merges the intervals with the same value.
fn intervals(destinations: &DestinationGroup) -> Vec<(Vec<Interval>, &Reason)> {
    let mut found: Vec<(Vec<Interval>, &Reason)> = Vec::new();
    for (interval, reason) in destinations.reasons.iter() {
        match found.iter_mut().find(|(_, known)| *known == reason) {
            Some((intervals, _)) => intervals.push(*interval),
            None => found.push((vec![*interval], reason)),
        }
    }
    found.sort_by_key(|(_, reason)| !reason.access.passes());
    found
}

fn admissions(rules: &[AdmittingRule]) -> Vec<String> {
    if rules.is_empty() {
        return vec!["  none lets anything pass".to_owned()];
    }
    let line = |rule: &AdmittingRule| {
        let word = if rule.denies { "denied" } else { "allowed" };
        let ports = if rule.ports.is_empty() { "all traffic".to_owned() } else { rule.ports.join(", ") };
        Plain::line(&format!("{word}: {} ({ports}) by {}", rule.wanted, rule.rule)).to_string()
    };
    rules.iter().map(|rule| format!("  {}", line(rule))).collect()
}

fn needed_json(needed: Option<&FuturePodNeeds>) -> Value {
    let Some(needed) = needed else { return Value::Null };
    let rules = needed.rules.iter().map(|rule| {
        json!({"wanted": rule.wanted, "ports": rule.ports, "verdict": if rule.denies { "deny" } else { "allow" }, "rule": rule.rule})
    });
    json!({"endpoint": needed.endpoint.to_string(), "rules": rules.collect::<Vec<_>>()})
}

fn names(ends: &[TrafficEnd]) -> Vec<String> {
    ends.iter().map(ToString::to_string).collect()
}

/// Who makes an attempt, as a JSON text.
pub fn who_json(attempt: &Attempt, sources: &[SourceGroup], needed: Option<&FuturePodNeeds>) -> String {
    let sources = sources.iter().map(|sources| {
        json!({"ends": names(&sources.ends), "passes": sources.passes, "verdict": sources.verdict, "why": sources.why})
    });
    let sources: Vec<Value> = sources.collect();
    let value = json!({"attempt": attempt.to_string(), "sources": sources, "needed": needed_json(needed)});
    format!("{value:#}\n")
}

/// What a source reaches, as a JSON text.
pub fn reach_json(reached: &ReachAnswer<'_>) -> String {
    let destinations = reached.destinations.iter().map(|destinations| {
        let access = destinations.reasons.iter().map(|(interval, reason)| {
            json!({
                "protocol": transport_word(interval.transport),
                "first": interval.first,
                "last": interval.last,
                "verdict": reason.access.to_string(),
                "why": reason.to_string(),
            })
        });
        json!({"ends": names(&destinations.ends), "access": access.collect::<Vec<_>>()})
    });
    let by_name = reached.by_name.iter().map(|(attempt, prediction)| {
        json!({"attempt": attempt.to_string(), "verdict": prediction.answer.to_string()})
    });
    let value = json!({
        "source": reached.source.to_string(),
        "destinations": destinations.collect::<Vec<_>>(),
        "byName": by_name.collect::<Vec<_>>(),
        "needed": needed_json(reached.needed),
    });
    format!("{value:#}\n")
}
