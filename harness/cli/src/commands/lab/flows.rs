//! `verdikt lab flows`: follows the flows of a running lab.

use std::io::BufRead as _;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use verdikt_lab::control::{FollowedFlow, FollowingFlows, LabAnswer, LabRequest};
use verdikt_report::stopped::line;
use verdikt_scenario::flow::FlowVerdict;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::timestamp::Timestamp;

use super::running::{find, gone};
use crate::arguments::LabFlows;
use crate::failure::{Failure, FailureContent};
use crate::printer::Printer;

pub(super) fn flows(arguments: &LabFlows) -> Result<ExitCode, Failure> {
    let lab = find(arguments.lab.as_deref())?;
    let answers = lab.ask(&LabRequest::Flows).map_err(|error| gone(&error))?;
    let mut since = Duration::ZERO;
    for text in answers.lines() {
        // The flows end with the lab.
        let Ok(text) = text else { break };
        let printed = match LabAnswer::from_line(&text) {
            Ok(LabAnswer::Flow(seen)) if is_wanted(arguments, &seen) => print(arguments, since, &seen),
            Ok(LabAnswer::Flow(_)) => continue,
            Ok(LabAnswer::Following(FollowingFlows { following, since_1970, endpoints })) => {
                check_names(arguments, &endpoints)?;
                since = since_1970;
                Printer::tell(&format!("following the flows of `{following}`; Ctrl-C stops\n"));
                continue;
            }
            _ => return Err(Failure::machine("the lab is of another version of verdikt")),
        };
        match printed {
            Err(Failure { what: FailureContent::OutputClosed, .. }) => break,
            other => other?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A flow in JSON.
#[derive(Serialize)]
struct TimedFlow<'a> {
    time: Option<Timestamp>,
    #[serde(flatten)]
    flow: &'a FollowedFlow,
}

fn print(arguments: &LabFlows, since: Duration, seen: &FollowedFlow) -> Result<(), Failure> {
    let time = Timestamp::since_1970(since.saturating_add(seen.flow.at));
    if arguments.json {
        let json = serde_json::to_string(&TimedFlow { time, flow: seen });
        let json = json.map_err(|error| Failure::machine("cannot write a flow").cause(&error))?;
        return Printer::json(&(json + "\n"));
    }
    let time = time.map_or_else(String::new, |time| format!("{time} "));
    Printer::data(&format!("{time}{}\n", line(&seen.flow, seen.stopped_by.as_ref())))
}

/// Whether a flow passes the filters: those of one kind are alternatives.
fn is_wanted(arguments: &LabFlows, seen: &FollowedFlow) -> bool {
    let LabFlows { endpoint, namespace, verdict, all, .. } = arguments;
    let FollowedFlow { flow, of_table, .. } = seen;
    let is_end = |fits: &dyn Fn(&Endpoint) -> bool| {
        [&flow.source, &flow.destination].into_iter().any(|end| end.endpoint.as_ref().is_some_and(fits))
    };
    let of_endpoint = |end: &Endpoint| endpoint.iter().any(|wanted| *wanted == end.to_string());
    let of_namespace =
        |end: &Endpoint| matches!(end, Endpoint::Pod(pod) if namespace.contains(&pod.namespace));
    (*all || !of_table)
        && (endpoint.is_empty() || is_end(&of_endpoint))
        && (namespace.is_empty() || is_end(&of_namespace))
        && (verdict.is_empty() || verdict.iter().any(|wanted| FlowVerdict::from(*wanted) == flow.verdict))
}

/// Fails if a filter names something that the lab does not have.
fn check_names(arguments: &LabFlows, endpoints: &[String]) -> Result<(), Failure> {
    let is_unknown = |wanted: &&String| !endpoints.contains(wanted);
    if let Some(unknown) = arguments.endpoint.iter().find(is_unknown) {
        return Err(Failure::wrong(format!("the lab has no `{unknown}`; it has {}", endpoints.join(", "))));
    }
    let has_pods = |namespace: &str| {
        endpoints.iter().any(|name| name.split_once('/').is_some_and(|(of, _)| of == namespace))
    };
    match arguments.namespace.iter().find(|namespace| !has_pods(namespace.as_str())) {
        Some(namespace) => Err(Failure::wrong(format!(
            "the lab has no pods in `{namespace}`; it has {}",
            endpoints.join(", ")
        ))),
        None => Ok(()),
    }
}
