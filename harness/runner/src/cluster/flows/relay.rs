//! Flows of Relay, which hears the agents of all nodes, through a port-forward to its pod.
//!
//! Relay sorts what it follows: it holds flows back until none has come for a second, or a hundred wait. So it is asked
//! for them once more when they are needed: what has been is sorted and told at once.

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
use verdikt_hubble::stream::{FlowStream, News, Patience};

use super::{ANSWER, FlowsError, LAG, PAST, SourceReport};

/// Its name in messages.
const NAME: &str = "Relay";

/// Where the Relay of a cluster is, or why it cannot be reached. Each connection finds its pod anew, which may be another
/// one by then.
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

/// Follows Relay, which answers by then; what it returns goes on until Relay is given up. Only what it says of these
/// nodes counts.
pub(super) async fn follow(
    source: &FlowServer,
    nodes: BTreeSet<String>,
    begin: SystemTime,
    tell: UnboundedSender<SourceReport>,
) -> Result<impl Future<Output = ()> + Send + use<>, FlowsError> {
    let mut flows =
        FlowStream::follow(std::slice::from_ref(source), FlowSource::Relay, begin, Patience::default());
    loop {
        match flows.next().await {
            Some(News::Following { .. }) => break,
            Some(News::Cut { reason, .. } | News::GivenUp { reason, .. }) => {
                return Err(FlowsError::Relay { reason });
            }
            Some(_) => {}
            None => return Err(FlowsError::Relay { reason: "it is not asked any more".to_owned() }),
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

/// How far back Relay is asked beyond the last time: the clocks of nodes differ.
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

    /// Tells all flows since the last time, when the newest of now can be read; some twice. Where they are not told in
    /// time they may be missing.
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
            let late = || format!("it has not told them within {} s", PAST.as_secs_f64());
            if let Err(reason) = tokio::time::timeout(PAST, all).await.unwrap_or_else(|_| Err(late())) {
                // As above.
                let _ = tell.send(SourceReport::Lost(format!("Relay holds flows back: {reason}")));
            }
        }
    }
}

/// What has become of the nodes.
#[derive(Debug)]
pub(super) struct RelayReport {
    /// The nodes that count.
    pub(super) nodes: BTreeSet<String>,
    /// Those of them that Relay does not hear.
    pub(super) away: BTreeSet<String>,
}

impl RelayReport {
    /// What news of Relay mean.
    pub(super) fn told(&mut self, news: News) -> Vec<SourceReport> {
        match news {
            News::Flow { reported, .. } => {
                // Relay does not say when it hears a node again after an error.
                let back = self.back(&reported.node);
                back.into_iter().chain([SourceReport::Flow(Box::new(reported.flow))]).collect()
            }
            // Reported together with the state of the node.
            News::Lost(loss) if matches!(loss.reason, LossReason::NodeAway(_)) => Vec::new(),
            News::Lost(loss) => {
                let counts = [NAME, ""].contains(&loss.node.as_str()) || self.known(&loss.node).is_some();
                counts.then(|| SourceReport::Lost(loss.to_string())).into_iter().collect()
            }
            News::Node(change) => match change.state {
                NodeState::Unknown => Vec::new(),
                NodeState::Connected => change.nodes.iter().filter_map(|node| self.back(node)).collect(),
                NodeState::Unavailable | NodeState::Gone | NodeState::Error => {
                    change.nodes.iter().filter_map(|node| self.gone(node, &change.message)).collect()
                }
            },
            News::Following { source } => vec![SourceReport::Back { from: source.to_string() }],
            News::Cut { source, reason } => vec![SourceReport::Away { from: source.to_string(), reason }],
            News::GivenUp { source, reason } => {
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
        let reason = format!("node {from}: Relay does not hear it{why}");
        Some(SourceReport::Away { from, reason })
    }

    /// A node that counts, by what Relay calls it: its name, in front of which may be its cluster's.
    fn known(&self, node: &str) -> Option<String> {
        let name = node.rsplit('/').next().unwrap_or(node);
        self.nodes.get(name).cloned()
    }
}
