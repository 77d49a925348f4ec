//! One prediction explained: the answer, and every check on the way to it; for people and for programs.

use serde::Serialize;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::prediction::{Answer, Check, Prediction};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::unreachable::Unreachable;

use crate::checks;
use crate::paint::{Paint, Tone};
use crate::text::{plain, wrap};

/// How an explanation looks.
#[derive(Clone, Copy, Debug)]
pub struct ExplainStyle {
    /// Whether there are colours.
    pub colour: bool,
    /// The width in columns; places and rules are never broken.
    pub width: usize,
}

/// The prediction for one attempt as text of several lines, with a line's end after the last.
pub fn explain(source: &Endpoint, attempt: &Attempt, prediction: &Prediction, look: ExplainStyle) -> String {
    let ExplainStyle { colour, width } = look;
    let paint = Paint { colour };
    let (tone, answer) = match prediction.answer {
        Answer::Allow => (Tone::Allow, "allow".to_owned()),
        Answer::Deny(point) => (Tone::Deny, format!("deny {point}")),
        Answer::Audit(point) => (Tone::Deny, format!("audit {point}, which lets it pass")),
        Answer::Redirect => (Tone::Deny, "redirect".to_owned()),
        Answer::Abstain => (Tone::Inconclusive, "the engine abstains".to_owned()),
    };
    let head = paint.paint(Tone::Heading, &format!("{source} -> {}", plain(&attempt.to_string())));
    let mut lines = vec![format!("{head}: {}", paint.paint(tone, &answer))];
    let chain = checks::chain(prediction, paint, width.saturating_sub(2));
    lines.extend(chain.into_iter().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.join("\n")
}

/// Explains why no policy applies to an attempt, as text of several lines, with a line's end after the last.
pub fn explain_unreachable(
    source: &Endpoint,
    attempt: &Attempt,
    because: &Unreachable,
    look: ExplainStyle,
) -> String {
    let paint = Paint { colour: look.colour };
    let head = paint.paint(Tone::Heading, &format!("{source} -> {}", plain(&attempt.to_string())));
    let mut lines = vec![format!("{head}: {}", paint.paint(Tone::Deny, UNREACHABLE))];
    let because = wrap(&plain(&because.to_string()), look.width.saturating_sub(2));
    lines.extend(because.into_iter().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.join("\n")
}

/// The answer for an attempt that no policy applies to.
const UNREACHABLE: &str = "no policy sees it";

/// What an explanation is about.
#[derive(Clone, Debug, Serialize)]
pub struct Explained<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The step.
    pub step: &'a str,
    /// The Cilium version.
    pub cilium: String,
    /// The objects that are not in force, each in a sentence.
    pub not_in_force: &'a [String],
    /// Each attempt with what the engine says of it.
    pub cells: Vec<ExplainedCell<'a>>,
}

/// An attempt with what the engine says of it.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCell<'a> {
    attempt: String,
    source: String,
    answer: String,
    checks: &'a [Check],
    /// Why no policy applies to it, if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

impl<'a> ExplainedCell<'a> {
    /// One attempt.
    pub fn new(source: &Endpoint, attempt: &Attempt, prediction: &'a Prediction) -> Self {
        Self {
            attempt: attempt.to_string(),
            source: source.to_string(),
            answer: prediction.answer.to_string(),
            checks: &prediction.checks,
            because: None,
        }
    }

    /// One attempt that no policy applies to.
    pub fn unreachable(source: &Endpoint, attempt: &Attempt, because: &Unreachable) -> Self {
        Self {
            attempt: attempt.to_string(),
            source: source.to_string(),
            answer: UNREACHABLE.to_owned(),
            checks: &[],
            because: Some(because.to_string()),
        }
    }
}

/// One JSON document, indented, with a line's end after the last line.
pub fn json(explained: &Explained<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(explained).map(|text| text + "\n")
}

#[cfg(test)]
mod tests;
