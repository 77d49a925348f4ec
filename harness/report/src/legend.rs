//! The rules behind the verdicts of a table, numbered for its cells to refer to.

use std::sync::Arc;

use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint, Prediction, RuleRef};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::CellJudged;

use crate::evidence;
use crate::paint::{Paint, Tone};
use crate::step_table::Numbered;
use crate::text::{pad, plain, width, wrap};
use crate::words;

/// What a rule, or the lack of one, does for a verdict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LegendEntry<'a> {
    /// The rule that lets it pass.
    AllowedBy(&'a Arc<RuleRef>),
    /// The rule that denies it.
    DeniedBy(&'a Arc<RuleRef>),
    /// The rule that sends it to a proxy, which redirects it.
    RedirectedBy(&'a Arc<RuleRef>),
    /// The rules that isolate the endpoint where nothing allows it, or that send it to a proxy.
    DefaultDeny(EnforcementPoint, &'a [Arc<RuleRef>]),
    /// The rule that the engine does not know enough of.
    Unknown(&'a Arc<RuleRef>),
    /// The node's own traffic to its pods.
    LocalHost,
    /// The author's reason why this version differs.
    Version(CiliumVersion, String),
    /// That it was attempted again, and why.
    Again(String),
}

/// The entries referred to so far.
#[derive(Debug, Default)]
pub(crate) struct Legend<'a> {
    entries: Numbered<LegendEntry<'a>>,
    /// Whether some attempt passes without any rule.
    free: bool,
}

impl<'a> Legend<'a> {
    /// What a cell refers to: `[1,3]`, or nothing.
    pub(crate) fn refer(&mut self, cell: &'a CellJudged, version: CiliumVersion) -> String {
        let mut entries = behind(&cell.prediction);
        self.free |= entries.is_empty() && cell.prediction.answer == Answer::Allow;
        entries.extend(cell.because.iter().map(|because| LegendEntry::Version(version, plain(because))));
        entries.extend(cell.evidence.as_deref().and_then(evidence::again).map(LegendEntry::Again));
        let mut numbers: Vec<usize> = Vec::new();
        for entry in entries {
            let number = self.entries.number(entry) + 1;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!("[{}]", numbers.join(",")) }
    }

    /// The legend below a table. Rules and places stay whole; a rule stands below its place where the width asks.
    pub(crate) fn lines(&self, paint: Paint, limit: usize) -> Vec<String> {
        let mut rows: Vec<LegendRow> = Vec::new();
        for (index, entry) in self.entries.things.iter().enumerate() {
            rows.extend(entry.rows(format!("[{}]", index + 1)));
        }
        if self.free {
            let text = "no number: no policy isolates the source at egress or the target at ingress";
            rows.push(LegendRow::note("·".to_owned(), text.to_owned()));
        }
        let widest = |of: fn(&LegendRow) -> &str| rows.iter().map(|row| width(of(row))).max().unwrap_or(0);
        let numbers = widest(|row| &row.number);
        let roles = widest(|row| if row.rule.is_some() { &row.role } else { "" });
        let places = widest(|row| row.rule.as_ref().map_or("", |(place, _)| place));
        let rules = widest(|row| row.rule.as_ref().map_or("", |(_, rule)| rule));
        let aligned = numbers + 1 + roles + 2 + places + 2 + rules <= limit;
        let mut lines = Vec::new();
        for row in &rows {
            let number = paint.paint(Tone::Quiet, &pad(&row.number, numbers));
            let Some((place, rule)) = &row.rule else {
                for (at, line) in wrap(&row.role, limit.saturating_sub(numbers + 1)).iter().enumerate() {
                    let lead = if at == 0 { number.clone() } else { " ".repeat(numbers) };
                    lines.push(format!("{lead} {line}"));
                }
                continue;
            };
            let head = format!("{number} {}", pad(&row.role, roles));
            let fits = numbers + 1 + roles + 2 + width(place) + 2 + width(rule) <= limit;
            let padded = if aligned { pad(place, places) } else { place.clone() };
            let place = paint.paint(Tone::Quiet, &padded);
            if fits {
                lines.push(format!("{head}  {place}  {rule}"));
            } else {
                lines.push(format!("{head}  {place}"));
                lines.push(format!("{}{rule}", " ".repeat(numbers + 3)));
            }
        }
        lines
    }
}

/// One line of a legend: a rule with its role, or a note.
struct LegendRow {
    number: String,
    role: String,
    rule: Option<(String, String)>,
}

impl LegendRow {
    fn note(number: String, text: String) -> Self {
        Self { number, role: text, rule: None }
    }
}

impl LegendEntry<'_> {
    fn rows(&self, number: String) -> Vec<LegendRow> {
        let (role, rules) = match self {
            Self::AllowedBy(rule) => ("allowed by", std::slice::from_ref(*rule)),
            Self::DeniedBy(rule) => ("denied by", std::slice::from_ref(*rule)),
            Self::RedirectedBy(rule) => ("redirected by", std::slice::from_ref(*rule)),
            Self::Unknown(rule) => ("not known", std::slice::from_ref(*rule)),
            Self::DefaultDeny(EnforcementPoint::Egress | EnforcementPoint::Ingress, rules) => {
                ("default deny", *rules)
            }
            Self::DefaultDeny(
                EnforcementPoint::Dns | EnforcementPoint::Http | EnforcementPoint::Tls,
                rules,
            ) => ("no match in", *rules),
            Self::LocalHost | Self::Version(..) | Self::Again(_) => ("", &[][..]),
        };
        if rules.is_empty() {
            return vec![LegendRow::note(number, self.without_rules())];
        }
        let row = |(at, rule): (usize, &Arc<RuleRef>)| LegendRow {
            number: if at == 0 { number.clone() } else { String::new() },
            role: if at == 0 { role.to_owned() } else { "and".to_owned() },
            rule: Some((words::place(&rule.place), words::rule(rule))),
        };
        rules.iter().enumerate().map(row).collect()
    }

    /// What to say where no rule is behind it.
    fn without_rules(&self) -> String {
        match self {
            Self::LocalHost => "the node's own traffic to its pods needs no rule".to_owned(),
            Self::Version(version, because) => format!("Cilium {version} differs: {because}"),
            Self::Again(why) => why.clone(),
            Self::DefaultDeny(
                point @ (EnforcementPoint::Dns | EnforcementPoint::Http | EnforcementPoint::Tls),
                _,
            ) => {
                format!("no rule of the {} proxy allows it", point.to_string().to_uppercase())
            }
            Self::DefaultDeny(point, _) => {
                format!("default deny: every endpoint is isolated at {point} in this mode")
            }
            Self::AllowedBy(_) | Self::DeniedBy(_) | Self::RedirectedBy(_) | Self::Unknown(_) => {
                String::new()
            }
        }
    }
}

/// What is behind a prediction: of an allow every rule it needed, otherwise what ended it.
fn behind(prediction: &Prediction) -> Vec<LegendEntry<'_>> {
    let wanted = |decision: &Decision| match prediction.answer {
        Answer::Allow => true,
        Answer::Deny(_) | Answer::Audit(_) => {
            matches!(
                decision,
                Decision::Denied { .. } | Decision::NoRuleAllows { .. } | Decision::NotTrusted { .. }
            )
        }
        Answer::Redirect => matches!(decision, Decision::Redirected { .. }),
        Answer::Abstain => matches!(decision, Decision::Unknown { .. }),
    };
    let checks = prediction.checks.iter().filter(|check| wanted(&check.decision));
    let entries = checks.filter_map(|check| match &check.decision {
        Decision::NotIsolated
        | Decision::PassedOn { .. }
        | Decision::Itself { .. }
        | Decision::OutsideCluster
        | Decision::Chance { .. } => None,
        Decision::Allowed { by } => by.first().map(LegendEntry::AllowedBy),
        Decision::LocalHost => Some(LegendEntry::LocalHost),
        Decision::Denied { by } => by.first().map(LegendEntry::DeniedBy),
        Decision::NotTrusted { by, .. } => by.first().map(LegendEntry::DeniedBy),
        Decision::Redirected { by, .. } => by.first().map(LegendEntry::RedirectedBy),
        Decision::NoRuleAllows { isolated_by, .. } => {
            Some(LegendEntry::DefaultDeny(check.point, isolated_by))
        }
        Decision::Unknown { rule, .. } => rule.as_ref().map(LegendEntry::Unknown),
    });
    entries.collect()
}

#[cfg(test)]
mod tests;
