//! The checks of a prediction as text: the question, the decision, and the rules behind it.

use std::sync::Arc;

use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, Miss, Prediction, RuleRef};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint};

use crate::paint::{Paint, Tone};
use crate::text::{plain, width, wrap};
use crate::words;

/// How far a decision is indented below its question, and a rule below its decision.
const INDENT: usize = 3;

/// Every check as a numbered chain, in lines of at most `width` columns where they can be broken: places and rules
/// stay whole.
pub(crate) fn chain(prediction: &Prediction, paint: Paint, width: usize) -> Vec<String> {
    let mut chain = Chain { paint, width, lines: Vec::new() };
    for (index, check) in prediction.checks.iter().enumerate() {
        chain.check(&format!("{}. ", index + 1), check, prediction.answer);
    }
    chain.lines
}

/// One check of many, without a number.
pub(crate) fn alone(check: &Check, answer: Answer, paint: Paint, width: usize) -> Vec<String> {
    let mut chain = Chain { paint, width, lines: Vec::new() };
    chain.check("", check, answer);
    chain.lines
}

/// The enforcement point of a check, with its endpoint.
fn asked(check: &Check) -> String {
    let endpoint = &check.endpoint;
    match check.point {
        EnforcementPoint::Egress => format!("egress of {endpoint}"),
        EnforcementPoint::Ingress => format!("ingress of {endpoint}"),
        EnforcementPoint::Dns => format!("DNS proxy of {endpoint},"),
        EnforcementPoint::Http => format!("HTTP proxy of {endpoint},"),
        EnforcementPoint::Tls => format!("proxy of {endpoint} for TLS,"),
    }
}

/// Why no rule allows it, up to the rules that isolate.
fn no_rule_allows(check: &Check, isolated_by: &[Arc<RuleRef>]) -> String {
    let (endpoint, point) = (&check.endpoint, check.point);
    // The proxy of Cilium's own is an endpoint too, and keeps to its policy of both directions itself.
    let of_gateway =
        point == EnforcementPoint::Http && *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress);
    match (point, isolated_by.is_empty()) {
        (EnforcementPoint::Http, false) if of_gateway => {
            format!("no rule allows it, and {endpoint} is isolated (default deny) by")
        }
        (EnforcementPoint::Egress | EnforcementPoint::Ingress, false) => {
            format!("no rule allows it, and {endpoint} is isolated at {point} (default deny) by")
        }
        (_, true) if of_gateway || matches!(point, EnforcementPoint::Egress | EnforcementPoint::Ingress) => {
            format!("no rule allows it, and every endpoint is isolated in this mode, {endpoint} too")
        }
        (EnforcementPoint::Dns | EnforcementPoint::Http | EnforcementPoint::Tls, false) => {
            "no rule of the proxy allows it; it was sent there by".to_owned()
        }
        (_, true) => "no rule of the proxy allows it".to_owned(),
    }
}

struct Chain {
    paint: Paint,
    width: usize,
    lines: Vec<String>,
}

impl Chain {
    fn check(&mut self, number: &str, check: &Check, answer: Answer) {
        let question = plain(&format!("{} {}", asked(check), check.question));
        for (at, line) in wrap(&question, self.width.saturating_sub(INDENT)).iter().enumerate() {
            let lead = if at == 0 { number.to_owned() } else { " ".repeat(number.len()) };
            self.lines.push(format!("{lead}{line}"));
        }
        self.decision(check, answer);
    }

