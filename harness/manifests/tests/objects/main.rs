//! What objects become: each kind, each oddity, with what is said of it.

#![expect(clippy::unwrap_used, reason = "a test ends where an input is not what it should be")]

mod bad_input;
mod gateways;
mod kinds;
mod scenarios;
mod sets;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use verdikt_manifests::{Situation, loader, read};
use verdikt_scenario::loader::FileReach;
use verdikt_scenario::name::HostName;
use verdikt_scenario::topology::{RedirectFrontend, Served, Service, ServicePort, TargetPort};

/// A folder with files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, names: &[&str]) -> Situation {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        read(&mut loader(&paths, FileReach::Inside), &paths, None)
    }

    /// What is read of some files, with names relative to the folder.
    fn told(&self, names: &[&str]) -> String {
        told(&self.read(names), self.0.path())
    }
}

/// What a text becomes.
fn becomes(text: &str) -> String {
    Folder::new(&[("a.yaml", text)]).told(&["a.yaml"])
}

fn told(situation: &Situation, folder: &Path) -> String {
    let mut out = String::new();
    for (name, labels) in &situation.topology.namespaces {
        let own: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(out, "namespace {name}: {}", own.join(" ")).unwrap();
    }
    for (name, pod) in &situation.topology.pods {
        let labels: Vec<String> = pod.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let account =
            pod.service_account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
        let serves: Vec<String> = pod.serves.iter().map(ToString::to_string).collect();
        let node = pod.host_network.as_ref().map(|node| format!(" on node {node}")).unwrap_or_default();
        let led = pod.host_ports.iter().map(|led| format!(" at {}/{} of the node", led.port, led.protocol));
        let led: String = led.collect();
        writeln!(out, "pod {name}: {}{account} [{}]{node}{led}", labels.join(" "), serves.join(", "))
            .unwrap();
    }
    for (name, service) in &situation.topology.services {
        writeln!(out, "service {name}: {}", offered(service)).unwrap();
    }
    for (name, host) in &situation.topology.world {
        writeln!(out, "host outside {name}: {} [{}]", host.address, served(&host.serves)).unwrap();
    }
    for (name, node) in &situation.topology.nodes {
        let labels: Vec<String> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let address = node.address.map_or("no address".to_owned(), |address| address.to_string());
        let role = if node.api_server { " with the API server" } else { "" };
        writeln!(out, "node {name}{role}: {address} {} [{}]", labels.join(" "), served(&node.serves))
            .unwrap();
    }
    if let Some(cache) = &situation.topology.dns.cache {
        writeln!(out, "queries go to {cache}").unwrap();
    }
    for (name, redirect) in &situation.topology.redirects {
        let from = match &redirect.frontend {
            RedirectFrontend::Service(service) => service.to_string(),
            RedirectFrontend::Address(address) => address.to_string(),
        };
        let spared = if redirect.spares_backends { ", but for themselves" } else { "" };
        writeln!(out, "{name} leads {} of {from}{spared}", led(&redirect.ports)).unwrap();
    }
    for secret in situation.topology.secrets.keys() {
        writeln!(out, "secret {secret}").unwrap();
    }
    for endpoint in &situation.topology.cilium {
        writeln!(out, "cilium {endpoint:?}").unwrap();
    }
    for route in &situation.topology.routes {
        writeln!(out, "route {route}: {}:{}", route.service, route.port).unwrap();
    }
    for policy in &situation.policies {
        writeln!(out, "policy {}", policy.object()).unwrap();
    }
    for (kind, count) in &situation.objects.skipped {
        writeln!(out, "skipped {count} {kind}").unwrap();
    }
    if let Some(remark) = situation.not_rendered("init") {
        writeln!(out, "{remark}").unwrap();
    }
    for diagnostic in &situation.diagnostics {
        let code = diagnostic.code.as_ref().map_or("error".to_owned(), |code| format!("warning[{code}]"));
        let help = diagnostic.help.as_ref().map(|help| format!(" => {help}")).unwrap_or_default();
        writeln!(out, "{}: {code}: {}{help}", diagnostic.place, diagnostic.message).unwrap();
    }
    out.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), "FOLDER")
}

fn served(serves: &[Served]) -> String {
    serves.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn led(ports: &[ServicePort]) -> String {
    let ports = ports.iter().map(|port| match &port.target {
        TargetPort::Number(target) => format!("{}/{} -> {target}", port.port, port.protocol),
        TargetPort::Name(target) => format!("{}/{} -> {target}", port.port, port.protocol),
    });
    ports.collect::<Vec<_>>().join(", ")
}

fn offered(service: &Service) -> String {
    if let Some(name) = &service.external_name {
        return format!("another name of {name}");
    }
    let ports = led(&service.ports);
    if !service.backends.is_empty() {
        let hosts: Vec<&str> = service.backends.iter().map(HostName::as_str).collect();
        return format!("{} {} to {}", service.service_type, ports, hosts.join(", "));
    }
    let selects = service.selects.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    format!("{} {} selects {}", service.service_type, ports, selects.collect::<Vec<_>>().join(" "))
}
