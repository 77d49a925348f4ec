//! Follows one source, over cuts, until it is given up.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::memory::SourceState;
use super::{SourceEvent, StreamTimeouts};
use crate::client::{FlowRequest, FlowServer, HubbleClient};
use crate::convert::{self, HubbleEvent, observed};
use crate::flow_source::FlowSource;
use crate::messages::GetFlowsResponse;

/// Nobody listens any more.
struct ReceiverDropped;

/// One source.
pub(super) struct FollowedServer {
    source: FlowServer,
    begin: SystemTime,
    patience: StreamTimeouts,
    memory: SourceState,
    news: Sender<SourceEvent>,
    /// When it was last known to work: it told something new, or answered on a connection that had lasted.
    worked: Instant,
    pause: Duration,
}

impl FollowedServer {
    pub(super) fn new(
        source: FlowServer,
        flow_source: FlowSource,
        begin: SystemTime,
        patience: StreamTimeouts,
        news: Sender<SourceEvent>,
    ) -> Self {
        let memory = SourceState::new(&source.name, flow_source);
        Self { source, begin, patience, memory, news, worked: Instant::now(), pause: patience.first_pause }
    }

    /// Returns when the source is given up, or nobody listens.
    pub(super) async fn run(mut self) {
        // Either is its end.
        let (Ok(()) | Err(ReceiverDropped)) = self.run_on().await;
    }

    async fn run_on(&mut self) -> Result<(), ReceiverDropped> {
        let mut followed = true;
        loop {
            let connection = self.connection().await?;
            followed |= connection.followed;
            let (name, reason) = (Arc::clone(&self.source.name), connection.ended);
            debug!(source = %name, reason, followed = connection.followed, "a stream of flows has ended");
            if self.worked.elapsed() >= self.patience.give_up {
                let reason = format!("{reason}; {}", self.last_seen());
                self.tell(SourceEvent::Lost(self.memory.cut(reason.clone(), self.now()))).await?;
                return self.tell(SourceEvent::GivenUp { source: name, reason }).await;
            }
            if std::mem::take(&mut followed) {
                self.tell(SourceEvent::Cut { source: name, reason }).await?;
            }
            let left = self.patience.give_up.saturating_sub(self.worked.elapsed());
            sleep(self.pause.min(left)).await;
            self.pause = (self.pause * 2).min(self.patience.longest_pause);
        }
    }

    /// One connection, from its begin to its end.
    async fn connection(&mut self) -> Result<ConnectionEnd, ReceiverDropped> {
        let ended =
            |error: crate::client::ClientError| ConnectionEnd { followed: false, ended: error.to_string() };
        let client = match HubbleClient::connect(&self.source, self.patience.answer).await {
            Ok(client) => client,
            Err(error) => return Ok(ended(error)),
        };
        let status = match client.server_status().await {
            Ok(status) => status,
            Err(error) => return Ok(ended(error)),
        };
        let since = self.begin + self.memory.since();
        let lost = self.memory.connected(&status, self.now());
        if let Some(loss) = lost {
            self.tell(SourceEvent::Lost(loss)).await?;
        }
        self.tell(SourceEvent::Following { source: Arc::clone(&self.source.name) }).await?;
        let ended =
            self.events(&client, FlowRequest { since: Some(since), ..FlowRequest::default() }).await?;
        Ok(ConnectionEnd { followed: true, ended })
    }

    /// Tells every event. Returns why there are no more.
    async fn events(&mut self, client: &HubbleClient, ask: FlowRequest) -> Result<String, ReceiverDropped> {
        let mut responses = client.follow(&ask);
        let heartbeat = self.patience.heartbeat;
        let ask_again = || {
            Box::pin(async move {
                sleep(heartbeat).await;
                client.server_status().await
            })
        };
        let mut next_status = ask_again();
        loop {
            tokio::select! {
                // Events first: when the status is read, so is everything before it. A stream that never pauses
                // proves by itself that the server is there.
                biased;
                response = responses.next() => match response {
                    Ok(Some(Ok(response))) => self.event(response).await?,
                    Ok(Some(Err(_))) => {
                        self.tell(SourceEvent::Lost(self.memory.unreadable(self.now()))).await?;
                    }
                    Ok(None) => return Ok(format!("Hubble of {} has ended the stream", self.source)),
                    Err(error) => return Ok(error.to_string()),
                },
                status = &mut next_status => match status {
                    Ok(status) => {
                        self.memory.heard(&status, self.now());
                        self.works();
                        next_status = ask_again();
                    }
                    Err(error) => return Ok(error.to_string()),
                },
            }
        }
    }

    async fn event(&mut self, response: GetFlowsResponse) -> Result<(), ReceiverDropped> {
        let received = self.now();
        let time = response.flow.as_ref().and_then(|flow| flow.time).or(response.time);
        let at = time.map_or(received, |time| convert::since(time, self.begin));
        if !self.memory.is_new(&response, at, received) {
            return Ok(());
        }
        self.works();
        match observed(response, self.begin) {
            None => Ok(()),
            Some(HubbleEvent::Flow(reported)) => self.tell(SourceEvent::Flow { reported, received }).await,
            Some(HubbleEvent::Lost(loss)) => {
                self.tell(SourceEvent::Lost(self.memory.widen(loss, received))).await
            }
            Some(HubbleEvent::Node(change)) => {
                let losses = self.memory.nodes(&change, received);
                self.tell(SourceEvent::Node(change)).await?;
                for loss in losses {
                    self.tell(SourceEvent::Lost(loss)).await?;
                }
                Ok(())
            }
        }
    }

    fn works(&mut self) {
        self.worked = Instant::now();
        self.pause = self.patience.first_pause;
    }

    fn now(&self) -> Duration {
        self.begin.elapsed().unwrap_or_default()
    }

    fn last_seen(&self) -> String {
        match self.memory.newest {
            Some(at) => format!("its last event was {:.3} s after the start of the run", at.as_secs_f64()),
            None => "it has sent no event".to_owned(),
        }
    }

    async fn tell(&self, news: SourceEvent) -> Result<(), ReceiverDropped> {
        self.news.send(news).await.map_err(|_| ReceiverDropped)
    }
}

/// How a connection went.
struct ConnectionEnd {
    /// Whether the source was followed at all.
    followed: bool,
    /// Why it is over.
    ended: String,
}
