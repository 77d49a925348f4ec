//! A situation read from manifests: a topology and the policies in force.

use std::path::PathBuf;

use verdikt_scenario::diagnostic::{Diagnostic, Severity, SourceTexts};
use verdikt_scenario::loader::{FileReach, Loaded, LoadedPolicies, Loader};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::objects::ManifestTopology;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::Topology;

use crate::convert;

/// A topology with the policies in force, as manifests define them.
#[derive(Debug, Default)]
pub struct Situation {
    /// Namespaces, pods and services.
    pub topology: Topology,
    /// The places of the topology's parts, what was skipped, and what is not rendered. Its topology and diagnostics
    /// have been moved to the situation.
    pub objects: ManifestTopology,
    /// The policies, in the order of the paths.
    pub policies: Vec<Manifest>,
    /// How the cluster enforces policies.
    pub settings: Enforcement,
    /// Every mistake and warning, sorted by place. No question can be answered if there is a mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that were read.
    pub sources: SourceTexts,
    /// The paths that contain no manifest.
    pub without: Vec<PathBuf>,
}

/// A loader that reads scenarios whose topologies are manifests.
pub fn loader(paths: &[PathBuf], reach: FileReach) -> Loader {
    Loader::new(paths, reach).with_objects(convert::objects)
}

/// Loads every scenario of the paths, which may refer only to files within the paths and their repositories.
pub fn load(paths: &[PathBuf]) -> Loaded {
    loader(paths, FileReach::Inside).scenarios(paths)
}

/// Reads files, folders and the standard input (`-`) as one set of manifests. Objects without a namespace are in the
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
        // Objects other than policies count as well.
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

    /// The mistakes, without the warnings.
    pub fn mistakes(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Says which tool has to render the manifests, and how to pipe the result to a command of verdikt. No question
    /// can be answered before that.
    pub fn not_rendered(&self, command: &str) -> Option<String> {
        let (why, names) = self.objects.unrendered.first_key_value()?;
        Some(why.remark(names, command))
    }
}
