//! Cells that are not as expected, a line each: what was attempted, what was expected, and which rule decides.

use std::sync::Arc;

use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::{Decision, EnforcementPoint, Prediction, RuleRef};
use verdikt_verdict::compare::{CellResult, Verdict, contradicts};
use verdikt_verdict::event::CellJudged;

use crate::step_table::Numbered;
use crate::text::plain;
use crate::words;

/// A cell in one line: `tcp database/redis:6379 from shop/stock: expected allow, deny ingress by database/lockdown
/// policies/lockdown.yaml:7`.
pub fn cell(cell: &CellJudged) -> String {
    line(cell, &[plain(&cell.source.to_string())])
}

/// A line for each attempt and comparison, with all sources that it holds for; in the order of the cells.
pub(crate) fn cells<'a>(cells: impl IntoIterator<Item = &'a CellJudged>) -> Vec<String> {
    let mut said = Numbered::default();
    let mut alike: Vec<(&CellJudged, Vec<String>)> = Vec::new();
    for cell in cells {
        let number = said.number((&*cell.attempt, comparison(cell)));
        let source = plain(&cell.source.to_string());
        match alike.get_mut(number) {
            Some((_, sources)) => sources.push(source),
            None => alike.push((cell, vec![source])),
        }
    }
    alike.iter().map(|(cell, sources)| line(cell, sources)).collect()
}

fn line(cell: &CellJudged, sources: &[String]) -> String {
    let attempt = plain(&cell.attempt.to_string());
    format!("{attempt} from {}: {}", sources.join(", "), comparison(cell))
}

/// What was expected of a cell, and its verdict with the rule that decides.
fn comparison(cell: &CellJudged) -> String {
    let expected = plain(&cell.expected.to_string());
    let via =
        cell.via.as_ref().map_or_else(String::new, |backend| format!(" via {}", plain(&backend.to_string())));
    let verdict = words::verdict(&cell.verdict) + &via;
    let answer = cell.prediction.answer;
    match (cell.result, &cell.verdict) {
        (_, Verdict::Inconclusive(why)) => format!("expected {expected}, {verdict}: {}", plain(why)),
        (CellResult::Contradicted, _) => {
            format!("expected {expected}, {verdict}, and the engine predicts {answer}")
        }
        _ if contradicts(answer, &cell.verdict) => {
            format!("expected {expected}, {verdict}, and the engine predicts {answer}")
        }
        _ => match decider(cell) {
            Some(rule) => {
                let (policy, place) = (plain(&rule.object.short()), words::place(&rule.place));
                format!("expected {expected}, {verdict} by {policy} {place}")
            }
            None => format!("expected {expected}, {verdict}, by no policy"),
        },
    }
}

/// The line that is to blame: the rule that ends the attempt or lets it pass, or the table's.
pub(crate) fn place(cell: &CellJudged) -> &Place {
    let deciding = deciding(&cell.prediction, asked(cell), |decision| match decision {
        Decision::NoRuleAllows { isolated_by, nearest } => {
            nearest.as_ref().map(|nearest| &nearest.rule).or(isolated_by.first())
        }
        _ => None,
    });
    deciding.map_or(&cell.place, |rule| &rule.place)
}

/// The rule that decides a cell: that denies it, isolates an endpoint, or lets it pass.
fn decider(cell: &CellJudged) -> Option<&Arc<RuleRef>> {
    deciding(&cell.prediction, asked(cell), |decision| match decision {
        Decision::NoRuleAllows { isolated_by, .. } => isolated_by.first(),
        _ => None,
    })
}

/// Where the policy has to be asked: what passes although it should be denied at one point is not a matter of the rules at
/// another.
pub(crate) fn asked(cell: &CellJudged) -> Option<EnforcementPoint> {
    cell.expected.verdict.point().filter(|_| cell.verdict == Verdict::Allowed)
}

/// The last rule that decides at one point, or at any; `of_default_deny` says which it is where none allows.
pub(crate) fn deciding<'a>(
    prediction: &'a Prediction,
    point: Option<EnforcementPoint>,
    of_default_deny: impl Fn(&'a Decision) -> Option<&'a Arc<RuleRef>>,
) -> Option<&'a Arc<RuleRef>> {
    let checks = prediction.checks.iter().filter(|check| point.is_none_or(|point| check.point == point));
    checks.rev().find_map(|check| match &check.decision {
        Decision::Denied { by } | Decision::Allowed { by } => by.first(),
        decision @ Decision::NoRuleAllows { .. } => of_default_deny(decision),
        Decision::Redirected { by, .. } | Decision::NotTrusted { by, .. } => by.first(),
        Decision::Unknown { rule, .. } => rule.as_ref(),
        Decision::NotIsolated
        | Decision::PassedOn { .. }
        | Decision::LocalHost
        | Decision::Itself { .. }
        | Decision::OutsideCluster
        | Decision::Chance { .. } => None,
    })
}
