//! Differences other than traffic: isolation, and refused objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_engine::model_endpoint::ModelEndpoint;
use verdikt_engine::rule::Direction;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::prediction::RuleRef;

use super::{ComparedSituation, Isolation, RefusalChange};
use crate::end::TrafficEnd;
use crate::universe::Universe;

/// Whether ends are isolated after the change, in which direction, and by which rules.
type IsolationKey = (bool, Direction, Vec<Arc<RuleRef>>);

/// The ends whose isolation changes.
pub(super) fn isolation(universe: &Universe<'_, '_>) -> Vec<Isolation> {
    let mut found: BTreeMap<IsolationKey, Vec<TrafficEnd>> = BTreeMap::new();
    for group in universe.groups() {
        let [Some(old), Some(new)] = group.model_endpoints.as_slice() else { continue };
        for direction in [Direction::Ingress, Direction::Egress] {
            let (before, after) = (old.is_isolated(direction), new.is_isolated(direction));
            if before == after {
                continue;
            }
            let model_endpoint: &ModelEndpoint = if after { new } else { old };
            let by = model_endpoint.isolated_by(direction).to_vec();
            let pods = group.ends.iter().filter(|end| matches!(end, TrafficEnd::Endpoint(_)));
            found.entry((after, direction, by)).or_default().extend(pods.cloned());
        }
    }
    let isolation = found.into_iter().map(|((isolated, direction, by), mut ends)| {
        ends.sort();
        Isolation { ends, direction, isolated, by }
    });
    isolation.collect()
}

/// The objects that are refused in one situation, but not in the other.
pub(super) fn refused(other: &ComparedSituation<'_>, of: &ComparedSituation<'_>) -> Vec<RefusalChange> {
    let refusals = |situation: &ComparedSituation<'_>| -> BTreeMap<ObjectRef, RefusalChange> {
        let judged = situation.manifests.iter().zip(situation.model.acceptances());
        let refused = judged.filter_map(|(manifest, acceptance)| {
            let refused = acceptance.refused()?;
            let (object, place) = (manifest.object(), manifest.place(refused.position));
            let refusal = RefusalChange {
                object: object.clone(),
                place,
                by: refused.by,
                message: refused.message.clone(),
            };
            Some((object, refusal))
        });
        refused.collect()
    };
    let before = refusals(other);
    refusals(of).into_iter().filter(|(object, _)| !before.contains_key(object)).map(|(_, it)| it).collect()
}
