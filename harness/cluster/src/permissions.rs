//! What verdikt may do in a cluster, and what it must be allowed.

#[cfg(test)]
mod tests;

use std::fmt;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use crate::connect::Connection;
use crate::error::ApiError;

/// How many reviews are asked for at once.
const AT_ONCE: usize = 16;

/// Verbs on a resource, in every namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, with its subresource: `pods/exec`.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
}

const fn rule(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Rule {
    Rule { group, resource, verbs }
}

/// Making and removing; policies are replaced, all else is patched.
const POLICY: &[&str] = &["create", "delete", "get", "list", "update", "watch"];
const MAKE: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

/// All that verdikt needs; `clusters/rbac.yaml` grants exactly this and [`FALLBACK`].
///
/// A WebSocket opens a session with GET, and newer API servers ask for `create` all the same.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>
pub const NEEDED: &[Rule] = &[
    rule("", "configmaps", &["get"]),
    rule("", "namespaces", MAKE),
    rule("", "nodes", &["list"]),
    rule("", "pods", &["create", "delete", "list", "patch", "watch"]),
    rule("", "pods/exec", &["create", "get"]),
    rule("", "pods/log", &["get"]),
    rule("", "serviceaccounts", &["create", "delete", "list", "watch"]),
    rule("", "services", &["create", "delete", "get", "list", "patch", "watch"]),
    rule("apps", "daemonsets", &["list"]),
    rule("cilium.io", "ciliumcidrgroups", POLICY),
    rule("cilium.io", "ciliumclusterwidenetworkpolicies", POLICY),
    rule("cilium.io", "ciliumclusterwidenetworkpolicies/status", &["patch"]),
    rule("cilium.io", "ciliumendpoints", &["list", "watch"]),
    rule("cilium.io", "ciliumnetworkpolicies", POLICY),
    rule("cilium.io", "ciliumnetworkpolicies/status", &["patch"]),
    rule("coordination.k8s.io", "leases", &["create", "delete", "get", "update"]),
    rule("discovery.k8s.io", "endpointslices", &["create", "delete", "list", "patch"]),
    rule("networking.k8s.io", "networkpolicies", POLICY),
];

/// What is only needed where the agents of Cilium do not tell their flows, and Hubble Relay is asked.
pub const FALLBACK: &[Rule] = &[rule("", "pods/portforward", &["create", "get"])];

/// What verdikt needs besides in a namespace that is somebody else's and that a run borrows; `clusters/rbac.yaml` has it
/// as a role of its own, which an administrator grants there.
pub const BORROWING: &[Rule] = &[
    rule("", "pods", &["get"]),
    rule("", "pods/attach", &["create", "get"]),
    rule("", "pods/ephemeralcontainers", &["patch"]),
];

/// Something that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        f.pad(&format!("{} {}{group}", self.verb, self.resource))
    }
}

/// What of [`NEEDED`] the credentials do not allow, in the order of that list.
pub async fn missing(connection: &Connection) -> Result<Vec<Missing>, ApiError> {
    missing_of(connection, NEEDED, None).await
}

/// What of [`BORROWING`] the credentials do not allow in a namespace.
pub async fn missing_to_borrow(connection: &Connection, namespace: &str) -> Result<Vec<Missing>, ApiError> {
    missing_of(connection, BORROWING, Some(namespace)).await
}

async fn missing_of(
    connection: &Connection,
    rules: &'static [Rule],
    namespace: Option<&str>,
) -> Result<Vec<Missing>, ApiError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(connection.client().clone());
    let each = rules.iter().flat_map(|rule| {
        rule.verbs.iter().map(|verb| Missing { group: rule.group, resource: rule.resource, verb })
    });
    let asked = stream::iter(each).map(|wanted| {
        let reviews = &reviews;
        async move {
            let review = review(wanted, namespace);
            let parameters = PostParams::default();
            let answer =
                connection.ask("review the own permissions", reviews.create(&parameters, &review)).await?;
            Ok::<_, ApiError>((wanted, answer.status.is_some_and(|status| status.allowed)))
        }
    });
    let answers: Vec<(Missing, bool)> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(wanted, _)| wanted).collect())
}

fn review(wanted: Missing, namespace: Option<&str>) -> SelfSubjectAccessReview {
    let (resource, subresource) = match wanted.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (wanted.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(wanted.group.to_owned()),
        namespace: namespace.map(str::to_owned),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(wanted.verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

/// `clusters/rbac.yaml`: a service account that may do what verdikt needs, and nothing else.
pub fn rbac() -> String {
    let listed = |rules: &[Rule]| {
        let line = |rule: &Rule| {
            let verbs = rule.verbs.join(", ");
            format!("- {{apiGroups: [{:?}], resources: [{}], verbs: [{verbs}]}}", rule.group, rule.resource)
        };
        rules.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let (needed, fallback, borrowing) = (listed(NEEDED), listed(FALLBACK), listed(BORROWING));
    format!(
        "# What verdikt needs in a cluster. Apply it, and run verdikt with a token of the service account:\n\
         #   kubectl apply -f clusters/rbac.yaml\n\
         #   kubectl --namespace verdikt-system create token verdikt\n\
         apiVersion: v1\n\
         kind: Namespace\n\
         metadata: {{name: verdikt-system, labels: {{verdikt.dev/owner: administrator}}}}\n\
         ---\n\
         apiVersion: v1\n\
         kind: ServiceAccount\n\
         metadata: {{name: verdikt, namespace: verdikt-system}}\n\
         ---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata: {{name: verdikt}}\n\
         rules:\n\
         {needed}\n\
         # Only for flows of Hubble Relay, where the agents of Cilium do not tell theirs.\n\
         {fallback}\n\
         ---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRoleBinding\n\
         metadata: {{name: verdikt}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: verdikt}}\n\
         subjects:\n\
         - {{kind: ServiceAccount, name: verdikt, namespace: verdikt-system}}\n\
         ---\n\
         # What `verdikt run --borrow NAMESPACE` needs besides. It is granted nowhere yet; for each such namespace:\n\
         #   kubectl --namespace NAMESPACE create rolebinding verdikt-borrow --clusterrole verdikt-borrow \\\n\
         #     --serviceaccount verdikt-system:verdikt\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata: {{name: verdikt-borrow}}\n\
         rules:\n\
         {borrowing}\n"
    )
}
