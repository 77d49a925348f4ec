//! What Kubernetes objects say of a topology, as data. Who reads the objects is told to the loader, see [`ReadObjects`].

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::name::{NamespaceName, NamespacedName};
use crate::place::Place;
use crate::policy::Manifest;
use crate::rendering::AllUnrendered;
use crate::topology::Topology;

/// A topology made of Kubernetes objects, and what of them is not in it.
#[derive(Clone, Debug, Default)]
pub struct ManifestTopology {
    /// Namespaces, workloads as pods, and services.
    pub topology: Topology,
    /// Where each of these was written.
    pub places: ObjectPlaces,
    /// The pods in the network of their node, which policies know as the node.
    pub host_network: BTreeMap<NamespacedName, Place>,
    /// How many objects of each kind are not in the topology.
    pub skipped: BTreeMap<String, usize>,
    /// What a tool has yet to render, and what therefore is in no answer.
    pub unrendered: AllUnrendered,
    /// Mistakes and warnings, in the order of the objects.
    pub diagnostics: Vec<Diagnostic>,
}

/// Where the parts of a topology were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPlaces {
    /// Namespaces that are objects themselves; others exist because something is in them.
    pub namespaces: BTreeMap<NamespaceName, Place>,
    /// Workloads.
    pub workloads: BTreeMap<NamespacedName, WorkloadPlace>,
    /// Services.
    pub services: BTreeMap<NamespacedName, Place>,
}

/// A workload's kind and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadPlace {
    /// `Deployment`, `CronJob` and the like.
    pub kind: String,
    /// Where its name stands.
    pub place: Place,
}

/// Makes a topology of objects that are not policies. Those without a namespace are in the one given, or in `default`.
pub type ReadObjects = fn(&[Manifest], Option<&NamespaceName>) -> ManifestTopology;
