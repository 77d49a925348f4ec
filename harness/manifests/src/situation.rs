//! A situation of manifests: a topology and the policies in force in it.

use std::path::PathBuf;

use verdikt_scenario::diagnostic::{Diagnostic, Severity, SourceTexts};
use verdikt_scenario::loader::{FileReach, Loaded, LoadedPolicies, Loader};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::objects::ManifestTopology;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::Topology;

use crate::convert;

/// What manifests say: who is there, and which policies are in force.
#[derive(Debug, Default)]
pub struct Situation {
    /// Namespaces, pods and services.
    pub topology: Topology,
    /// Where the parts of the topology were written, what was skipped, and what is not rendered. Its own topology and
    /// diagnostics have moved to the situation's.
    pub objects: ManifestTopology,
    /// The policies, in the order of the paths.
    pub policies: Vec<Manifest>,
    /// How the cluster enforces policies.
    pub settings: Enforcement,
    /// Every mistake and warning, sorted by place. No question may be answered if there is a mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
    /// The paths that hold no manifest.
    pub without: Vec<PathBuf>,
}

/// A loader that reads scenarios whose topologies are manifests.
pub fn loader(paths: &[PathBuf], reach: FileReach) -> Loader {
    Loader::new(paths, reach).with_objects(convert::objects)
}

/// Loads every scenario of the paths, which may refer to files within the paths and their repositories alone.
pub fn load(paths: &[PathBuf]) -> Loaded {
    loader(paths, FileReach::Inside).scenarios(paths)
}

/// Reads files, folders and the standard input (`-`) as one set of manifests. What names no namespace is in the
/// one given, or in `default`.
pub fn read(loader: &mut Loader, paths: &[PathBuf], namespace: Option<&NamespaceName>) -> Situation {
    let mut situation = Situation::of(loader.manifests(paths, namespace), namespace);
    if let Some(settings) = loader.settings() {
        situation.topology.settings = settings.clone();
    }
    situation
}

impl Situation {
    /// The situation of manifests that are read already.
    pub fn of(loaded: LoadedPolicies, namespace: Option<&NamespaceName>) -> Self {
        let LoadedPolicies { manifests, others, unrendered, without, mut diagnostics, sources, .. } = loaded;
        // Objects that are not policies are something too.
        let without = if others.is_empty() { without } else { Vec::new() };
        let mut objects = convert::objects(&others, namespace);
        for (why, names) in unrendered {
            objects.unrendered.entry(why).or_default().extend(names);
        }
        let mut topology = std::mem::take(&mut objects.topology);
        convert::add_namespaces_of_policies(&mut topology, &manifests);
        diagnostics.append(&mut objects.diagnostics);
        diagnostics.sort();
        diagnostics.dedup();
        let settings = Enforcement::default();
        Self { topology, objects, policies: manifests, settings, diagnostics, sources, without }
    }

    /// The situation of the objects of a cluster, policies among them.
    pub fn of_cluster(manifests: Vec<Manifest>) -> Self {
        let (manifests, others) =
            manifests.into_iter().partition(|manifest| manifest.object().policy_kind().is_some());
        Self::of(LoadedPolicies { manifests, others, ..LoadedPolicies::default() }, None)
    }

    /// What is wrong, without the warnings.
    pub fn mistakes(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Says which tool has to render the manifests, and how to pipe the result to a command of verdikt. Nothing can be
    /// answered before.
    pub fn not_rendered(&self, command: &str) -> Option<String> {
        let (why, names) = self.objects.unrendered.first_key_value()?;
        Some(why.remark(names, command))
    }
}
