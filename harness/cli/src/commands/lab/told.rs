//! Answers other processes of the user: how to enter an endpoint of the lab, and its flows.

use std::io;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use verdikt_lab::control::{
    EndpointEntry, FollowedFlow, FollowingFlows, LabAnswer, LabRefusal, LabRequest, RunningLab,
};
use verdikt_runner::lab::LabBackend;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::topology::{Endpoint, Topology};

use super::clients::answer;

/// A client with its request.
pub(super) struct ClientRequest {
    pub(super) ask: LabRequest,
    pub(super) read: BufReader<OwnedReadHalf>,
    pub(super) write: OwnedWriteHalf,
}

/// Opens the socket of a lab.
pub(super) fn listen(scenario: &str) -> io::Result<UnixListener> {
    let lab = RunningLab { pid: std::process::id(), scenario: RunningLab::name_of(scenario) };
    let listener = lab.listen()?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Reads a client's request. Requests of other users are refused.
pub(super) async fn asked(stream: UnixStream) -> Option<ClientRequest> {
    let own = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred().ok()?.uid();
    let (read, mut write) = stream.into_split();
    if peer != own {
        // The client may be gone.
        let _ = answer(&mut write, &refuse("the lab belongs to another user".to_owned())).await;
        return None;
    }
    let (mut read, mut line) = (BufReader::new(read), String::new());
    // The client may be gone before it has asked.
    read.read_line(&mut line).await.ok()?;
    Some(ClientRequest { ask: LabRequest::from_line(&line).ok()?, read, write })
}

/// The answer before the flows.
pub(super) fn following(backend: &LabBackend, scenario: &str) -> LabAnswer {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let lab = backend.lab();
    LabAnswer::Following(FollowingFlows {
        following: scenario.to_owned(),
        since_1970: now.saturating_sub(lab.begin().elapsed()),
        endpoints: lab.addresses().endpoints.keys().map(ToString::to_string).collect(),
    })
}

/// A flow with what the lab knows about it.
pub(super) fn followed(backend: &LabBackend, flow: Flow) -> FollowedFlow {
    let (of_table, stopped_by) = (backend.is_of_attempt(&flow), backend.lab().why_stopped(&flow));
    FollowedFlow { flow, of_table, stopped_by }
}

/// The endpoint that a client names.
pub(super) fn endpoint(backend: &LabBackend, wanted: &str) -> Result<Endpoint, LabAnswer> {
    let endpoints = backend.lab().addresses().endpoints.keys();
    endpoints.clone().find(|endpoint| endpoint.to_string() == wanted).cloned().ok_or_else(|| {
        let names: Vec<String> = endpoints.map(ToString::to_string).collect();
        refuse(format!("the lab has no `{wanted}`; it has {}", names.join(", ")))
    })
}

/// The answer with how to enter an endpoint.
pub(super) fn inside(backend: &LabBackend, topology: &Topology, endpoint: &Endpoint) -> LabAnswer {
    let lab = backend.lab();
    let Some(thread) = lab.probe_thread(endpoint) else { return refuse(format!("{endpoint} is gone")) };
    let resolution = lab.resolution(topology, endpoint);
    LabAnswer::Inside(EndpointEntry {
        thread,
        resolv_conf: resolution.resolv_conf,
        hosts: resolution.hosts,
        hostname: hostname(endpoint),
    })
}

/// The answer that a request is refused.
pub(super) fn refuse(refused: String) -> LabAnswer {
    LabAnswer::Refused(LabRefusal { refused })
}

/// The host name inside an endpoint: pods have their own, as in Kubernetes.
fn hostname(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Pod(pod) => pod.name.to_string(),
        other => other.to_string(),
    }
}
