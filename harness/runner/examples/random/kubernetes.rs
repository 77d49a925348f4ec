//! Random objects of Kubernetes' own kind of policies.

use proptest::prelude::*;

/// What the policies are about.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// The namespaces of which each policy has one.
    pub(super) namespaces: [String; 2],
    /// The address of a client outside.
    pub(super) client: String,
}

/// A policy named NAME.
pub(super) fn policy(surroundings: &Surroundings) -> impl Strategy<Value = String> + use<> {
    let Surroundings { namespaces: [first, second], client } = surroundings.clone();
    let block = format!("{client}/32");
    let peer = prop_oneof![
        "(web|db|job|back)".prop_map(|app| format!("{{podSelector: {{matchLabels: {{app: {app}}}}}}}")),
        "(a|b)".prop_map(|team| format!("{{namespaceSelector: {{matchLabels: {{team: {team}}}}}}}")),
        "(web|job)".prop_map(|app| {
            format!("{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: {app}}}}}}}")
        }),
        Just(format!("{{ipBlock: {{cidr: 198.51.100.0/24, except: [{block}]}}}}")),
        Just("{ipBlock: {cidr: 0.0.0.0/0}}".to_owned()),
    ];
    let port = prop_oneof![
        Just("{port: web}".to_owned()),
        Just("{port: 80}".to_owned()),
        Just("{port: 80, protocol: UDP}".to_owned()),
        Just("{port: 80, endPort: 6000}".to_owned()),
        Just("{protocol: TCP}".to_owned()),
    ];
    let lists = (proptest::collection::vec(peer, 0..3), proptest::collection::vec(port, 0..3));
    let subject = prop_oneof![
        Just("{}".to_owned()),
        "(web|db|job|back)".prop_map(|app| format!("{{matchLabels: {{app: {app}}}}}")),
    ];
    let direction =
        proptest::sample::select(vec![("Ingress", "ingress", "from"), ("Egress", "egress", "to")]);
    ("(a|b)", subject, direction, lists).prop_map(
        move |(letter, subject, (policy_type, section, word), (peers, ports))| {
            let part = |word: &str, list: &[String]| format!("{word}: [{}]", list.join(", "));
            let parts: Vec<String> = [(word, &peers), ("ports", &ports)]
                .into_iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(word, list)| part(word, list))
                .collect();
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: NAME, namespace: {}}}\n\
                 spec: {{podSelector: {subject}, policyTypes: [{policy_type}], {section}: [{{{}}}]}}",
                if letter == "a" { &first } else { &second },
                parts.join(", ")
            )
        },
    )
}
