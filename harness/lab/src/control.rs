//! How another process of the same user finds a running lab and talks to it.
//!
//! A lab listens on an abstract unix socket, which has no file and goes with its process. A client sends one
//! [`LabRequest`] as a line of JSON and reads answers, one a line. Anybody can listen under such a name: a client talks only to
//! the process that the name says, and only if that is its own user's ([`RunningLab`]).

mod running;

use std::io;

pub use running::{FoundLab, LabOwner, RunningLab};
use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::Flow;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum LabRequest {
    /// What it takes to run a program inside an endpoint. Answered by one [`Inside`] or [`LabRefusal`].
    Inside {
        /// The endpoint as in the scenario.
        endpoint: String,
    },
    /// Every flow from now on. Answered by [`Following`], and then by [`Flow`]s until the lab ends.
    Flows,
}

/// What it takes to run a program inside an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointEntry {
    /// A process that lives there.
    pub pid: u32,
    /// Its `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Its `/etc/hosts`.
    pub hosts: String,
    /// Its host name.
    pub hostname: String,
}

/// From here on no flow is missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowingFlows {
    /// The scenario whose flows follow.
    pub following: String,
}

/// Why a lab does not do what it is asked; a fragment for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabRefusal {
    /// The reason.
    pub refused: String,
}

/// One answer of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabAnswer {
    /// See [`LabRequest::Inside`].
    Inside(EndpointEntry),
    /// It does not do it.
    Refused(LabRefusal),
    /// See [`LabRequest::Flows`].
    Following(FollowingFlows),
    /// See [`LabRequest::Flows`].
    Flow(Box<Flow>),
}

impl LabRequest {
    /// What a client's line asks.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}

impl LabAnswer {
    /// What a lab's line answers.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }

    /// The answer as a line, with its end.
    pub fn to_line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}
