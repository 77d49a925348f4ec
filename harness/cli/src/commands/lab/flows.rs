//! `verdikt lab flows`: follows the flows of a running lab.

use std::io::BufRead;
use std::process::ExitCode;

use verdikt_lab::control::{FollowingFlows, LabAnswer, LabRequest};
use verdikt_report::evidence::flow;

use super::running::{find, gone};
use crate::arguments::LabFlows;
use crate::failure::{Failure, What};
use crate::printer::Printer;

pub(super) fn flows(arguments: &LabFlows) -> Result<ExitCode, Failure> {
    let lab = find(arguments.lab.as_deref())?;
    let answers = lab.ask(&LabRequest::Flows).map_err(|error| gone(&error))?;
    for line in answers.lines() {
        // The lab's end is the end of its flows.
        let Ok(line) = line else { break };
        let printed = match LabAnswer::from_line(&line) {
            Ok(LabAnswer::Flow(_)) if arguments.json => Printer::json(&(line + "\n")),
            Ok(LabAnswer::Flow(seen)) => Printer::data(&(flow(&seen) + "\n")),
            Ok(LabAnswer::Following(FollowingFlows { following })) => {
                Printer::tell(&format!("the flows of `{following}` follow; Ctrl-C ends them\n"));
                continue;
            }
            _ => return Err(Failure::machine("the lab is of another version of verdikt")),
        };
        match printed {
            Err(Failure { what: What::OutputClosed, .. }) => break,
            other => other?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
