//! A client of one Hubble server.
//!
//! Calls go over one HTTP/2 connection. No pings are sent on it: Go's gRPC servers end connections that ping more
//! often than every five minutes. Whoever follows asks for [`HubbleClient::server_status`] now and then instead.
//! <https://github.com/grpc/grpc/blob/master/doc/keepalive.md>

mod codec;
mod error;
mod source;

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use prost::DecodeError;
use prost_types::FieldMask;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use codec::MessageCodec;
pub use error::ClientError;
use source::StreamOpener;
pub use source::{ClientCertificate, FlowServer, OpeningStream, Stream, Tls};

use crate::messages::{
    EventTypeFilter, FlowFilter, GetFlowsRequest, GetFlowsResponse, ServerStatusRequest,
    ServerStatusResponse, event_type,
};

/// The types of events to ask for. A policy verdict has everything that a verdict needs; a drop says why a packet that
/// policy allowed did not arrive. Traces are the majority of all events, and add nothing.
const EVENT_TYPES: [i32; 3] = [event_type::POLICY_VERDICT, event_type::DROP, event_type::L7];

/// The fields of a flow that are read.
const FIELDS: &[&str] = &[
    "time",
    "uuid",
    "verdict",
    "drop_reason",
    "IP",
    "l4",
    "source",
    "destination",
    "node_name",
    "source_names",
    "destination_names",
    "l7",
    "event_type",
    "traffic_direction",
    "policy_match_type",
    "drop_reason_desc",
    "is_reply",
    "egress_allowed_by",
    "ingress_allowed_by",
    "egress_denied_by",
    "ingress_denied_by",
];

/// What to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRequest {
    /// Only events since this time, by the node's clock; if not given, only events from now on.
    pub since: Option<SystemTime>,
    /// Asks the server to leave out fields that are not read. Versions that do not know one of the fields refuse.
    pub only_what_is_read: bool,
}

/// A connection to a server.
#[derive(Clone, Debug)]
pub struct HubbleClient {
    source: FlowServer,
    channel: Channel,
    /// How long the server has for each answer.
    within: Duration,
}

impl HubbleClient {
    /// Connects. This, and later every answer but the events themselves, must come within the time given.
    pub async fn connect(source: &FlowServer, within: Duration) -> Result<Self, ClientError> {
        let scheme = if source.tls.is_some() { "https" } else { "http" };
        // The connector has the real address; this one is only for the headers.
        let unusable = |error| error::connecting(source, &error);
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://hubble")).map_err(unusable)?;
        if let Some(tls) = &source.tls {
            endpoint = endpoint.tls_config(tls_config(tls)).map_err(unusable)?;
        }
        let connecting = endpoint.connect_with_connector(StreamOpener(source.clone()));
        match tokio::time::timeout(within, connecting).await {
            Ok(Ok(channel)) => Ok(Self { source: source.clone(), channel, within }),
            Ok(Err(error)) => Err(error::connecting(source, &error)),
            Err(_) => Err(ClientError::Silent { server: source.to_string(), within }),
        }
    }

    /// What the server says about itself.
    pub async fn server_status(&self) -> Result<ServerStatusResponse, ClientError> {
        let path = PathAndQuery::from_static("/observer.Observer/ServerStatus");
        let call = async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.map_err(|error| error::connecting(&self.source, &error))?;
            let codec = MessageCodec::<_, ServerStatusResponse>::default();
            let response = grpc.unary(Request::new(ServerStatusRequest {}), path, codec).await;
            let response = response
                .map_err(|status| error::answered(&self.source, &status, error::AskedBefore::Nothing))?;
            response.into_inner().map_err(|error| ClientError::Failed {
                server: self.source.to_string(),
                reason: error.to_string(),
            })
        };
        let silent = |_| ClientError::Silent { server: self.source.to_string(), within: self.within };
        tokio::time::timeout(self.within, call).await.map_err(silent)?
    }

    /// The events that verdicts are based on, since a time by the node's clock until now. Relay delays none of them.
    pub fn past(&self, since: SystemTime) -> Responses {
        self.get_flows(GetFlowsRequest {
            whitelist: whitelist(),
            since: Some(since.into()),
            ..GetFlowsRequest::default()
        })
    }

    /// Follows the events that verdicts are based on.
    pub fn follow(&self, ask: &FlowRequest) -> Responses {
        let request = GetFlowsRequest {
            follow: true,
            whitelist: whitelist(),
            since: ask.since.map(Into::into),
            field_mask: ask
                .only_what_is_read
                .then(|| FieldMask { paths: FIELDS.iter().map(|&field| field.to_owned()).collect() }),
            ..GetFlowsRequest::default()
        };
        self.get_flows(request)
    }

    /// Asks for events.
    pub fn get_flows(&self, request: GetFlowsRequest) -> Responses {
        let mut grpc = Grpc::new(self.channel.clone());
        let call = async move {
            let ready = grpc.ready().await;
            ready.map_err(|error| Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static("/observer.Observer/GetFlows");
            let codec = MessageCodec::<_, GetFlowsResponse>::default();
            grpc.server_streaming(Request::new(request), path, codec).await
        };
        Responses { source: self.source.clone(), state: ResponseState::Asking(Box::pin(call)) }
    }
}

fn whitelist() -> Vec<FlowFilter> {
    let types = EVENT_TYPES.map(|kind| EventTypeFilter { kind, ..EventTypeFilter::default() });
    vec![FlowFilter { event_type: types.to_vec() }]
}

fn tls_config(tls: &Tls) -> ClientTlsConfig {
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&tls.authorities))
        .domain_name(&tls.server_name);
    match &tls.identity {
        Some(identity) => {
            config.identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key))
        }
        None => config,
    }
}

type DecodedResponse = Result<GetFlowsResponse, DecodeError>;
type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response<Streaming<DecodedResponse>>, Status>> + Send>>;

/// The events that a server sends.
pub struct Responses {
    source: FlowServer,
    state: ResponseState,
}

enum ResponseState {
    /// The answer has not begun: a Go server begins it only with the first event.
    Asking(ResponseFuture),
    Answered(Box<Streaming<DecodedResponse>>),
    Failed,
}

impl Responses {
    /// The next event, or why it cannot be read; none when the server has ended the stream. Cancel-safe. Nothing
    /// is sent before the first call.
    pub async fn next(&mut self) -> Result<Option<DecodedResponse>, ClientError> {
        loop {
            let message = match &mut self.state {
                ResponseState::Asking(call) => match call.await {
                    Ok(response) => {
                        self.state = ResponseState::Answered(Box::new(response.into_inner()));
                        continue;
                    }
                    Err(status) => Err(status),
                },
                ResponseState::Answered(stream) => stream.message().await,
                ResponseState::Failed => Ok(None),
            };
            return message.map_err(|status| {
                self.state = ResponseState::Failed;
                error::answered(&self.source, &status, error::AskedBefore::Something)
            });
        }
    }
}
