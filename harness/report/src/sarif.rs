//! A run, or what `check` found, as SARIF 2.1.0, for code scanning.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};
use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::place::Place;
use verdikt_verdict::compare::CellResult;
use verdikt_verdict::event::{CellJudged, Event};

use crate::line;
use crate::object;
use crate::text::plain;
use crate::tree::RunTree;

/// The kinds of results, each with what it means. Warnings have their own codes besides.
const RULES: &[(&str, &str)] = &[
    ("mistake", "A scenario or a policy is wrong."),
    ("differs", "A verdict is not the one that a table expects."),
    ("inconclusive", "The evidence does not tell a verdict."),
    ("object", "A policy object is refused or accepted, and the opposite is expected."),
    ("invariant", "An invariant does not hold, or holds where it is known not to."),
    ("failed", "A scenario could not be run."),
];

/// One result.
struct SarifResult {
    rule: String,
    level: &'static str,
    message: String,
    place: Place,
}

/// What `check` found.
pub fn diagnostics(diagnostics: &[Diagnostic]) -> String {
    document(&diagnostics.iter().map(of_diagnostic).collect::<Vec<_>>())
}

/// A run: its warnings, and what is not as expected.
pub fn sarif(events: &[Event]) -> String {
    let run = RunTree::of(events);
    let mut findings: Vec<SarifResult> = run.warnings.iter().map(|warning| of_diagnostic(warning)).collect();
    for failed in &run.failed {
        let message = plain(&format!("{}: {}", failed.scenario, failed.reason));
        let (rule, place) = ("failed".to_owned(), failed.place.clone());
        findings.push(SarifResult { rule, level: "error", message, place });
    }
    for step in run.scenarios.iter().flat_map(|scenario| &scenario.steps) {
        for judged in step.objects.iter().filter(|judged| !judged.as_expected) {
            let Some(message) = object::sentence(judged) else { continue };
            let (rule, place) = ("object".to_owned(), judged.place.clone());
            findings.push(SarifResult { rule, level: "error", message, place });
        }
        for judged in step.invariants.iter().filter(|judged| !judged.is_as_expected()) {
            let level = if judged.is_unknown() { "warning" } else { "error" };
            let (rule, place) = ("invariant".to_owned(), judged.blamed().clone());
            findings.push(SarifResult { rule, level, message: plain(&judged.to_string()), place });
        }
        findings.extend(step.cells.iter().filter_map(|cell| of_cell(cell)));
    }
    document(&findings)
}

fn of_diagnostic(diagnostic: &Diagnostic) -> SarifResult {
    let Diagnostic { place, severity, code, message, help } = diagnostic;
    let help = help.as_ref().map_or_else(String::new, |help| format!("\n{}", plain(help)));
    let level = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    };
    let rule = code.as_ref().map_or_else(|| "mistake".to_owned(), |code| plain(code));
    SarifResult { rule, level, message: plain(message) + &help, place: place.clone() }
}

fn of_cell(cell: &CellJudged) -> Option<SarifResult> {
    let (rule, level) = match cell.result {
        CellResult::AsExpected => return None,
        CellResult::Inconclusive => ("inconclusive", "warning"),
        CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => ("differs", "error"),
    };
    let message = format!("{}\n{}", line::cell(cell), cell.name());
    Some(SarifResult { rule: rule.to_owned(), level, message, place: line::place(cell).clone() })
}

fn document(findings: &[SarifResult]) -> String {
    let mut rules: BTreeMap<String, Option<&str>> =
        findings.iter().map(|finding| (finding.rule.clone(), None)).collect();
    for &(rule, meaning) in RULES {
        rules.entry(rule.to_owned()).and_modify(|known| *known = Some(meaning));
    }
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|(rule, meaning)| {
            let text = meaning.unwrap_or("Legal, and almost surely not what was meant.");
            json!({"id": rule, "shortDescription": {"text": text}})
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let driver = json!({
        "name": "verdikt",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules,
    });
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    });
    format!("{document:#}\n")
}

fn result(finding: &SarifResult) -> Value {
    let SarifResult { rule, level, message, place } = finding;
    let mut location = json!({"artifactLocation": {"uri": place.file_uri()}});
    if place.line > 0 {
        location["region"] = json!({"startLine": place.line, "startColumn": place.column.max(1)});
    }
    json!({
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": location}],
    })
}

#[cfg(test)]
mod tests;
