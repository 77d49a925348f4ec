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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use verdikt_scenario::topology::{Pod, Topology};

    use super::*;
    use crate::model::{LearnedNames, ModelOptions};

    /// What a selector is compared with does not grow with the pods of one identity.
    #[rstest]
    #[case::two(2)]
    #[case::many(500)]
    fn pods_of_one_identity_are_one(#[case] pods: usize) {
        let pod = |number| (format!("shop/web-{number}").parse().unwrap(), Pod::default());
        let mut topology = Topology { pods: (0..pods).map(pod).collect(), ..Topology::default() };
        topology.add_namespace("shop".parse().unwrap());
        let model = PolicyModel::new(&topology, &[], &ModelOptions::default(), &LearnedNames::default());
        let alike = AlikeEndpoints::of_model(&model);
        let shop =
            |it: &&AlikeEndpoints<'_>| it.pod().is_some_and(|pod| pod.to_string().starts_with("shop/"));
        let of_pods: Vec<usize> = alike.iter().filter(shop).map(|it| it.endpoints.len()).collect();
        assert_eq!(of_pods, [pods]);
    }
}
