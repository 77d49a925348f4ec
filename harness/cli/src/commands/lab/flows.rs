//! `verdikt lab flows`: follows the flows of a running lab.

use std::io::BufRead;
use std::process::ExitCode;

use verdikt_lab::control::{Answer, Ask, Following};
use verdikt_report::evidence::flow;

use super::running::{find, gone};
use crate::arguments::LabFlows;
use crate::failure::{Failure, What};
use crate::printer::Printer;

pub(super) fn flows(arguments: &LabFlows) -> Result<ExitCode, Failure> {
    let lab = find(arguments.lab.as_deref())?;
    let answers = lab.ask(&Ask::Flows).map_err(|error| gone(&error))?;
    for line in answers.lines() {
        // The lab's end is the end of its flows.
        let Ok(line) = line else { break };
        let shown = match Answer::from_line(&line) {
            Ok(Answer::Flow(_)) if arguments.json => line,
            Ok(Answer::Flow(seen)) => flow(&seen),
            Ok(Answer::Following(Following { following })) => {
                Printer::tell(&format!("the flows of `{following}` follow; Ctrl-C ends them\n"));
                continue;
            }
            _ => return Err(Failure::machine("the lab is of another version of verdikt")),
        };
        match Printer::data(&(shown + "\n")) {
            Err(Failure { what: What::OutputClosed, .. }) => break,
            other => other?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
