//! Parses invariants, and resolves them in the topologies of the steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attempt::find_source;
use super::mistake::{Mistake, Mistakes};
use super::suggest::did_you_mean;
use crate::file::{InvariantEnds, InvariantFile, Located};
use crate::invariant::{Demand, EndPattern, Invariant, PortSpan};
use crate::topology::{Labels, Protocol, Topology};

/// The words for ends that are not names.
const WORDS: [&str; 2] = ["world", "dns"];

/// The invariants of a scenario, for the topologies of its steps.
pub(crate) fn lower(
    invariants: &[Located<InvariantFile>],
    (steps, topologies): (&BTreeSet<&str>, &[&Topology]),
    file: &Arc<str>,
    mistakes: &mut Mistakes,
) -> Vec<Invariant> {
    let one = |raw: &Located<InvariantFile>, mistakes: &mut Mistakes| {
        let content = &raw.value;
        super::check_text(&content.because, "`because`", file, mistakes);
        let (demand, wanted) = match (&content.never, &content.always) {
            (Some(never), None) => (Demand::Never, never),
            (None, Some(always)) => (Demand::Always, always),
            _ => {
                let mistake = Mistake::new("an invariant is either `never` or `always`");
                let help = "write `never: {from: world, to: database/*}`".to_owned();
                mistakes.add(file, raw.position, mistake.help(help));
                return None;
            }
        };
        let context = InvariantContext { file, topologies };
        let from = context.ends(&wanted.from, mistakes);
        let to = context.ends(&wanted.to, mistakes);
        if let Some(EndPattern::Dns) = from {
            let mistake = Mistake::new("`dns` is a destination, not a source");
            let help = "name the pods: `kube-system/*`".to_owned();
            mistakes.add(file, wanted.from.position, mistake.help(help));
        }
        for step in content.broken_at.iter().filter(|step| !steps.contains(step.value.as_str())) {
            let known: Vec<&str> = steps.iter().copied().collect();
            let mistake = Mistake::new(format!("no step is called `{}`", step.value));
            let help = did_you_mean(&step.value, "the steps are", &known);
            mistakes.add(file, step.position, mistake.help(help));
        }
        let ports = context.ports(wanted, mistakes);
        let (from, to) = (from?, to?);
        if demand == Demand::Always && from == EndPattern::World && to == EndPattern::World {
            let mistake = Mistake::new("no policy decides between hosts outside");
            mistakes.add(file, wanted.to.position, mistake);
        }
        let (because, place) = (content.because.value.clone(), raw.position.in_file(file));
        let broken_at = content.broken_at.iter().map(|step| step.value.clone()).collect();
        Some(Invariant { demand, from, to, ports, because, broken_at, place })
    };
    invariants.iter().filter_map(|raw| one(raw, mistakes)).collect()
}

struct InvariantContext<'a> {
    file: &'a Arc<str>,
    topologies: &'a [&'a Topology],
}

impl InvariantContext<'_> {
    fn ends(&self, text: &Located<String>, mistakes: &mut Mistakes) -> Option<EndPattern> {
        let ends = mistakes.keep(self.file, text.position, self.parse(&text.value))?;
        if self.topologies.iter().any(|topology| ends.are_somebody(topology)) {
            return Some(ends);
        }
        let mistake = Mistake::new(format!("`{}` matches no endpoint in any step", text.value));
        mistakes.add(self.file, text.position, mistake.help(self.suggest(&text.value)));
        None
    }

    fn parse(&self, text: &str) -> Result<EndPattern, Mistake> {
        match text {
            "world" => return Ok(EndPattern::World),
            "dns" => return Ok(EndPattern::Dns),
            _ => {}
        }
        let found = self.topologies.iter().find_map(|topology| find_source(text, topology));
        if let Some(endpoint) = found {
            return Ok(EndPattern::Endpoint(endpoint));
        }
        let Some((namespace, rest)) = text.split_once('/') else {
            return Err(Mistake::new(format!("there is no endpoint `{text}`")).help(self.suggest(text)));
        };
        let namespace = namespace.to_owned();
        if rest == "*" {
            return Ok(EndPattern::All { namespace, labels: Labels::new() });
        }
        if !rest.contains('=') {
            return Ok(EndPattern::Named { namespace, name: rest.to_owned() });
        }
        let label = |pair: &str| {
            let (key, value) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        let labels: Option<Labels> = rest.split(',').map(label).collect();
        labels.map(|labels| EndPattern::All { namespace, labels }).ok_or_else(|| {
            Mistake::new(format!("`{rest}` is not a list of labels"))
                .help("write `database/app=redis,tier=data`".to_owned())
        })
    }

    fn suggest(&self, text: &str) -> String {
        let mut known: Vec<String> = WORDS.map(str::to_owned).to_vec();
        for topology in self.topologies {
            known.extend(topology.namespaces.keys().map(|namespace| format!("{namespace}/*")));
            known.extend(topology.sources().iter().map(ToString::to_string));
        }
        known.sort();
        known.dedup();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        did_you_mean(text, "there are", &known)
    }

    fn ports(&self, wanted: &InvariantEnds, mistakes: &mut Mistakes) -> Vec<PortSpan> {
        let parsed = wanted.ports.iter().filter_map(|text| {
            let span = parse_ports(&text.value).ok_or_else(|| {
                Mistake::new(format!("`{}` is not a port", text.value))
                    .help("write `tcp 6379`, or `udp 8000-8999` for a range".to_owned())
            });
            mistakes.keep(self.file, text.position, span)
        });
        parsed.collect()
    }
}

fn parse_ports(text: &str) -> Option<PortSpan> {
    let (protocol, numbers) = text.trim().split_once(char::is_whitespace)?;
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|known| known.to_string() == protocol)?;
    let (first, last) = numbers.trim().split_once('-').unwrap_or((numbers.trim(), numbers.trim()));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (0 < first && first <= last).then_some(PortSpan { protocol, first, last })
}
