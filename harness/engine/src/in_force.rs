//! The version of every object that is in force, if an update of it may have been refused.
//!
//! If the API server refuses an update, the stored object stays as it was. If the agent refuses it, the version
//! before stays enforced as long as the agent runs. The steps of a scenario are assumed to run under one agent
//! process.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind};

use crate::acceptance::Acceptance;

/// The versions in force, by object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InForce {
    versions: BTreeMap<ObjectRef, Arc<Manifest>>,
}

impl InForce {
    /// What is in force when the cluster has exactly these objects, each accepted or refused.
    #[must_use]
    pub fn then(&self, manifests: &[Manifest], acceptances: &[Acceptance]) -> Self {
        let version = |(manifest, acceptance): (&Manifest, &Acceptance)| {
            let object = key(manifest.object());
            let before = self.versions.get(&object);
            let version = match acceptance {
                Acceptance::Accepted => Arc::new(manifest.clone()),
                Acceptance::Refused(_) => Arc::clone(before?),
            };
            Some((object, version))
        };
        Self { versions: manifests.iter().zip(acceptances).filter_map(version).collect() }
    }

    /// The version in force of an object.
    pub(crate) fn version(&self, object: &ObjectRef) -> Option<&Manifest> {
        self.versions.get(&key(object.clone())).map(Arc::as_ref)
    }
}

/// An object without a namespace is in `default`, unless it is clusterwide.
fn key(mut object: ObjectRef) -> ObjectRef {
    if object.policy_kind().is_some_and(PolicyKind::is_namespaced) {
        object.namespace.get_or_insert_with(|| "default".to_owned());
    }
    object
}
