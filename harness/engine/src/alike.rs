//! The endpoints of a model by their identities, so that a selector is compared with each identity once, however many pods
//! have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::topology::Endpoint;

use crate::model::{EndpointState, PolicyModel};

/// Endpoints with one identity and policy.
pub(crate) struct AlikeEndpoints<'a> {
    pub(crate) state: &'a EndpointState,
    /// In their order.
    pub(crate) endpoints: Vec<&'a Endpoint>,
}

impl<'a> AlikeEndpoints<'a> {
    /// The endpoints of a model, in the order of the first of each.
    pub(crate) fn of_model(model: &'a PolicyModel<'_>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut known = BTreeMap::new();
        for (endpoint, state) in &model.subjects {
            let index = *known.entry(Arc::as_ptr(state)).or_insert_with(|| {
                all.push(Self { state, endpoints: Vec::new() });
                all.len() - 1
            });
            all[index].endpoints.push(endpoint);
        }
        all
    }

    /// The first of them that is a pod.
    pub(crate) fn pod(&self) -> Option<&'a Endpoint> {
        self.endpoints.iter().copied().find(|endpoint| matches!(endpoint, Endpoint::Pod(_)))
    }
}
