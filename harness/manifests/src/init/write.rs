//! A first scenario as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::policy::Refuser;
use verdikt_scenario::topology::{
    CiliumEndpoint, Dns, Endpoint, LOCAL_NODE, NAMESPACE_NAME_LABEL, Node, Pod, Served, Service, ServicePort,
    ServiceType, TargetPort, Topology, TrafficPolicy, WorldHost,
};

use super::outside::OutsideHosts;
use super::redirects::redirects;
use super::table::{DraftRow, DraftTable};
use super::words::{labels, led_ports};
use super::yaml::{self, scalar};
use super::{ManifestReference, RefusedPolicy, ScenarioDraft};

/// The largest width of a line.
const WIDTH: usize = 110;

/// Writes a scenario.
pub(super) fn scenario(
    draft: &ScenarioDraft<'_>,
    topology: &Topology,
    changed: &BTreeMap<NamespacedName, Vec<Served>>,
    outside: &OutsideHosts,
    table: &DraftTable,
    refused: &[RefusedPolicy],
) -> String {
    let mut out = format!(
        "# Made by `{}`: the verdicts of these manifests and policies, as the policy model predicts them.\n\
         # Read the table as you would read a snapshot: it says what is, not what was meant.\n\
         scenario: {}\nabout: What the policies allow and deny today.\ntopology:\n",
        draft.command.replace(char::is_control, " "),
        scalar(draft.name),
    );
    if let Some(namespace) = draft.namespace {
        line(&mut out, 2, &format!("# for objects without a namespace\nnamespace: {}", scalar(namespace)));
    }
    if let Some(values) = draft.values {
        line(&mut out, 2, &format!("settings: {{values: {}}}", scalar(values)));
    }
    match draft.reference {
        ManifestReference::Paths { manifests, .. } => {
            line(&mut out, 2, &format!("manifests: {}", list(manifests.iter().map(|path| scalar(path)), 2)));
            if !changed.is_empty() {
                line(&mut out, 2, "pods:\n  # their policies have HTTP rules");
                for (name, serves) in changed {
                    line(&mut out, 4, &format!("{name}: {{serves: [{}]}}", all_served(serves)));
                }
            }
        }
        ManifestReference::Inline => inline(&mut out, topology, outside),
    }
    let is_inline = *draft.reference == ManifestReference::Inline;
    around(&mut out, outside, is_inline.then_some(topology));
    out.push_str("steps:\n- step: as it is\n");
    in_force(&mut out, draft, refused);
    out.push_str("  expect:\n");
    let mut before = "";
    for row in &table.rows {
        if row.comment != before && !row.comment.is_empty() {
            line(&mut out, 4, &format!("# {}", row.comment.replace(char::is_control, " ")));
        }
        before = &row.comment;
        write_row(&mut out, row);
    }
    if !table.unknown.is_empty() || table.left_out > 0 {
        rest(&mut out, table);
    }
    if *draft.reference == ManifestReference::Inline {
        for policy in &draft.situation.policies {
            out.push_str("---\n");
            let mut text = String::new();
            yaml::append(&mut text, &policy.root, 0);
            out.push_str(&text);
            out.push('\n');
        }
    }
    out
}

/// Appends a text, indenting every line.
fn line(out: &mut String, indent: usize, text: &str) {
    for line in text.lines() {
        out.extend(std::iter::repeat_n(' ', indent));
        out.push_str(line);
        out.push('\n');
    }
}

/// Words in brackets, on several lines if one would be too long.
fn list(words: impl Iterator<Item = String>, indent: usize) -> String {
    let words: Vec<String> = words.collect();
    let whole = format!("[{}]", words.join(", "));
    if whole.len() + indent < WIDTH {
        return whole;
    }
    let mut lines = vec![String::new()];
    for word in words {
        if let Some(last) = lines.last_mut() {
            if last.len() + word.len() + indent + 4 > WIDTH && !last.is_empty() {
                lines.push(format!("{word},"));
                continue;
            }
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&word);
            last.push(',');
        }
    }
    format!("[\n  {}\n]", lines.join("\n  ").trim_end_matches(','))
}

