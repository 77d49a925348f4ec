//! A server that speaks as an agent does: a ring of events, counters, cuts and silences at will.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use prost_types::Timestamp;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use verdikt_hubble::messages::{
    CiliumEventType, Flow, GetFlowsRequest, GetFlowsResponse, Ip, Layer4, Ports, ServerStatusResponse,
};

/// The longest that a test waits for anything.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// An event as it goes over the wire, and its time.
#[derive(Clone)]
struct Event(SystemTime, Vec<u8>);

/// What the server has and does. Clones are the same server.
#[derive(Clone)]
pub(crate) struct Agent {
    state: Arc<Mutex<State>>,
    /// Counts changes.
    changed: watch::Sender<u64>,
}

struct State {
    ring: Vec<Event>,
    status: ServerStatusResponse,
    answers_status: bool,
    /// Counts cuts.
    cuts: u64,
    asked: Vec<GetFlowsRequest>,
    tells_newest: bool,
}

impl Agent {
    /// An agent that has just been started, with a ring for many events.
    pub(crate) fn new() -> Self {
        let status = ServerStatusResponse {
            max_flows: 4095,
            uptime_ns: 3_600_000_000_000,
            version: "v1.20.0-test".to_owned(),
            ..ServerStatusResponse::default()
        };
        let state = State {
            ring: Vec::new(),
            status,
            answers_status: true,
            cuts: 0,
            asked: Vec::new(),
            tells_newest: true,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0) }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
    }

    /// Writes an event into the ring.
    pub(crate) fn write(&self, response: &GetFlowsResponse) {
        let time = response.time.or(response.flow.as_ref().and_then(|flow| flow.time)).unwrap();
        self.write_raw(SystemTime::try_from(time).unwrap(), response.encode_to_vec());
    }

    pub(crate) fn write_raw(&self, time: SystemTime, bytes: Vec<u8>) {
        self.change(|state| {
            state.ring.push(Event(time, bytes));
            state.status.seen_flows += 1;
        });
    }

    /// Ends every stream with an error.
    pub(crate) fn cut(&self) {
        self.change(|state| state.cuts += 1);
    }

    /// As if its ring had been overwritten, with this many events.
    pub(crate) fn overwrite(&self, events: u64) {
        self.change(|state| {
            state.ring.clear();
            state.status.seen_flows += events;
        });
    }

    /// As if it had been started anew.
    pub(crate) fn start_anew(&self) {
        self.change(|state| {
            state.ring.clear();
            state.status.seen_flows = 0;
            state.status.uptime_ns = 1;
        });
    }

    pub(crate) fn set_status(&self, change: impl FnOnce(&mut ServerStatusResponse)) {
        self.change(|state| change(&mut state.status));
    }

    /// Answers no question about its status any more.
    pub(crate) fn fall_silent(&self) {
        self.change(|state| state.answers_status = false);
    }

    /// What it was asked for, so far.
    pub(crate) fn asked(&self) -> Vec<GetFlowsRequest> {
        self.state.lock().unwrap().asked.clone()
    }

    /// As agents do: the newest event waits for the next.
    pub(crate) fn lags_by_one(&self) {
        self.change(|state| state.tells_newest = false);
    }

    /// Listens on loopback.
    pub(crate) async fn serve(&self, tls: Option<ServerTlsConfig>) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let task = tokio::spawn(server.add_service(self.clone()).serve_with_incoming(incoming));
        Served { address, task }
    }

    /// Listens on a unix socket.
    pub(crate) fn serve_unix(&self, path: &Path) -> JoinHandle<Result<(), tonic::transport::Error>> {
        let incoming = tokio_stream::wrappers::UnixListenerStream::new(UnixListener::bind(path).unwrap());
        tokio::spawn(Server::builder().add_service(self.clone()).serve_with_incoming(incoming))
    }
}

