//! A run as one JSON document, for programs.
//!
//! Attempts, sources, expectations and verdicts are the words of a scenario file; everything else has the shape
//! of the event log.

use std::time::Duration;

use serde::Serialize;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::{Decision, EnforcementPoint};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict};
use verdikt_verdict::event::{CellJudged, CellSkipped, Event, ObjectJudged, ObjectRefusal, RunOrigin};
use verdikt_verdict::evidence::Evidence;
use verdikt_verdict::invariant::{InvariantJudged, InvariantProof};
use verdikt_verdict::run_result::{RunResult, Totals};
use verdikt_verdict::timestamp::Timestamp;

use crate::tree::RunTree;
use crate::words;

mod diagnostics;

pub use self::diagnostics::diagnostics;

/// The version of the format of both documents.
pub const FORMAT: u32 = 1;

#[derive(Serialize)]
struct RunDocument<'a> {
    format: u32,
    verdikt: Option<&'a str>,
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of_lab: Option<&'a str>,
    cilium: Option<CiliumVersion>,
    #[serde(flatten)]
    origin: Option<&'a RunOrigin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<Duration>,
    outcome: RunResult,
    totals: Totals,
    scenarios: Vec<ScenarioPart<'a>>,
    skipped: Vec<SkippedPart<'a>>,
    failed: Vec<FailedPart<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'a Diagnostic>,
}

#[derive(Serialize)]
struct ScenarioPart<'a> {
    name: &'a str,
    about: &'a str,
    place: &'a Place,
    steps: Vec<StepPart<'a>>,
}

#[derive(Serialize)]
struct StepPart<'a> {
    step: &'a str,
    place: &'a Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<Duration>,
    objects: Vec<ObjectPart<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invariants: Vec<InvariantPart<'a>>,
    cells: Vec<CellPart<'a>>,
    /// Cells that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<SkippedCellPart<'a>>,
}

#[derive(Serialize)]
struct SkippedCellPart<'a> {
    /// As a filter takes it.
    name: String,
    attempt: String,
    source: String,
    expected: String,
    place: &'a Place,
    because: &'a str,
}

#[derive(Serialize)]
struct ObjectPart<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    place: &'a Place,
    expected: Option<&'a ObjectRefusal>,
    refused: Option<&'a ObjectRefusal>,
    as_expected: bool,
}

#[derive(Serialize)]
struct InvariantPart<'a> {
    invariant: &'a str,
    because: &'a str,
    place: &'a Place,
    known_broken: bool,
    as_expected: bool,
    found: &'a InvariantProof,
}

fn invariant_part(judged: &InvariantJudged) -> InvariantPart<'_> {
    InvariantPart {
        invariant: &judged.invariant,
        because: &judged.because,
        place: &judged.place,
        known_broken: judged.known_broken,
        as_expected: judged.is_as_expected(),
        found: &judged.found,
    }
}

#[derive(Serialize)]
struct CellPart<'a> {
    /// As a filter takes it.
    name: String,
    attempt: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    expected: String,
    place: &'a Place,
    because: Option<&'a str>,
    verdict: String,
    inconclusive_because: Option<&'a str>,
    result: CellResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a Evidence>,
    checks: Vec<CheckPart<'a>>,
}

#[derive(Serialize)]
struct CheckPart<'a> {
    point: EnforcementPoint,
    endpoint: String,
    question: &'a str,
    decision: &'a Decision,
}

#[derive(Serialize)]
struct SkippedPart<'a> {
    name: &'a str,
    place: &'a Place,
    because: &'a str,
}

#[derive(Serialize)]
struct FailedPart<'a> {
    name: &'a str,
    place: &'a Place,
    reason: &'a str,
}

/// The document of a run, indented, with a line's end after the last line.
pub fn json(events: &[Event]) -> Result<String, serde_json::Error> {
    let run = RunTree::of(events);
    let document = RunDocument {
        warnings: run.warnings.clone(),
        format: FORMAT,
        verdikt: run.started.map(|run| run.verdikt.as_str()),
        backend: run.started.map(|run| run.backend.as_str()),
        instead_of_lab: run.started.and_then(|run| run.instead_of_lab.as_deref()),
        cilium: run.started.map(|run| run.cilium),
        origin: run.started.map(|run| &run.origin),
        took: run.took,
        outcome: run.result,
        totals: run.totals,
        scenarios: run
            .scenarios
            .iter()
            .map(|scenario| ScenarioPart {
                name: &scenario.started.scenario,
                about: &scenario.started.about,
                place: &scenario.started.place,
                steps: scenario
                    .steps
                    .iter()
                    .map(|step| StepPart {
                        step: &step.started.step,
                        place: &step.started.place,
                        started: step.started.started,
                        took: step.took,
                        objects: step.objects.iter().map(|judged| object_part(judged)).collect(),
                        invariants: step.invariants.iter().map(|judged| invariant_part(judged)).collect(),
                        cells: step.cells.iter().map(|judged| cell_part(judged)).collect(),
                        skipped: step.skipped.iter().map(|cell| skipped_part(cell)).collect(),
                    })
                    .collect(),
            })
            .collect(),
        skipped: run
            .skipped
            .iter()
            .map(|skipped| SkippedPart {
                name: &skipped.scenario,
                place: &skipped.place,
                because: &skipped.because,
            })
            .collect(),
        failed: run
            .failed
            .iter()
            .map(|failed| FailedPart { name: &failed.scenario, place: &failed.place, reason: &failed.reason })
            .collect(),
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

fn object_part(judged: &ObjectJudged) -> ObjectPart<'_> {
    ObjectPart {
        kind: &judged.object.kind,
        namespace: judged.object.namespace.as_deref(),
        name: &judged.object.name,
        place: &judged.place,
        expected: judged.expected.as_ref(),
        refused: judged.refused.as_ref(),
        as_expected: judged.as_expected,
    }
}

fn skipped_part(cell: &CellSkipped) -> SkippedCellPart<'_> {
    SkippedCellPart {
        name: cell.name().to_string(),
        attempt: cell.attempt.to_string(),
        source: cell.source.to_string(),
        expected: cell.expected.to_string(),
        place: &cell.place,
        because: &cell.because,
    }
}

fn cell_part(judged: &CellJudged) -> CellPart<'_> {
    let checks = judged.prediction.checks.iter().map(|check| CheckPart {
        point: check.point,
        endpoint: check.endpoint.to_string(),
        question: &check.question,
        decision: &check.decision,
    });
    CellPart {
        name: judged.name().to_string(),
        attempt: judged.attempt.to_string(),
        source: judged.source.to_string(),
        via: judged.via.as_ref().map(ToString::to_string),
        expected: judged.expected.to_string(),
        place: &judged.place,
        because: judged.because.as_deref(),
        verdict: words::verdict(&judged.verdict),
        inconclusive_because: match &judged.verdict {
            Verdict::Inconclusive(why) => Some(why),
            Verdict::Allowed | Verdict::Denied(_) | Verdict::Audited(_) | Verdict::Redirected => None,
        },
        result: judged.result,
        basis: judged.basis.map(|basis| basis.to_string()),
        took: judged.took(),
        evidence: judged.evidence.as_deref(),
        checks: checks.collect(),
    }
}

#[cfg(test)]
mod tests;
