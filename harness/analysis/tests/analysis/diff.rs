//! A diff tells exactly the pairs and ports that flip.

use std::collections::BTreeSet;

use proptest::prelude::*;
use verdikt_analysis::diff::{ChangeKind, ComparedSituation, Diff};
use verdikt_analysis::end::TrafficEnd;
use verdikt_analysis::universe::Universe;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_engine::model_endpoint::{ModelEndpoint, TrafficKind};
use verdikt_scenario::topology::{Pod, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::brute_force::one_by_one;
use crate::support::{manifests, policies, topology};

/// A pair of ends, and a port at which what becomes of their traffic changes in some way.
type Flipped = (String, String, TrafficKind, u16, ChangeKind);

/// Which ends are looked at.
type Among = fn(&str) -> bool;

fn all(_: &str) -> bool {
    true
}

fn few(end: &str) -> bool {
    ["a/web", "a/db", "b/web"].contains(&end)
}

/// The flips of one pair after another, port by port. Only what proxies do beyond being there is left out.
fn one_after_another(
    base: &PolicyModel<'_>,
    head: &PolicyModel<'_>,
    ports: &[u16],
    among: Among,
) -> BTreeSet<Flipped> {
    let universe = Universe::new(&[base, head], []);
    let own = |model: &PolicyModel<'_>, end: &TrafficEnd, of_group: &Option<ModelEndpoint>| match end {
        TrafficEnd::Endpoint(endpoint) => model.model_endpoint(endpoint),
        _ => of_group.clone(),
    };
    let ends = universe.groups().iter().flat_map(|group| {
        group.ends.iter().filter_map(|end| {
            let model_endpoints =
                (own(base, end, &group.model_endpoints[0])?, own(head, end, &group.model_endpoints[1])?);
            let shown =
                [base, head].iter().any(|model| verdikt_analysis::matrix::is_shown(end, model.topology()));
            (shown && among(&end.to_string())).then(|| (end.to_string(), model_endpoints))
        })
    });
    let ends: Vec<(String, (ModelEndpoint, ModelEndpoint))> = ends.collect();
    let mut flipped = BTreeSet::new();
    for (source, from) in &ends {
        for (destination, to) in ends.iter().filter(|(name, _)| name != source) {
            for transport in TrafficKind::ALL {
                let (least, most) = transport.bounds();
                for port in ports.iter().filter(|port| (least..=most).contains(*port)) {
                    let old = one_by_one(base, &from.0, &to.0, transport, *port);
                    let new = one_by_one(head, &from.1, &to.1, transport, *port);
                    let kind = match (old, new) {
                        _ if old == new => continue,
                        ("deny egress" | "deny ingress", "deny egress" | "deny ingress") => continue,
                        ("unknown", _) | (_, "unknown") => ChangeKind::Unknown,
                        ("deny egress" | "deny ingress", _) => ChangeKind::Opened,
                        (_, "deny egress" | "deny ingress") => ChangeKind::Closed,
                        ("allow", _) => ChangeKind::Proxied,
                        _ => ChangeKind::Unproxied,
                    };
                    flipped.insert((source.clone(), destination.clone(), transport, *port, kind));
                }
            }
        }
    }
    flipped
}

/// The flips that a diff tells, port by port.
fn told(diff: &Diff, ports: &[u16], among: Among) -> BTreeSet<Flipped> {
    let mut told = BTreeSet::new();
    for change in diff.changes.iter().filter(|change| change.kind != ChangeKind::ProxyRules) {
        for (source, destination) in
            change.sources.iter().flat_map(|from| change.destinations.iter().map(move |to| (from, to)))
        {
            let (from, to) = (source.to_string(), destination.to_string());
            if source == destination || !among(&from) || !among(&to) {
                continue;
            }
            for interval in change.flips.iter().flat_map(|flip| &flip.intervals) {
                let inside = ports.iter().filter(|port| (interval.first..=interval.last).contains(*port));
                for port in inside {
                    told.insert((from.clone(), to.clone(), interval.transport, *port, change.kind));
                }
            }
        }
    }
    told
}

