//! One prediction explained: the answer, and every check on the way to it.

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::prediction::{Answer, Prediction};
use verdikt_scenario::topology::Endpoint;

use crate::checks;
use crate::paint::{Paint, Tone};
use crate::text::plain;

/// The prediction for one attempt as text of several lines, with a line's end after the last.
pub fn explain(source: &Endpoint, attempt: &Attempt, prediction: &Prediction, colour: bool) -> String {
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
    let chain = checks::chain(prediction, paint, usize::MAX);
    lines.extend(chain.into_iter().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests;
