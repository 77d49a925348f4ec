//! An API server on loopback with a cluster of one node behind it: it keeps what it is given, writes down what it is
//! asked, and its pods talk as probes do.

mod sessions;

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};
use verdikt_wire::Report;

/// Where the lease of a run is; giving it back is the last that a run does.
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/verdikt-system/leases/verdikt";

/// A cluster as its API server has it.
#[derive(Clone)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

#[derive(Default)]
struct State {
    /// Objects by their paths.
    objects: BTreeMap<String, Value>,
    /// What was asked, in order.
    asked: Vec<String>,
    /// The probes that are talked to, by the addresses of their pods.
    probes: BTreeMap<IpAddr, Probe>,
    /// The connections of sessions.
    sessions: Vec<TcpStream>,
    /// Whose memory is looked at when the lease is given back, and what was seen, in kB.
    process: Option<u32>,
    most_memory: Option<u64>,
    /// What it was given, in order.
    made: Vec<Value>,
    /// What it does not do, and at which attempt connections break.
    refused: Option<&'static str>,
    breaks_at: Option<u64>,
}

/// A probe that is talked to.
#[derive(Clone)]
struct Probe {
    tell: Sender<Report>,
    /// Its servers, by their ports.
    servers: BTreeMap<u16, u64>,
}

/// A request without its body.
struct Head {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
}

