//! The permissions that verdikt needs in a cluster, and which of them are missing.

#[cfg(test)]
mod tests;

use std::fmt;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::mark::SYSTEM_NAMESPACE;

/// How many access reviews are requested at once.
const AT_ONCE: usize = 16;

/// Verbs on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, with its subresource: `pods/exec`.
    pub resource: &'static str,
    /// The object; none for all.
    pub name: Option<&'static str>,
    /// The verbs.
    pub verbs: &'static [&'static str],
}

const fn rule(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> AccessRule {
    AccessRule { group, resource, name: None, verbs }
}

const fn named(rule: AccessRule, name: &'static str) -> AccessRule {
    AccessRule { name: Some(name), ..rule }
}

/// What every run needs in all namespaces, because it creates namespaces: the `ClusterRole` `verdikt` of
/// `clusters/rbac.yaml`, which has exactly the rules of this module.
///
/// Policies are replaced, all else is patched. Sessions are opened by a WebSocket's GET, for which newer API servers
/// require `create` too. <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>
pub const EVERYWHERE: &[AccessRule] = &[
    rule("", "events", &["list"]),
    rule("", "namespaces", &["create", "delete", "get", "list", "patch", "watch"]),
    rule("", "nodes", &["list"]),
    rule("", "pods", &["create", "delete", "list", "patch", "watch"]),
    rule("", "pods/exec", &["create", "get"]),
    rule("", "serviceaccounts", &["create", "delete", "list", "watch"]),
    rule("", "services", &["create", "delete", "get", "list", "patch", "watch"]),
    rule("apps", "daemonsets", &["list"]),
    rule("cilium.io", "ciliumcidrgroups", &["create", "delete", "get", "list", "update"]),
    rule("cilium.io", "ciliumclusterwidenetworkpolicies", &["list"]),
    rule("cilium.io", "ciliumendpoints", &["list", "watch"]),
    rule("cilium.io", "ciliumidentities", &["list"]),
    rule("cilium.io", "ciliumloadbalancerippools", &["list"]),
    rule("cilium.io", "ciliumlocalredirectpolicies", &["list"]),
    rule("cilium.io", "ciliumnetworkpolicies", &["create", "delete", "get", "list", "update", "watch"]),
    rule("cilium.io", "ciliumnetworkpolicies/status", &["patch"]),
    rule("discovery.k8s.io", "endpointslices", &["create", "delete", "list", "patch"]),
    rule("metallb.io", "ipaddresspools", &["list"]),
    rule("networking.k8s.io", "networkpolicies", &["create", "delete", "get", "list", "update"]),
    rule("policy.networking.k8s.io", "clusternetworkpolicies", &["list"]),
];

/// Optional resources: without them messages say less.
const OPTIONAL: &[&str] = &["events", "ciliumidentities", "ciliumloadbalancerippools", "ipaddresspools"];

/// What it needs in the system namespace: the Role `verdikt`.
pub const IN_SYSTEM: &[AccessRule] =
    &[rule("coordination.k8s.io", "leases", &["create", "delete", "get", "update"])];

/// What it needs in the namespace of Cilium: the Role `verdikt-cilium`, with [`FALLBACK`].
pub const OF_CILIUM: &[AccessRule] = &[
    named(rule("", "configmaps", &["get"]), "cilium-config"),
    rule("", "pods/exec", &["create", "get"]),
    rule("", "pods/log", &["get"]),
];

/// What it also needs there if flows come from Hubble Relay, because an agent does not serve them.
pub const FALLBACK: &[AccessRule] = &[
    named(rule("", "configmaps", &["get"]), "hubble-relay-config"),
    rule("", "pods/portforward", &["create", "get"]),
];

/// What it also needs in a borrowed namespace: the `ClusterRole` `verdikt-borrow`, which an administrator binds there.
pub const BORROWING: &[AccessRule] = &[
    rule("", "pods", &["get"]),
    rule("", "pods/attach", &["create", "get"]),
    rule("", "pods/ephemeralcontainers", &["patch"]),
    rule("", "pods/log", &["get"]),
];

/// What it also needs for clusterwide policies: the `ClusterRole` `verdikt-clusterwide`.
pub const CLUSTERWIDE: &[AccessRule] = &[
    rule(
        "cilium.io",
        "ciliumclusterwidenetworkpolicies",
        &["create", "delete", "get", "list", "update", "watch"],
    ),
    rule("cilium.io", "ciliumclusterwidenetworkpolicies/status", &["patch"]),
    rule(
        "policy.networking.k8s.io",
        "clusternetworkpolicies",
        &["create", "delete", "get", "list", "update"],
    ),
];

/// What it also needs for local redirect policies, which may lead any address elsewhere: the same role.
pub const REDIRECTING: &[AccessRule] =
    &[rule("cilium.io", "ciliumlocalredirectpolicies", &["create", "delete", "list"])];

/// A missing permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingPermission {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        f.pad(&format!("{} {}{group}", self.verb, self.resource))
    }
}