fn all_served(serves: &[Served]) -> String {
    serves.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The hosts outside, nodes and endpoints of Cilium that take part, including those that manifests define if the
/// manifests are not named.
fn around(out: &mut String, outside: &OutsideHosts, of_manifests: Option<&Topology>) {
    line(out, 2, "world:");
    for (name, host) in &outside.hosts {
        let comment = host.comment.replace(char::is_control, " ");
        line(out, 4, &format!("# {comment}\n{name}: {{{}}}", host_text(&host.outside)));
    }
    let own = of_manifests.map(|topology| topology.cilium.clone()).unwrap_or_default();
    let of_manifests = of_manifests.into_iter();
    let hosts = of_manifests.clone().flat_map(|topology| &topology.world);
    for (name, host) in hosts.filter(|(name, _)| !outside.hosts.contains_key(*name)) {
        line(out, 4, &format!("# behind a service\n{name}: {{{}}}", host_text(host)));
    }
    let others = of_manifests.flat_map(|topology| &topology.nodes);
    let others: Vec<_> = others.filter(|(name, _)| !outside.nodes.contains_key(*name)).collect();
    if !outside.nodes.is_empty() {
        line(out, 2, "# named by policies");
    }
    if !outside.nodes.is_empty() || !others.is_empty() {
        line(out, 2, "nodes:");
    }
    for (name, node) in outside.nodes.iter().chain(others) {
        line(out, 4, &format!("{name}: {{{}}}", node_text(node)));
    }
    let own: BTreeSet<CiliumEndpoint> = own.union(&outside.cilium).copied().collect();
    cilium(out, own.into_iter());
}

fn host_text(host: &WorldHost) -> String {
    let mut keys = vec![format!("address: {}", host.address)];
    if !host.names.is_empty() {
        let names: Vec<String> = host.names.iter().map(ToString::to_string).collect();
        keys.push(format!("names: [{}]", names.join(", ")));
    }
    if !host.serves.is_empty() {
        keys.push(format!("serves: [{}]", all_served(&host.serves)));
    }
    keys.join(", ")
}

fn node_text(node: &Node) -> String {
    let mut keys: Vec<String> = node.api_server.then(|| "apiServer: true".to_owned()).into_iter().collect();
    keys.extend(node.address.map(|address| format!("address: {address}")));
    if !node.labels.is_empty() {
        keys.push(format!("labels: {}", labels(&node.labels)));
    }
    if !node.serves.is_empty() {
        keys.push(format!("serves: [{}]", all_served(&node.serves)));
    }
    keys.join(", ")
}

fn cilium(out: &mut String, endpoints: impl Iterator<Item = CiliumEndpoint>) {
    let words: Vec<&str> = endpoints
        .map(|endpoint| match endpoint {
            CiliumEndpoint::Ingress => "ingress",
            CiliumEndpoint::Health => "health",
        })
        .collect();
    if !words.is_empty() {
        line(out, 2, &format!("cilium: [{}]", words.join(", ")));
    }
}

/// A topology that was read from a pipe.
fn inline(out: &mut String, topology: &Topology, outside: &OutsideHosts) {
    line(out, 2, "namespaces:");
    for (name, own) in &topology.namespaces {
        let mut own = own.clone();
        own.remove(NAMESPACE_NAME_LABEL);
        let text = if own.is_empty() { String::new() } else { format!("labels: {}", labels(&own)) };
        line(out, 4, &format!("{}: {{{text}}}", scalar(name.as_str())));
    }
    if !topology.pods.is_empty() {
        line(out, 2, "pods:");
    }
    for (name, pod) in &topology.pods {
        line(out, 4, &format!("{name}: {{{}}}", pod_text(pod)));
    }
    if !topology.services.is_empty() {
        line(out, 2, "services:");
    }
    for (name, service) in &topology.services {
        // The format cannot express a service without backends.
        if !topology.backends(name).is_empty() {
            line(
                out,
                4,
                &format!("{name}: {{{}}}", service_text(service, &topology.backends(name), topology)),
            );
        }
    }
    dns(out, &topology.dns);
    if !topology.secrets.is_empty() {
        line(out, 2, &format!("secrets: {}", list(topology.secrets.keys().map(ToString::to_string), 2)));
    }
    if !topology.routes.is_empty() {
        line(out, 2, "routes:");
    }
    for route in &topology.routes {
        line(out, 4, &format!("{}: {}:{}", scalar(&route.to_string()), route.service, route.port));
    }
    let redirects = redirects(topology, outside);
    if !redirects.is_empty() {
        line(out, 2, &format!("redirects:\n  {}", redirects.join("\n  ")));
    }
}

/// The DNS server of pods, if it is not the usual service.
fn dns(out: &mut String, dns: &Dns) {
    let service = dns.service.as_ref().map(|service| format!("service: {service}"));
    let cache = dns.cache.as_ref().map(|cache| format!("cache: {cache}"));
    let keys: Vec<String> = service.into_iter().chain(cache).collect();
    if !keys.is_empty() {
        line(out, 2, &format!("dns: {{{}}}", keys.join(", ")));
    }
}

fn pod_text(pod: &Pod) -> String {
    let mut keys = Vec::new();
    if !pod.labels.is_empty() {
        keys.push(format!("labels: {}", labels(&pod.labels)));
    }
    keys.extend(pod.service_account.as_ref().map(|account| format!("serviceAccount: {}", scalar(account))));
    if let Some(node) = &pod.host_network {
        keys.push("hostNetwork: true".to_owned());
        keys.extend((node.as_str() != LOCAL_NODE).then(|| format!("node: {node}")));
    }
    if !pod.serves.is_empty() {
        keys.push(format!("serves: [{}]", all_served(&pod.serves)));
    }
    if !pod.host_ports.is_empty() {
        keys.push(format!("hostPorts: {{{}}}", led_ports(pod.host_ports.iter())));
    }
    keys.join(", ")
}

/// A service, with the ports that some backend serves: the format accepts no others.
fn service_text(service: &Service, backends: &[Endpoint], topology: &Topology) -> String {
    let is_served = |port: &&ServicePort| match &port.target {
        TargetPort::Name(_) => true,
        TargetPort::Number(number) => backends.iter().any(|backend| {
            let Endpoint::Pod(name) = backend else { return true };
            let pod = topology.pods.get(name);
            pod.is_some_and(|pod| pod.serves.iter().any(|served| served.port == *number))
        }),
    };
    let mut keys = Vec::new();
    if service.service_type != ServiceType::ClusterIp {
        keys.push(format!("type: {}", service.service_type));
    }
    if service.headless {
        keys.push("headless: true".to_owned());
    }
    if service.service_type != ServiceType::ClusterIp
        && service.external_traffic_policy == TrafficPolicy::Local
    {
        keys.push("externalTrafficPolicy: Local".to_owned());
    }
    if !service.labels.is_empty() {
        keys.push(format!("labels: {}", labels(&service.labels)));
    }
    keys.extend(service.selects.as_ref().map(|selects| format!("selects: {}", labels(selects))));
    if !service.backends.is_empty() {
        let hosts: Vec<&str> = service.backends.iter().map(HostName::as_str).collect();
        keys.push(format!("backends: [{}]", hosts.join(", ")));
    }
    keys.push(format!("ports: {{{}}}", led_ports(service.ports.iter().filter(is_served))));
    keys.join(", ")
}

/// The policies of the step, and the refused ones.
fn in_force(out: &mut String, draft: &ScenarioDraft<'_>, refused: &[RefusedPolicy]) {
    let policies = &draft.situation.policies;
    if policies.is_empty() {
        return;
    }
    let entries: Vec<String> = match draft.reference {
        ManifestReference::Paths { policies, .. } => policies.iter().map(|path| scalar(path)).collect(),
        ManifestReference::Inline => policies.iter().map(|policy| scalar(&policy.object().short())).collect(),
    };
    line(out, 2, &format!("policies: {}", list(entries.into_iter(), 2)));
    if refused.is_empty() {
        return;
    }
    line(
        out,
        2,
        "# these are refused, so nothing of them is in force: correct them, and remove them from this list\nrejected:",
    );
    for RefusedPolicy { policy, by, message } in refused {
        let Some(policy) = policies.get(*policy) else { continue };
        let by = match by {
            Refuser::ApiServer => "api-server",
            Refuser::Agent => "agent",
        };
        let saying = message.lines().next().unwrap_or_default();
        let name = scalar(&policy.object().short());
        line(out, 4, &format!("{name}: {{by: {by}, saying: {}}}", scalar(saying)));
    }
}

fn write_row(out: &mut String, row: &DraftRow) {
    let DraftRow { attempt, verdicts, .. } = row;
    if let [(verdict, sources)] = &verdicts[..] {
        return line(out, 4, &format!("{attempt}: {{{verdict}: {}}}", sources.join(", ")));
    }
    line(out, 4, &format!("{attempt}:"));
    for (verdict, sources) in verdicts {
        let sources = match &sources[..] {
            [only] => only.clone(),
            _ => list(sources.iter().cloned(), 6 + verdict.to_string().len()),
        };
        line(out, 6, &format!("{verdict}: {sources}"));
    }
}

/// What the table does not contain.
fn rest(out: &mut String, table: &DraftTable) {
    for attempt in &table.unknown {
        line(out, 4, &format!("# left out, because the policy model does not know: {attempt}"));
    }
    if table.left_out > 0 {
        let _ = writeln!(
            out,
            "    # left out, because the table would be too large: {} more attempts",
            table.left_out
        );
    }
}
