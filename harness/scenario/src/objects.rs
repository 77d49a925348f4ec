//! A topology read from Kubernetes objects, as data. The loader is given the function that reads the objects, see
//! [`ReadObjects`].

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::name::{NamespaceName, NamespacedName};
use crate::place::Place;
use crate::policy::Manifest;
use crate::rendering::AllUnrendered;
use crate::topology::Topology;

/// A topology made of Kubernetes objects, with what could not be used.
#[derive(Clone, Debug, Default)]
pub struct ManifestTopology {
    /// Namespaces, workloads as pods, and services.
    pub topology: Topology,
    /// Where each of these is written.
    pub places: ObjectPlaces,
    /// The pods in the network of their node, which policies know as the node.
    pub host_network: BTreeMap<NamespacedName, Place>,
    /// How many objects of each kind the topology does not contain.
    pub skipped: BTreeMap<String, usize>,
    /// What is not rendered, and therefore missing from every answer.
    pub unrendered: AllUnrendered,
    /// Mistakes and warnings, in the order of the objects.
    pub diagnostics: Vec<Diagnostic>,
}

/// Where the parts of a topology were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPlaces {
    /// Namespaces with an object of their own; others exist because they contain something.
    pub namespaces: BTreeMap<NamespaceName, Place>,
    /// Workloads.
    pub workloads: BTreeMap<NamespacedName, WorkloadPlace>,
    /// Services.
    pub services: BTreeMap<NamespacedName, Place>,
}

/// The kind and place of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadPlace {
    /// `Deployment`, `CronJob` and the like.
    pub kind: String,
    /// The place of its name.
    pub place: Place,
}

/// Makes a topology of objects that are not policies. Objects without a namespace are in the one given, or in
/// `default`.
pub type ReadObjects = fn(&[Manifest], Option<&NamespaceName>) -> ManifestTopology;