/// The permissions missing for any run, except those in the namespace of Cilium, which is not known yet.
pub async fn missing(connection: &ApiConnection) -> Result<Vec<MissingPermission>, ApiError> {
    let mut missing = missing_of(connection, EVERYWHERE, None).await?;
    missing.retain(|it| !OPTIONAL.contains(&it.resource));
    missing.extend(missing_of(connection, IN_SYSTEM, Some(SYSTEM_NAMESPACE)).await?);
    Ok(missing)
}

/// The permissions of [`OF_CILIUM`] missing in the namespace of Cilium.
pub async fn missing_of_cilium(
    connection: &ApiConnection,
    namespace: &str,
) -> Result<Vec<MissingPermission>, ApiError> {
    missing_of(connection, OF_CILIUM, Some(namespace)).await
}

/// The permissions of [`BORROWING`] missing in a namespace.
pub async fn missing_to_borrow(
    connection: &ApiConnection,
    namespace: &str,
) -> Result<Vec<MissingPermission>, ApiError> {
    missing_of(connection, BORROWING, Some(namespace)).await
}

/// The missing permissions of [`CLUSTERWIDE`].
pub async fn missing_clusterwide(connection: &ApiConnection) -> Result<Vec<MissingPermission>, ApiError> {
    missing_of(connection, CLUSTERWIDE, None).await
}

/// The missing permissions of [`REDIRECTING`].
pub async fn missing_to_redirect(connection: &ApiConnection) -> Result<Vec<MissingPermission>, ApiError> {
    missing_of(connection, REDIRECTING, None).await
}

async fn missing_of(
    connection: &ApiConnection,
    rules: &'static [AccessRule],
    namespace: Option<&str>,
) -> Result<Vec<MissingPermission>, ApiError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(connection.client().clone());
    let each = rules.iter().flat_map(|rule| {
        let AccessRule { group, resource, name, verbs } = *rule;
        verbs.iter().map(move |verb| (MissingPermission { group, resource, verb }, name))
    });
    let asked = stream::iter(each).map(|(wanted, name)| {
        let reviews = &reviews;
        async move {
            let review = review(wanted, name, namespace);
            let parameters = PostParams::default();
            let answer =
                connection.ask("review verdikt's permissions", reviews.create(&parameters, &review)).await?;
            Ok::<_, ApiError>((wanted, answer.status.is_some_and(|status| status.allowed)))
        }
    });
    let answers: Vec<(MissingPermission, bool)> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(wanted, _)| wanted).collect())
}

fn review(wanted: MissingPermission, name: Option<&str>, namespace: Option<&str>) -> SelfSubjectAccessReview {
    let (resource, subresource) = match wanted.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (wanted.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(wanted.group.to_owned()),
        name: name.map(str::to_owned),
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