impl ApiServer {
    /// One with a node, its Cilium agent, and nothing else.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = Self { state: Arc::default(), address: listener.local_addr().unwrap() };
        server.state().objects = created();
        let accepting = server.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let server = accepting.clone();
                // A connection that breaks is the client's affair.
                thread::spawn(move || server.serve(connection?));
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The kubeconfig of whoever asks it.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: stand-in,\n\
             clusters: [{{name: stand-in, cluster: {{server: \"http://{}\"}}}}], users: [{{name: nobody, user: {{}}}}],\n\
             contexts: [{{name: stand-in, context: {{cluster: stand-in, user: nobody}}}}]}}\n",
            self.address
        )
    }

    /// Refuses this request, as a webhook of the cluster may.
    pub(crate) fn refuse(&self, request: &'static str) {
        self.state().refused = Some(request);
    }

    /// Breaks the connections of every session when this attempt is ordered, without a word.
    pub(crate) fn break_at(&self, attempt: u64) {
        self.state().breaks_at = Some(attempt);
    }

    /// Looks at the memory of this process when its run ends.
    pub(crate) fn watch_memory(&self, process: u32) {
        self.state().process = Some(process);
    }

    /// The most memory that the process had until its run ended, in kB.
    pub(crate) fn most_memory(&self) -> u64 {
        self.state().most_memory.expect("the lease was given back")
    }

    /// What was asked: the method, the path, and the commands of sessions.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The objects that it was given, in order.
    pub(crate) fn made(&self) -> Vec<Value> {
        self.state().made.clone()
    }

    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        let mut writer = connection;
        while let Some(head) = read_head(&mut reader)? {
            self.state().asked.push(head.text());
            if head.path.ends_with("/exec") {
                return sessions::serve(self, &head, writer);
            }
            let length = head.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            if head.query.contains("watch=") {
                writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                // Nothing ever happens, until the client goes.
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            let (status, body) = self.answer(&head, serde_json::from_slice(&body).unwrap_or_default());
            let body = body.to_string();
            let type_ = "Content-Type: application/json";
            write!(writer, "HTTP/1.1 {status} -\r\n{type_}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        }
        Ok(())
    }

    fn answer(&self, head: &Head, body: Value) -> (u16, Value) {
        let mut state = self.state();
        let path = head.path.as_str();
        if state.refused.is_some_and(|refused| refused == head.text()) {
            let message = "admission webhook \"maker\" denied the request";
            return (403, json!({"kind": "Status", "status": "Failure", "code": 403, "message": message}));
        }
        match head.method.as_str() {
            "GET" if state.objects.contains_key(path) => (200, state.objects[path].clone()),
            "GET" => match state.list(path, &head.query) {
                Some(items) => (
                    200,
                    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
                ),
                None => {
                    (404, json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}))
                }
            },
            "POST" if path.ends_with("reviews") => {
                let mut review = body;
                review["status"] = json!({"allowed": true});
                (201, review)
            }
            "POST" => {
                state.made.push(body.clone());
                (201, state.keep(path, body))
            }
            "DELETE" => {
                if path == LEASE {
                    state.most_memory = state.process.map(most_memory);
                }
                let below = format!("{path}/");
                state.objects.retain(|other, _| other != path && !other.starts_with(&below));
                (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            _ => (200, state.objects.entry(path.to_owned()).or_insert(body).clone()),
        }
    }
}

impl State {
    /// The objects of a collection, of all namespaces if it names none; none where no collection has that name.
    fn list(&self, path: &str, query: &str) -> Option<Vec<Value>> {
        let (base, plural) = path.rsplit_once('/')?;
        let within = base.split('/').skip(if base.starts_with("/api/") { 3 } else { 4 });
        // Below the version, and maybe a namespace, are kinds; below a kind are objects.
        if within.count() % 2 != 0 {
            return None;
        }
        let of_collection = |other: &str| {
            let (collection, _) = other.rsplit_once('/').unwrap_or_default();
            let (place, name) = collection.rsplit_once('/').unwrap_or_default();
            name == plural && (place == base || place.starts_with(&format!("{base}/namespaces/")))
        };
        let asked = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key));
        let named = asked("fieldSelector=metadata.name%3D");
        let selector = asked("labelSelector=");
        let selects = |object: &Value| {
            let name = object.pointer("/metadata/name").and_then(Value::as_str);
            if named.is_some_and(|named| name != Some(named)) {
                return false;
            }
            let pairs = selector.map(|text| text.replace("%3D", "=").replace("%2F", "/").replace("%2C", ","));
            pairs.unwrap_or_default().split(',').filter_map(|pair| pair.split_once('=')).all(
                |(key, value)| {
                    object.pointer("/metadata/labels").and_then(|labels| labels.get(key))
                        == Some(&json!(value))
                },
            )
        };
        let found = self.objects.iter().filter(|(other, object)| of_collection(other) && selects(object));
        Some(found.map(|(_, object)| object.clone()).collect())
    }

    fn keep(&mut self, collection: &str, mut object: Value) -> Value {
        let number = self.objects.len();
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap().to_owned();
        object["metadata"]["uid"] = json!(format!("uid-{number}-{name}"));
        object["metadata"]["resourceVersion"] = json!(number.to_string());
        let path = format!("{collection}/{name}");
        if collection.ends_with("/pods") {
            object["spec"]["nodeName"] = json!("node1");
            let address = format!("10.0.1.{}", number % 250 + 1);
            object["status"] = json!({
                "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}],
            });
        }
        if collection.ends_with("/namespaces") {
            let account = json!({"metadata": {"namespace": name, "name": "default"}});
            self.objects.insert(format!("{path}/serviceaccounts/default"), account);
        }
        self.objects.insert(path, object.clone());
        object
    }

    /// The pods that were made, by their addresses.
    fn pods(&self) -> impl Iterator<Item = (IpAddr, &Value)> {
        let pods = self.objects.iter().filter(|(path, _)| path.contains("/pods/")).map(|(_, pod)| pod);
        pods.filter_map(|pod| Some((pod.pointer("/status/podIP")?.as_str()?.parse().ok()?, pod)))
    }
}

impl Head {
    fn text(&self) -> String {
        let commands = self.query.split('&').filter_map(|pair| pair.strip_prefix("command="));
        let commands: Vec<&str> = commands.collect();
        let watch = if self.query.contains("watch=") { " watch" } else { "" };
        let text = format!("{} {}{watch} {}", self.method, self.path, commands.join(" "));
        text.trim_end().to_owned()
    }
}

fn read_head(reader: &mut impl io::BufRead) -> io::Result<Option<Head>> {
    let mut lines = Vec::new();
    for line in reader.lines() {
        match line? {
            end if end.is_empty() => break,
            line => lines.push(line),
        }
    }
    let Some((first, headers)) = lines.split_first() else { return Ok(None) };
    let words: Vec<&str> = first.split(' ').collect();
    let (path, query) = words[1].split_once('?').unwrap_or((words[1], ""));
    let headers = headers.iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(key, value)| (key.to_lowercase(), value.to_owned())).collect();
    let (method, path, query) = (words[0].to_owned(), path.to_owned(), query.to_owned());
    Ok(Some(Head { method, path, query, headers }))
}

/// The most memory that a process has had, in kB: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What is there before any run.
fn created() -> BTreeMap<String, Value> {
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let labels = json!({"k8s-app": "cilium"});
    let kinds = ["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumendpoints"];
    let kinds = kinds
        .map(|name| json!({"name": name, "singularName": "", "namespaced": true, "kind": name, "verbs": []}));
    let objects = [
        (
            "/version",
            json!({"major": "1", "minor": "36", "gitVersion": "v1.36.1", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        ),
        (
            "/apis/cilium.io/v2",
            json!({"kind": "APIResourceList", "groupVersion": "cilium.io/v2", "resources": kinds}),
        ),
        (
            "/apis/policy.networking.k8s.io/v1alpha2",
            json!({"kind": "APIResourceList", "groupVersion": "policy.networking.k8s.io/v1alpha2", "resources": []}),
        ),
        (
            "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium",
            json!({"metadata": {"namespace": "kube-system", "name": "cilium", "labels": labels}}),
        ),
        (
            "/api/v1/namespaces/kube-system/configmaps/cilium-config",
            json!({"metadata": {"name": "cilium-config"}, "data": {"enable-hubble": "true"}}),
        ),
        (
            "/api/v1/namespaces/kube-system/pods/cilium-1",
            json!({
                "metadata": {"namespace": "kube-system", "name": "cilium-1", "labels": labels},
                "spec": {"nodeName": "node1", "containers": [{"name": "cilium-agent", "image": "cilium:v1.20.2"}]},
                "status": {"conditions": ready},
            }),
        ),
        (
            "/api/v1/nodes/node1",
            json!({
                "metadata": {"name": "node1"},
                "status": {"conditions": ready, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
            }),
        ),
    ];
    objects.map(|(path, object)| (path.to_owned(), object)).into()
}