/// The same topology after a change: a pod with another label, one gone, one new.
fn changed(topology: &Topology) -> Topology {
    let mut changed = topology.clone();
    let relabelled = changed.pods.get_mut(&"b/job".parse().unwrap()).unwrap();
    relabelled.labels.insert("app".to_owned(), "db".to_owned());
    changed.pods.remove(&"a/web-2".parse().unwrap());
    changed.pods.insert("b/new".parse().unwrap(), Pod::default());
    changed
}

fn check(
    (old, new): (&[String], &[String]),
    versions: [CiliumVersion; 2],
    head_topology: &Topology,
    (ports, among): (&[u16], Among),
) -> Result<(), TestCaseError> {
    let base_topology = topology();
    let (old, new) = (manifests(old), manifests(new));
    let options = versions.map(|version| ModelOptions { version, ..ModelOptions::default() });
    let base = PolicyModel::new(&base_topology, &old, &options[0], &LearnedNames::default());
    let head = PolicyModel::new(head_topology, &new, &options[1], &LearnedNames::default());
    let diff = Diff::new(
        ComparedSituation { model: &base, manifests: &old },
        ComparedSituation { model: &head, manifests: &new },
    );
    prop_assert_eq!(told(&diff, ports, among), one_after_another(&base, &head, ports, among));
    for flip in diff.changes.iter().flat_map(|change| &change.flips) {
        prop_assert!(!flip.reasons.is_empty(), "every flip has its reasons: {:?}", flip);
    }
    Ok(())
}

fn few_ports() -> Vec<u16> {
    (0..=40).chain([61, 62, 79, 80, 81, 90, 443, 8080, 65534, 65535]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn one_policy_more(texts in policies(4), more in policies(1)) {
        let new: Vec<String> = texts.iter().chain(&more).cloned().collect();
        check((&texts, &new), [CiliumVersion::default(); 2], &topology(), (&few_ports(), all))?;
    }

    #[test]
    fn other_policies_and_pods(old in policies(4), new in policies(4)) {
        check((&old, &new), [CiliumVersion::default(); 2], &changed(&topology()), (&few_ports(), all))?;
    }

    #[test]
    fn another_version(texts in policies(5), minor in 0_usize..CiliumVersion::ALL.len()) {
        let versions = [CiliumVersion::ALL[minor], CiliumVersion::default()];
        check((&texts, &texts), versions, &topology(), (&few_ports(), all))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    #[test]
    fn every_port(old in policies(3), new in policies(3)) {
        let ports: Vec<u16> = (0..=u16::MAX).collect();
        check((&old, &new), [CiliumVersion::default(); 2], &topology(), (&ports, few))?;
    }
}

/// A pod that no policy treats like the others is in the same line, though nothing changes of what it sends to itself.
#[test]
fn what_changes_alike_is_one_line() {
    let apart = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: apart, namespace: a}, spec: \
                 {enableDefaultDeny: {ingress: false}, endpointSelector: {matchLabels: {app: db}}, ingress: \
                 [{fromEndpoints: [{matchLabels: {app: nobody}}]}]}}";
    let closed = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: closed}, spec: \
                  {endpointSelector: {}, egress: [{}]}}";
    let topology = topology();
    let (old, new) = (manifests(&[apart.to_owned()]), manifests(&[apart.to_owned(), closed.to_owned()]));
    let options = ModelOptions::default();
    let base = PolicyModel::new(&topology, &old, &options, &LearnedNames::default());
    let head = PolicyModel::new(&topology, &new, &options, &LearnedNames::default());
    let base = ComparedSituation { model: &base, manifests: &old };
    let diff = Diff::new(base, ComparedSituation { model: &head, manifests: &new });
    let told: Vec<(ChangeKind, usize, usize)> = diff
        .changes
        .iter()
        .map(|change| (change.kind, change.sources.len(), change.destinations.len()))
        .collect();
    // Six pods and the health and gateway endpoints, which no topology names; to everybody.
    assert_eq!(told, [(ChangeKind::Closed, 6, 10)]);
}