/// A server that runs.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The policy verdict of the connection from this port, this many milliseconds after the start.
pub(crate) fn verdict(begin: SystemTime, milliseconds: u64, port: u32) -> GetFlowsResponse {
    let time = Some(Timestamp::from(begin + Duration::from_millis(milliseconds)));
    let ip = Ip { source: "10.0.0.1".to_owned(), destination: "10.0.0.2".to_owned() };
    let tcp = Some(Ports { source_port: port, destination_port: 80 });
    let flow = Flow {
        time,
        verdict: 2,
        drop_reason_desc: 133,
        ip: Some(ip),
        l4: Some(Layer4 { tcp, ..Layer4::default() }),
        event_type: Some(CiliumEventType { kind: 5, sub_type: 0 }),
        traffic_direction: 1,
        uuid: format!("uuid of {port}"),
        ..Flow::default()
    };
    GetFlowsResponse { flow: Some(flow), node_name: "node1".to_owned(), time, ..GetFlowsResponse::default() }
}

/// Waits for a condition of an agent.
pub(crate) async fn until(agent: &Agent, what: &str, holds: impl Fn(&Agent) -> bool) {
    let mut changed = agent.changed.subscribe();
    let waiting = async {
        while !holds(agent) {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("not so: {what}"));
}

impl NamedService for Agent {
    const NAME: &'static str = "observer.Observer";
}

impl Service<http::Request<Body>> for Agent {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let agent = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/observer.Observer/ServerStatus" => Grpc::new(Bytes).unary(agent, request).await,
                "/observer.Observer/GetFlows" => Grpc::new(Bytes).server_streaming(agent, request).await,
                other => panic!("{other}"),
            })
        })
    }
}

impl UnaryService<Vec<u8>> for Agent {
    type Response = Vec<u8>;
    type Future = BoxFuture<Response<Vec<u8>>, Status>;

    fn call(&mut self, _: Request<Vec<u8>>) -> Self::Future {
        let (answers, status) = {
            let state = self.state.lock().unwrap();
            (state.answers_status, state.status.encode_to_vec())
        };
        Box::pin(async move {
            if !answers {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(status))
        })
    }
}

impl ServerStreamingService<Vec<u8>> for Agent {
    type Response = Vec<u8>;
    type ResponseStream = ReceiverStream<Result<Vec<u8>, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    /// Answers with its first event and not before, as Go's servers do.
    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let agent = self.clone();
        let request = GetFlowsRequest::decode(request.into_inner().as_slice()).unwrap();
        let since = request.since.and_then(|since| SystemTime::try_from(since).ok()).unwrap_or(UNIX_EPOCH);
        let follow = request.follow;
        let mut changed = agent.changed.subscribe();
        let cuts = agent.state.lock().unwrap().cuts;
        agent.change(|state| state.asked.push(request));
        let (sender, receiver) = mpsc::channel(1);
        let (first, begun) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut first = Some(first);
            let mut told = 0;
            loop {
                let next = {
                    let state = agent.state.lock().unwrap();
                    if state.cuts == cuts {
                        told = told.min(state.ring.len());
                        let end = state.ring.len() - usize::from(!state.tells_newest).min(state.ring.len());
                        Ok(state.ring[told.min(end)..end].first().cloned())
                    } else {
                        Err(Status::unavailable("cut"))
                    }
                };
                let message = match next {
                    Ok(Some(Event(time, bytes))) => {
                        told += 1;
                        if time < since {
                            continue;
                        }
                        Ok(bytes)
                    }
                    Ok(None) if !follow || changed.changed().await.is_err() => return,
                    Ok(None) => continue,
                    Err(status) => Err(status),
                };
                if let Some(first) = first.take() {
                    let _ = first.send(());
                }
                let last = message.is_err();
                if sender.send(message).await.is_err() || last {
                    return;
                }
            }
        });
        Box::pin(async move {
            let _ = begun.await;
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &bytes);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; prost::bytes::Buf::remaining(buffer)];
        prost::bytes::Buf::copy_to_slice(buffer, &mut bytes);
        Ok(Some(bytes))
    }
}
