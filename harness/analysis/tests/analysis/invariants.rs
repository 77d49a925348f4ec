//! Invariants: what holds, what does not and why, and pods that are not there yet.

use verdikt_analysis::invariant::{Proof, prove};
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::invariant::{Demand, EndPattern, Invariant, PortSpan};
use verdikt_scenario::place::Place;
use verdikt_scenario::scenario::{Enforcement, EnforcementMode};
use verdikt_scenario::topology::{Labels, Protocol};

use crate::support::{manifests, topology};

fn all(namespace: &str) -> EndPattern {
    EndPattern::All { namespace: namespace.to_owned(), labels: Labels::new() }
}

fn invariant(demand: Demand, from: EndPattern, to: EndPattern) -> Invariant {
    let place = Place::start_of("test.yaml");
    Invariant {
        demand,
        from,
        to,
        ports: Vec::new(),
        because: "it must".to_owned(),
        broken_at: Vec::new(),
        place,
    }
}

/// What is found, as text.
fn found_under(enforcement: Enforcement, policies: &[&str], invariant: &Invariant) -> String {
    let (topology, manifests) =
        (topology(), manifests(&policies.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()));
    let options = ModelOptions { enforcement, ..ModelOptions::default() };
    let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
    match prove(&model, std::slice::from_ref(invariant)).remove(0) {
        Proof::Holds { pairs } => format!("holds for {pairs}"),
        Proof::Broken(it) => {
            format!("{} -> {}, {}: {}; {}", it.from, it.to, it.interval, it.reason.access, it.reason)
        }
        Proof::Unknown(gap) => format!("unknown: {gap}"),
    }
}

fn found(policies: &[&str], invariant: &Invariant) -> String {
    found_under(Enforcement::default(), policies, invariant)
}

fn policy(namespace: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: {namespace}}}, spec: {{{spec}}}}}"
    )
}

#[test]
fn nothing_holds_without_policies() {
    let never = invariant(Demand::Never, EndPattern::World, all("a"));
    assert_eq!(found(&[], &never), "client -> a/db, tcp: allow; no policy isolates either end");
}

#[test]
fn a_policy_of_the_whole_namespace_holds_for_pods_that_are_not_there_yet() {
    let isolated = policy("a", "endpointSelector: {}, ingress: [{fromEntities: [cluster]}]");
    let proof = found(&[&isolated], &invariant(Demand::Never, EndPattern::World, all("a")));
    assert!(proof.starts_with("holds for "), "{proof}");
}

/// Every pod that there is is isolated, and a new one with another label would not be.
#[test]
fn a_policy_of_the_pods_that_there_are_does_not() {
    let of_web =
        policy("a", "endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [cluster]}]");
    let of_db =
        policy("a", "endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [cluster]}]");
    let proof = found(&[&of_web, &of_db], &invariant(Demand::Never, EndPattern::World, all("a")));
    assert_eq!(
        proof,
        "client -> a future pod in a without labels, tcp: allow; no policy isolates either end"
    );
    // Of those with the label there is no such pod.
    let labelled =
        EndPattern::All { namespace: "a".to_owned(), labels: [("app".to_owned(), "db".to_owned())].into() };
    let proof = found(&[&of_web, &of_db], &invariant(Demand::Never, EndPattern::World, labelled));
    assert!(proof.starts_with("holds for "), "{proof}");
}

/// A pod that carries the label which a rule asks for is let in.
#[test]
fn a_future_pod_may_carry_what_a_rule_asks_for() {
    let rule =
        policy("b", "endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {access: granted}}]}]");
    let proof = found(&[&rule], &invariant(Demand::Never, all("b"), all("b")));
    assert_eq!(
        proof,
        "a future pod in b with access=granted -> b/job, tcp: allow; ingress: allowed by b/p spec.ingress[0] 0.yaml:1"
    );
}

#[test]
fn a_clusterwide_deny_takes_dns_away() {
    let deny = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: no-metadata}, \
                spec: {endpointSelector: {}, egressDeny: [{toCIDR: [192.0.2.254/32]}]}}";
    let always = invariant(Demand::Always, all("*"), EndPattern::Dns);
    let proof = found(&[deny], &always);
    assert!(
        proof.contains(
            "-> kube-system/coredns, udp 53: deny egress; egress: no rule allows it, isolated by no-metadata"
        ),
        "{proof}"
    );
    let alone = deny.replace("endpointSelector", "enableDefaultDeny: {egress: false}, endpointSelector");
    assert!(found(&[&alone], &always).starts_with("holds for "));
}

/// What audit mode only reports passes.
#[test]
fn audit_mode_denies_nothing() {
    let closed = policy("a", "endpointSelector: {}, ingress: [{fromEntities: [cluster]}]");
    let audit = Enforcement { mode: EnforcementMode::Default, audit: true };
    let never = invariant(Demand::Never, EndPattern::World, all("a"));
    let proof = found_under(audit, &[&closed], &never);
    assert!(proof.starts_with("client -> a/db"), "{proof}");
}

#[test]
fn ports_narrow_what_is_asked() {
    let rule = policy(
        "a",
        "endpointSelector: {}, ingress: [{fromEntities: [world], toPorts: [{ports: [{port: \"443\", protocol: TCP}]}]}]",
    );
    let span = |first, last| PortSpan { protocol: Protocol::Tcp, first, last };
    let on = |ports| Invariant { ports, ..invariant(Demand::Never, EndPattern::World, all("a")) };
    assert!(found(&[&rule], &on(vec![span(1, 442), span(444, 65535)])).starts_with("holds for "));
    let proof = found(&[&rule], &on(vec![span(400, 500)]));
    assert!(proof.starts_with("client -> a/db, tcp 443: allow"), "{proof}");
}

/// Without ports, `always` is about what the destinations serve.
#[test]
fn always_is_about_what_is_served() {
    let rule = policy(
        "a",
        "endpointSelector: {}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]",
    );
    let web = EndPattern::Named { namespace: "a".to_owned(), name: "web*".to_owned() };
    assert!(found(&[&rule], &invariant(Demand::Always, all("a"), web)).starts_with("holds for "));
    let proof = found(&[&rule], &invariant(Demand::Always, all("a"), all("a")));
    assert!(proof.contains("-> a/db, tcp 80: deny ingress"), "{proof}");
}
