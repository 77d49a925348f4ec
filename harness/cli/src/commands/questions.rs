//! `verdikt who` and `verdikt reach`: one column or one row of the matrix, with the rules.

use std::process::ExitCode;

use verdikt_analysis::end::TrafficEnd;
use verdikt_analysis::question::{DestinationGroup, by_name, needed, reach as reached, who as makers};
use verdikt_analysis::render::answer::{self, FuturePodNeeds, ReachAnswer};
use verdikt_engine::rule::Direction;
use verdikt_scenario::attempt::Target;
use verdikt_scenario::loader::{parse_attempt, parse_source};

use crate::arguments::questions::{AnswerFormat, ReachArguments, Who};
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::situation::LoadedSituation;

pub(crate) fn who(arguments: &Who, printer: &Printer) -> Result<ExitCode, Failure> {
    let Who { attempt, subject, format } = arguments;
    let situation = LoadedSituation::read(&subject.asked("who"), printer)?;
    let attempt = parse_attempt(attempt, situation.topology()).map_err(Failure::from)?;
    let model = situation.model(subject.cilium);
    situation.tell_refused(&model, printer);
    let sources = makers(&model, &attempt);
    let endpoint = match attempt.target() {
        Some(Target::Service(service)) => {
            attempt.protocol().zip(attempt.port()).and_then(|(protocol, port)| {
                let behind = situation.topology().behind(service, protocol, port).into_iter().next()?;
                Some((behind.0, behind.1.unwrap_or(port)))
            })
        }
        Some(target) => target.endpoint().cloned().zip(attempt.port()),
        None => None,
    };
    let needed = endpoint.and_then(|(endpoint, port)| {
        let traffic = attempt.protocol().map(|protocol| (protocol, port.get()));
        let rules = needed(&model, &endpoint, Direction::Ingress, traffic)?;
        Some(FuturePodNeeds { endpoint, rules })
    });
    let topology = situation.topology();
    match format {
        AnswerFormat::Text => {
            let head = format!("{attempt} ({}, Cilium {})", situation.title, subject.cilium);
            Printer::data(&answer::who(&head, &sources, needed.as_ref(), topology))?;
        }
        AnswerFormat::Json => Printer::json(&answer::who_json(&attempt, &sources, needed.as_ref()))?,
    }
    let abstains = sources.iter().any(|sources| ["abstains", "unknown"].contains(&&*sources.verdict));
    Ok(ExitCode::from(if abstains { exit::INCONCLUSIVE } else { exit::AS_EXPECTED }))
}

pub(crate) fn reach(arguments: &ReachArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let ReachArguments { source, subject, format } = arguments;
    let situation = LoadedSituation::read(&subject.asked("reach"), printer)?;
    let endpoint = parse_source(source, situation.topology()).map_err(Failure::from)?;
    let model = situation.model(subject.cilium);
    situation.tell_refused(&model, printer);
    let end = TrafficEnd::Endpoint(endpoint.clone());
    let destinations = reached(&model, &end).unwrap_or_default();
    let needed = needed(&model, &endpoint, Direction::Egress, None);
    let needed = needed.map(|rules| FuturePodNeeds { endpoint: endpoint.clone(), rules });
    let by_name = by_name(&model, &endpoint);
    let answer = ReachAnswer {
        source: &endpoint,
        destinations: &destinations,
        by_name: &by_name,
        needed: needed.as_ref(),
    };
    match format {
        AnswerFormat::Text => {
            let head = format!("{endpoint} ({}, Cilium {})", situation.title, subject.cilium);
            Printer::data(&answer::reach(&head, &answer, situation.topology()))?;
        }
        AnswerFormat::Json => Printer::json(&answer::reach_json(&answer))?,
    }
    let code = if destinations.iter().any(DestinationGroup::has_unknown) {
        exit::INCONCLUSIVE
    } else {
        exit::AS_EXPECTED
    };
    Ok(ExitCode::from(code))
}
