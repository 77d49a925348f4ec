//! `verdikt lab exec`: becomes a program inside an endpoint of a running lab.

use std::io::BufRead;
use std::process::ExitCode;

use verdikt_lab::control::{LabAnswer, LabRequest};
use verdikt_lab::exec::{EndpointExecError, ProgramInside, run_inside};

use super::running::{find, gone};
use crate::arguments::LabExec;
use crate::failure::Failure;

pub(super) fn exec(arguments: &LabExec) -> Result<ExitCode, Failure> {
    let lab = find(arguments.lab.as_deref())?;
    let ask = LabRequest::Inside { endpoint: arguments.endpoint.clone() };
    let mut line = String::new();
    lab.ask(&ask).and_then(|mut answers| answers.read_line(&mut line)).map_err(|error| gone(&error))?;
    let inside = match LabAnswer::from_line(&line) {
        Ok(LabAnswer::Inside(inside)) => inside,
        Ok(LabAnswer::Refused(refusal)) => return Err(Failure::wrong(refusal.refused)),
        Ok(LabAnswer::Following(_) | LabAnswer::Flow(_)) | Err(_) => {
            return Err(Failure::machine("the lab is of another version of verdikt"));
        }
    };
    let [program, rest @ ..] = arguments.program.as_slice() else {
        return Err(Failure::wrong("no program is given"));
    };
    let failed = run_inside(ProgramInside {
        lab: lab.pid,
        probe: inside.pid,
        resolv_conf: inside.resolv_conf,
        hosts: inside.hosts,
        hostname: inside.hostname,
        program: program.clone(),
        arguments: rest.to_vec(),
    });
    match failed {
        Ok(never) => match never {},
        Err(error @ EndpointExecError::NotFound { .. }) => Err(Failure::wrong(error.to_string())),
        Err(error) => Err(Failure::from_error(&error)),
    }
}
