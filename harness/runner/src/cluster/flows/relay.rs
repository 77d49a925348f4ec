//! Flows of Relay, which collects those of all agents, through a port-forward to its pod.
//!
//! Relay sorts the flows of a stream: it holds them back until none has arrived for a second, or a hundred are waiting.
//! When flows are needed at once, a second request asks for past flows, which Relay sorts and sends immediately.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedSender;
use verdikt_cluster::connect::ApiConnection;
use verdikt_cluster::forward;
use verdikt_cluster::relay::{SERVER_NAME, find};
use verdikt_hubble::client::{FlowServer, HubbleClient, Stream, Tls};
use verdikt_hubble::convert::{HubbleEvent, LossReason, NodeState, observed};
use verdikt_hubble::flow_source::FlowSource;
use verdikt_hubble::stream::{FlowStream, SourceEvent, StreamTimeouts};

use super::{ANSWER, FlowsError, LAG, PAST, SourceReport};

/// Its name in messages.
const NAME: &str = "Relay";

/// Finds the Relay of a cluster; the error says why it cannot be reached. Each connection looks for its pod again, which
/// may have been replaced.
pub(super) async fn source(connection: &ApiConnection, namespace: &str) -> Result<FlowServer, String> {
    let found = find(connection, namespace).await.map_err(|error| error.to_string())?;
    let by = format!("a port-forward to pod {namespace}/{}", found.port.pod);
    let (connection, namespace) = (connection.clone(), namespace.to_owned());
    let source = FlowServer::opened(NAME, &by, move || {
        let (connection, namespace) = (connection.clone(), namespace.clone());
        Box::pin(async move {
            let found = find(&connection, &namespace).await.map_err(io::Error::other)?;
            let stream = forward::open(&connection, &found.port).await.map_err(io::Error::other)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    });
    let tls = found.authority.map(|authorities| Tls {
        authorities,
        server_name: SERVER_NAME.to_owned(),
        identity: None,
    });
    Ok(match tls {
        Some(tls) => source.with_tls(tls),
        None => source,
    })
}

/// Starts to read flows from Relay, and returns when it answers. The returned future runs until Relay is given up. Only
/// reports about these nodes count.
pub(super) async fn follow(
    source: &FlowServer,
    nodes: BTreeSet<String>,
    begin: SystemTime,
    tell: UnboundedSender<SourceReport>,
) -> Result<impl Future<Output = ()> + Send + use<>, FlowsError> {
    let mut flows =
        FlowStream::follow(std::slice::from_ref(source), FlowSource::Relay, begin, StreamTimeouts::default());
    loop {
        match flows.next().await {
            Some(SourceEvent::Following { .. }) => break,
            Some(SourceEvent::Cut { reason, .. } | SourceEvent::GivenUp { reason, .. }) => {
                return Err(FlowsError::Relay { reason });
            }
            Some(_) => {}
            None => return Err(FlowsError::Relay { reason: "the reader has ended".to_owned() }),
        }
    }
    let mut heard = RelayReport { nodes, away: BTreeSet::new() };
    Ok(async move {
        while let Some(news) = flows.next().await {
            for told in heard.told(news) {
                // Nobody listens any more only while the run ends.
                let _ = tell.send(told);
            }
        }
    })
}

/// How much a request for past flows overlaps with the last one, because the clocks of nodes differ.
const OVERLAP: Duration = Duration::from_secs(10);

/// Asks Relay for flows that it holds back.
#[derive(Debug)]
pub(super) struct RelayHistory {
    client: HubbleClient,
    begin: SystemTime,
    since: SystemTime,
    tell: UnboundedSender<SourceReport>,
}

impl RelayHistory {
    pub(super) async fn new(
        source: &FlowServer,
        begin: SystemTime,
        tell: UnboundedSender<SourceReport>,
    ) -> Result<Self, FlowsError> {
        let client = HubbleClient::connect(source, ANSWER).await;
        let client = client.map_err(|error| FlowsError::Relay { reason: error.to_string() })?;
        Ok(Self { client, begin, since: SystemTime::now(), tell })
    }

    /// Reports all flows since the last call, some of them twice, as soon as the latest can be read. Reports that flows may
    /// be missing if Relay does not send them in time.
    pub(super) fn tell(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let (client, begin, tell) = (self.client.clone(), self.begin, self.tell.clone());
        let now = SystemTime::now();
        let since = std::mem::replace(&mut self.since, now.checked_sub(OVERLAP).unwrap_or(begin));
        async move {
            tokio::time::sleep(LAG).await;
            let mut responses = client.past(since);
            let all = async {
                while let Some(response) = responses.next().await.map_err(|error| error.to_string())? {
                    let response = response.map_err(|error| error.to_string())?;
                    if let Some(HubbleEvent::Flow(reported)) = observed(response, begin) {
                        // Nobody listens any more only while the run ends.
                        let _ = tell.send(SourceReport::Flow(Box::new(reported.flow)));
                    }
                }
                Ok::<_, String>(())
            };
            let late = || format!("it has not sent them within {} s", PAST.as_secs_f64());
            if let Err(reason) = tokio::time::timeout(PAST, all).await.unwrap_or_else(|_| Err(late())) {
                // As above.
                let _ = tell.send(SourceReport::Lost(format!("Relay holds flows back: {reason}")));
            }
        }
    }
}

/// The states of the nodes.
#[derive(Debug)]
pub(super) struct RelayReport {
    /// The nodes that count.
    pub(super) nodes: BTreeSet<String>,
    /// Those of them that Relay is not connected to.
    pub(super) away: BTreeSet<String>,
}

impl RelayReport {
    /// Maps a message of Relay to reports.
    pub(super) fn told(&mut self, news: SourceEvent) -> Vec<SourceReport> {
        match news {
            SourceEvent::Flow { reported, .. } => {
                // After an error Relay does not report when a node is back.
                let back = self.back(&reported.node);
                back.into_iter().chain([SourceReport::Flow(Box::new(reported.flow))]).collect()
            }
            // Reported together with the state of the node.
            SourceEvent::Lost(loss) if matches!(loss.reason, LossReason::NodeAway(_)) => Vec::new(),
            SourceEvent::Lost(loss) => {
                let counts = [NAME, ""].contains(&loss.node.as_str()) || self.known(&loss.node).is_some();
                counts.then(|| SourceReport::Lost(loss.to_string())).into_iter().collect()
            }
            SourceEvent::Node(change) => match change.state {
                NodeState::Unknown => Vec::new(),
                NodeState::Connected => change.nodes.iter().filter_map(|node| self.back(node)).collect(),
                NodeState::Unavailable | NodeState::Gone | NodeState::Error => {
                    change.nodes.iter().filter_map(|node| self.gone(node, &change.message)).collect()
                }
            },
            SourceEvent::Following { source } => vec![SourceReport::Back { from: source.to_string() }],
            SourceEvent::Cut { source, reason } => {
                vec![SourceReport::Away { from: source.to_string(), reason }]
            }
            SourceEvent::GivenUp { source, reason } => {
                vec![SourceReport::GivenUp { from: source.to_string(), reason }]
            }
        }
    }

    fn back(&mut self, node: &str) -> Option<SourceReport> {
        let from = self.known(node).filter(|node| self.away.remove(node))?;
        Some(SourceReport::Back { from })
    }

    fn gone(&mut self, node: &str, message: &str) -> Option<SourceReport> {
        let from = self.known(node).filter(|node| self.away.insert(node.clone()))?;
        let why = if message.is_empty() { String::new() } else { format!(": {message}") };
        let reason = format!("node {from}: Relay is not connected to it{why}");
        Some(SourceReport::Away { from, reason })
    }

    /// The node that Relay means, if it counts. Relay may put the name of the cluster before that of the node.
    fn known(&self, node: &str) -> Option<String> {
        let name = node.rsplit('/').next().unwrap_or(node);
        self.nodes.get(name).cloned()
    }
}
