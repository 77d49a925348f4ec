//! What a running lab tells other processes: how to get inside, and its flows.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use verdikt_lab::control::{EndpointEntry, LabAnswer, LabRefusal, LabRequest, RunningLab};
use verdikt_runner::lab::LabBackend;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::topology::{Endpoint, Topology};

/// Listens as a lab.
pub(super) fn listen(scenario: &str) -> io::Result<UnixListener> {
    let lab = RunningLab { pid: std::process::id(), scenario: RunningLab::name_of(scenario) };
    let listener = lab.listen()?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// A client and what it asks. Only the lab's own user may ask; others are told so.
pub(super) async fn asked(stream: UnixStream) -> Option<(LabRequest, OwnedWriteHalf)> {
    let own = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred().ok()?.uid();
    let (read, mut write) = stream.into_split();
    if peer != own {
        // One who does not want to hear it has gone.
        let _ = answer(&mut write, &refuse("the lab belongs to another user".to_owned())).await;
        return None;
    }
    let line = BufReader::new(read).lines().next_line().await.ok()??;
    Some((LabRequest::from_line(&line).ok()?, write))
}

/// Answers with one line.
pub(super) async fn answer(write: &mut OwnedWriteHalf, answer: &LabAnswer) -> io::Result<()> {
    write.write_all(&answer.to_line()?).await
}

/// What it takes to get inside an endpoint.
pub(super) fn inside(backend: &LabBackend, topology: &Topology, wanted: &str) -> LabAnswer {
    let lab = backend.lab();
    let endpoints = lab.addresses().endpoints.keys();
    let Some(endpoint) = endpoints.clone().find(|endpoint| endpoint.to_string() == wanted) else {
        let names: Vec<String> = endpoints.map(ToString::to_string).collect();
        return refuse(format!("the lab has no `{wanted}`; it has {}", names.join(", ")));
    };
    let Some(pid) = lab.probe_pid(endpoint) else { return refuse(format!("{wanted} is gone")) };
    let resolution = lab.resolution(topology, endpoint);
    LabAnswer::Inside(EndpointEntry {
        pid,
        resolv_conf: resolution.resolv_conf,
        hosts: resolution.hosts,
        hostname: hostname(endpoint),
    })
}

fn refuse(refused: String) -> LabAnswer {
    LabAnswer::Refused(LabRefusal { refused })
}

/// Pods have their own name, as in Kubernetes.
fn hostname(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Pod(pod) => pod.name.to_string(),
        other => other.to_string(),
    }
}

/// Sends a flow to everyone who follows; forgets those who have gone.
pub(super) async fn broadcast(followers: &mut Vec<OwnedWriteHalf>, flow: Flow) {
    let told = LabAnswer::Flow(Box::new(flow));
    let mut staying = Vec::new();
    for mut follower in followers.drain(..) {
        let slow = std::time::Duration::from_millis(100);
        if matches!(tokio::time::timeout(slow, answer(&mut follower, &told)).await, Ok(Ok(()))) {
            staying.push(follower);
        }
    }
    *followers = staying;
}
