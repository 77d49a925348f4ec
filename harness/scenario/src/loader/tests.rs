//! Loading, seen from outside: every kind of mistake, with its place and advice.

mod bad_situations;
mod boundary;
mod bytes;
mod disk;
mod guesses;
mod kubectl;
mod policies;
mod rendering;
mod situations;
mod steps;
mod structure;
mod table;
mod topology;
mod whole;

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Loaded, load};
use crate::diagnostic::{Diagnostic, render};

/// A scenario without mistakes, which the tests then spoil.
const GOOD: &str = "\
scenario: shop
about: Only the API reaches the database.
topology:
  namespaces: {shop: {}, data: {}}
  pods:
    shop/web: {labels: {app: web}, serves: [http 80 as web]}
    shop/api: {labels: {app: api}, serves: [http 3000]}
    data/redis: {labels: {app: redis}, serves: [tcp 6379]}
  services:
    shop/front: {selects: {app: api}, ports: {8080: 3000}}
  world:
    client: {}
    pay: {address: 203.0.113.10, names: [pay.example.test], serves: [http 443]}
  nodes: {host: {}}
steps:
- step: open
  expect:
    tcp data/redis:6379: {allow: others}
- step: locked
  policies: [lockdown]
  expect:
    tcp data/redis:6379:
      allow: [shop/api, host]
      deny ingress by data/lockdown: others
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: lockdown, namespace: data}
spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]}
";

/// A folder with files, and what loading some of its paths says, with names relative to the folder.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.path().to_owned() } else { self.0.path().join(name) }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn load(&self, names: &[&str]) -> Loaded {
        load(&names.iter().map(|name| self.path(name)).collect::<Vec<_>>())
    }

    fn relative(&self, text: &str) -> String {
        let root = self.0.path().to_string_lossy();
        text.replace(&format!("{root}/"), "").replace(&*root, "FOLDER")
    }

    /// One line for each diagnostic.
    fn lines(&self, diagnostics: &[Diagnostic]) -> String {
        let mut lines = String::new();
        for Diagnostic { place, code, message, help, .. } in diagnostics {
            let code = code.as_ref().map(|code| format!("[{code}] ")).unwrap_or_default();
            let help = help.as_ref().map(|help| format!(" => {help}")).unwrap_or_default();
            writeln!(lines, "{place}: {code}{message}{help}").unwrap();
        }
        self.relative(&lines)
    }
}

/// What loading the first of the files says, drawn.
fn check(files: &[(&str, &str)]) -> String {
    let folder = Folder::new(files);
    let loaded = folder.load(&[files[0].0]);
    folder.relative(&render(&loaded.diagnostics, &loaded.sources))
}

/// What loading the first of the files says, a line each.
fn lines(files: &[(&str, &str)]) -> String {
    let folder = Folder::new(files);
    folder.lines(&folder.load(&[files[0].0]).diagnostics)
}

/// The good scenario with one text replaced.
fn spoilt(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// What is said of the good scenario after each of some changes.
fn each(changes: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (from, to) in changes {
        let said = lines(&[("s.yaml", &spoilt(from, to))]);
        let said = if said.is_empty() { "nothing\n" } else { &said };
        let shown = to.trim().replace('\n', "\\n").replace('\t', "\\t");
        writeln!(text, "{shown}\n  {}", said.trim_end().replace('\n', "\n  ")).unwrap();
    }
    text
}
