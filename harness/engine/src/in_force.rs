//! Which version of every object is in force, where an update of it may be refused.
//!
//! An object that the API server refuses leaves the stored one as it was, and one that the agent refuses leaves the
//! version before enforced, as long as the agent runs. Steps of a scenario are taken for one life of the agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind};

use crate::judgement::ObjectVerdict;

/// The versions in force, by object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InForce {
    versions: BTreeMap<ObjectRef, Arc<Manifest>>,
}

impl InForce {
    /// What is in force once these are all objects there are, each with what became of it.
    #[must_use]
    pub fn then(&self, manifests: &[Manifest], judgements: &[ObjectVerdict]) -> Self {
        let version = |(manifest, judgement): (&Manifest, &ObjectVerdict)| {
            let object = key(manifest.object());
            let before = self.versions.get(&object);
            let version = match judgement {
                ObjectVerdict::Accepted => Arc::new(manifest.clone()),
                ObjectVerdict::Refused(_) => Arc::clone(before?),
            };
            Some((object, version))
        };
        Self { versions: manifests.iter().zip(judgements).filter_map(version).collect() }
    }

    /// The version in force of an object.
    pub(crate) fn version(&self, object: &ObjectRef) -> Option<&Manifest> {
        self.versions.get(&key(object.clone())).map(Arc::as_ref)
    }
}

/// An object that names no namespace is one of `default`, unless it belongs to the cluster.
fn key(mut object: ObjectRef) -> ObjectRef {
    if object.policy_kind().is_some_and(PolicyKind::is_namespaced) {
        object.namespace.get_or_insert_with(|| "default".to_owned());
    }
    object
}
