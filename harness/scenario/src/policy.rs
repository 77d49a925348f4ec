//! A policy as written: the raw manifest, its tree, and its place.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::Node;
use crate::place::{Place, Position};

/// One document of a policy file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file it stands in.
    pub file: Arc<str>,
    /// The document.
    pub root: Node,
}

impl Manifest {
    /// The place of a position in the manifest.
    pub fn place(&self, position: Position) -> Place {
        position.in_file(&self.file)
    }

    /// How the object calls itself, as far as it says.
    pub fn object(&self) -> ObjectRef {
        let text = |path: &[&str]| self.root.at(path).and_then(Node::text).map(str::to_owned);
        ObjectRef {
            kind: text(&["kind"]).unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]),
            name: text(&["metadata", "name"]).unwrap_or_default(),
        }
    }
}

/// An object's kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind, such as `CiliumNetworkPolicy`.
    pub kind: String,
    /// The namespace; none for a clusterwide object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// `namespace/name`, or the name alone for a clusterwide object: what a cell's `by` names.
    pub fn short(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.kind, self.short()))
    }
}

/// Who refuses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refuser {
    /// The API server: `kubectl apply` fails.
    ApiServer,
    /// Cilium's agent: the object is stored, its `Valid` condition is false, and it is not enforced.
    Agent,
}

impl fmt::Display for Refuser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ApiServer => "the API server",
            Self::Agent => "the agent",
        })
    }
}
