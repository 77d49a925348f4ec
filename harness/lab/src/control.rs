//! How another process of the same user finds a running lab and talks to it.
//!
//! A lab listens on an abstract unix socket, which has no file and goes with its process. A client sends one
//! [`LabRequest`] as a line of JSON and reads answers, one a line. Anybody can listen under such a name: a client talks only to
//! the process that the name says, and only if that is its own user's ([`RunningLab`]).

mod running;

use std::io;
use std::time::Duration;

pub use running::{FoundLab, LabOwner, RunningLab};
use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::Flow;
use verdikt_scenario::prediction::Finding;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum LabRequest {
    /// What it takes to run a program inside an endpoint. Answered by one [`EndpointEntry`] or [`LabRefusal`].
    Inside {
        /// The endpoint as in the scenario.
        endpoint: String,
        /// Ports on which the lab serves nothing there, as long as the client stays.
        #[serde(default)]
        ports: Vec<u16>,
    },
    /// Every flow from now on. Answered by [`FollowingFlows`], and then by [`FollowedFlow`]s until the lab ends. A client that
    /// writes no more gets all flows of what was sent until then, and the end.
    Flows,
}

/// What it takes to run a program inside an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointEntry {
    /// A thread of the lab that lives there.
    pub thread: u32,
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
    /// The moment from which flows count their time, counted from the start of 1970.
    pub since_1970: Duration,
    /// The endpoints of the lab.
    pub endpoints: Vec<String>,
}

/// A flow, and what the lab knows of it besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedFlow {
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// Whether it is of an attempt of the table, and of no other program.
    pub of_table: bool,
    /// What stops it, with the rules.
    pub stopped_by: Option<Finding>,
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
    Flow(Box<FollowedFlow>),
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