    fn decision(&mut self, check: &Check, answer: Answer) {
        let denied = denied_words(check.point, answer);
        match &check.decision {
            Decision::NotIsolated => self.sentence(Tone::Allow, &not_isolated(check)),
            Decision::LocalHost => {
                self.sentence(Tone::Allow, "allowed: the node's own traffic to its pods needs no rule");
            }
            Decision::Itself { through } => {
                let how = if through.is_some() { " through a service" } else { "" };
                self.sentence(
                    Tone::Allow,
                    &format!("allowed: a pod that reaches itself{how} meets no policy"),
                );
            }
            Decision::OutsideCluster => {
                self.sentence(
                    Tone::Allow,
                    "allowed: no endpoint of the cluster is involved, so no policy is asked",
                );
            }
            Decision::PassedOn { by } => {
                self.sentence(Tone::Plain, "left to the tiers after by");
                self.rules(by);
            }
            Decision::Allowed { by } => {
                let words = if by.len() > 1 { "allowed by any of" } else { "allowed by" };
                self.sentence(Tone::Allow, words);
                self.rules(by);
            }
            Decision::Denied { by } => {
                let words = if by.len() > 1 { "each of these rules" } else { "this rule" };
                self.sentence(Tone::Deny, &format!("{denied}: {words} denies it, whatever others allow"));
                self.rules(by);
            }
            Decision::NoRuleAllows { isolated_by, nearest } => {
                self.sentence(Tone::Deny, &format!("{denied}: {}", no_rule_allows(check, isolated_by)));
                self.rules(isolated_by);
                self.nearest(nearest.as_deref());
            }
            Decision::NotTrusted { reason, by } => {
                let reason = plain(reason);
                self.by_proxy(&format!("fails: {reason}; it meets this certificate by"), by);
            }
            Decision::Redirected { to, by } => {
                let sentence = "redirected: the proxy sends the client to";
                let whither = plain(to);
                self.by_proxy(
                    &format!("{sentence} {whither} whatever the rules say; it was sent there by"),
                    by,
                );
            }
            Decision::Chance { gap } => {
                self.sentence(Tone::Inconclusive, &format!("the engine does not know {}", plain(gap)));
            }
            Decision::Unknown { gap, rule } => {
                self.sentence(Tone::Inconclusive, &format!("the engine does not know {}", plain(gap)));
                self.rules(rule.as_slice());
            }
        }
    }

    /// The rule that came nearest, if there is one.
    fn nearest(&mut self, miss: Option<&Miss>) {
        let Some(miss) = miss else { return };
        self.sentence(Tone::Plain, "the nearest rule that allows something is");
        self.rules(std::slice::from_ref(&miss.rule));
        self.indented(2 * INDENT, Tone::Plain, &format!("it fails on {}", plain(&miss.on)));
    }

    /// What a proxy does by itself, with the rules that send traffic there.
    fn by_proxy(&mut self, text: &str, rules: &[Arc<RuleRef>]) {
        self.sentence(Tone::Deny, text);
        self.rules(rules);
    }

    fn sentence(&mut self, tone: Tone, text: &str) {
        self.indented(INDENT, tone, text);
    }

    fn indented(&mut self, indent: usize, tone: Tone, text: &str) {
        for line in wrap(text, self.width.saturating_sub(indent)) {
            self.lines.push(format!("{}{}", " ".repeat(indent), self.paint.paint(tone, &line)));
        }
    }

    fn rules(&mut self, rules: &[Arc<RuleRef>]) {
        let indent = " ".repeat(2 * INDENT);
        for rule in rules {
            let (place, rule) = (words::place(&rule.place), words::rule(rule));
            let whole = indent.len() + width(&place) + 2 + width(&rule) <= self.width;
            let place = self.paint.paint(Tone::Quiet, &place);
            if whole {
                self.lines.push(format!("{indent}{place}  {rule}"));
            } else {
                self.lines.push(format!("{indent}{place}"));
                self.lines.push(format!("{indent}  {rule}"));
            }
        }
    }
}

fn not_isolated(check: &Check) -> String {
    match check.point {
        EnforcementPoint::Egress | EnforcementPoint::Ingress => {
            format!("allowed: no policy isolates {} at {}", check.endpoint, check.point)
        }
        EnforcementPoint::Dns | EnforcementPoint::Http | EnforcementPoint::Tls => {
            "allowed: no rule restricts what passes the proxy".to_owned()
        }
    }
}

/// What a denying check means for the attempt: in audit mode it passes a point that would have ended it.
fn denied_words(point: EnforcementPoint, answer: Answer) -> &'static str {
    match answer {
        Answer::Audit(_) => "audited, not denied",
        Answer::Deny(ended) if ended != point => "audited, not denied",
        _ => "denied",
    }
}
