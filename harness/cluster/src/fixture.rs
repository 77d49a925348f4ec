//! An API server for tests, which answers from a table and logs its requests; and facts about made-up clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};
use verdikt_scenario::version::CiliumVersion;

use crate::connect::ApiConnection;
use crate::exec::PodContainer;
use crate::inspect::{AgentPod, CiliumFacts, Facts, KUBE_SYSTEM, LoadBalancing, NodeFacts};

/// Facts about a cluster of these nodes, with the newest Cilium.
pub(crate) fn facts<N: Into<String>>(nodes: impl IntoIterator<Item = (N, NodeFacts)>) -> Facts {
    Facts {
        kubernetes: "v1.36.1".to_owned(),
        nodes: nodes.into_iter().map(|(name, node)| (name.into(), node)).collect(),
        api_servers: BTreeSet::new(),
        cilium: CiliumFacts {
            namespace: KUBE_SYSTEM.to_owned(),
            full_version: CiliumVersion::default().to_string(),
            version: CiliumVersion::default(),
            config: BTreeMap::new(),
            kinds: BTreeSet::new(),
            relay: None,
            envoy: false,
        },
        dns_service: Vec::new(),
        dns_pods: Vec::new(),
        load_balancing: LoadBalancing::default(),
    }
}

/// A Cilium agent that is ready, in the pod of this name.
pub(crate) fn agent(pod: &str) -> AgentPod {
    let container = PodContainer {
        namespace: KUBE_SYSTEM.to_owned(),
        pod: pod.to_owned(),
        container: "cilium-agent".to_owned(),
    };
    AgentPod { container, ready: true }
}

/// What the server is asked.
#[derive(Clone, Debug)]
pub(crate) struct FixtureRequest {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl FixtureRequest {
    /// Whether it is this.
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }

    /// Whether it is a watch.
    pub(crate) fn is_watch(&self) -> bool {
        self.path.contains("watch=")
    }
}

/// What the server answers.
pub(crate) enum FixtureAnswer {
    /// A status with a body.
    Json(u16, Value),
    /// Events of a watch that goes on.
    Events(Vec<Value>),
    /// Nothing, ever.
    Silence,
}

/// A status as the API server sends it with an error.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> FixtureAnswer {
    FixtureAnswer::Json(
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}

/// That an object is not there.
pub(crate) fn absent() -> FixtureAnswer {
    status(404, "NotFound", "not found")
}

/// A list of objects.
pub(crate) fn list(items: &Value) -> FixtureAnswer {
    FixtureAnswer::Json(
        200,
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
    )
}

/// All that was asked, a line each.
#[derive(Clone, Default)]
pub(crate) struct RequestLog(Arc<Mutex<Vec<String>>>);

impl RequestLog {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// A connection to a server that answers like this, with short patience; and what it was asked.
pub(crate) fn server(
    answers: impl FnMut(&FixtureRequest) -> FixtureAnswer + Send + 'static,
) -> (ApiConnection, RequestLog) {
    let (service, mut handle) =
        tower_test::mock::pair::<Request<Body>, Response<BoxBody<Bytes, Infallible>>>();
    let log = RequestLog::default();
    let written = log.clone();
    let mut answers = answers;
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let asked = FixtureRequest {
                method: parts.method.to_string(),
                path: parts.uri.path_and_query().unwrap().to_string(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            };
            let said = if asked.body.is_null() { String::new() } else { format!(" {}", asked.body) };
            written.0.lock().unwrap().push(format!("{} {}{said}", asked.method, asked.path));
            match answers(&asked) {
                FixtureAnswer::Json(status, body) => {
                    let body = Full::new(Bytes::from(body.to_string())).boxed();
                    send.send_response(Response::builder().status(status).body(body).unwrap());
                }
                FixtureAnswer::Events(events) => {
                    let lines = events.into_iter().map(|event| Bytes::from(format!("{event}\n")));
                    let frames = stream::iter(lines)
                        .chain(stream::pending())
                        .map(|line| Ok::<_, Infallible>(Frame::data(line)));
                    let body = BodyExt::boxed(StreamBody::new(frames));
                    send.send_response(Response::builder().status(200).body(body).unwrap());
                }
                FixtureAnswer::Silence => silent.push(send),
            }
        }
    });
    let client = kube::Client::new(service, "default");
    (ApiConnection::over(client, "https://api.test:6443", "test", Duration::from_millis(200)), log)
}
