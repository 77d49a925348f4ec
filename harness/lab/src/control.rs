//! The protocol by which another process of the same user talks to a running lab.
//!
//! A lab listens on an abstract unix socket, which has no file and disappears with its process. A client sends one
//! [`LabRequest`] as a line of JSON and reads answers, one a line. Any process can listen under such a name, so a
//! client talks only to the process that the name contains, and only if it has the client's own user
//! ([`RunningLab`]).

mod running;

use std::io;
use std::time::Duration;

pub use running::{FoundLab, LabOwner, RunningLab};
use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::Flow;
use verdikt_scenario::prediction::Decision;

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum LabRequest {
    /// Asks for what is needed to run a program inside an endpoint. Answered by one [`EndpointEntry`] or
    /// [`LabRefusal`].
    Inside {
        /// The endpoint, as in the scenario.
        endpoint: String,
        /// Ports of the endpoint on which the lab serves nothing while the client stays connected.
        #[serde(default)]
        ports: Vec<u16>,
    },
    /// Asks for every flow from now on. Answered by [`FollowingFlows`], and then by [`FollowedFlow`]s until the lab
    /// ends. A client that closes its sending side gets the flows of everything sent until then, and then the end.
    Flows,
}

/// What is needed to run a program inside an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointEntry {
    /// A thread of the lab in the endpoint's namespace.
    pub thread: u32,
    /// The content of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The content of `/etc/hosts`.
    pub hosts: String,
    /// Its host name.
    pub hostname: String,
}

/// The start of the flows: none is missed after this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowingFlows {
    /// The scenario of the flows.
    pub following: String,
    /// The start time of the flows' clock, since the start of 1970.
    pub since_1970: Duration,
    /// The endpoints of the lab.
    pub endpoints: Vec<String>,
}

/// A flow with further information of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedFlow {
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// Whether it belongs to an attempt of the table, and not to another program.
    pub of_table: bool,
    /// What stops it, with the rules.
    pub stopped_by: Option<Decision>,
}

/// Why a lab refuses a request, as a fragment for people.
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
    /// The request is refused.
    Refused(LabRefusal),
    /// See [`LabRequest::Flows`].
    Following(FollowingFlows),
    /// See [`LabRequest::Flows`].
    Flow(Box<FollowedFlow>),
}

impl LabRequest {
    /// Parses the request in a line.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}

impl LabAnswer {
    /// Parses the answer in a line.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }

    /// The answer as a line, with its line break.
    pub fn to_line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}
