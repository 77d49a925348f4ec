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

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::mark::SYSTEM_NAMESPACE;

/// How many reviews are asked for at once.
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

/// What every run needs in all namespaces, as it makes some: the `ClusterRole` `verdikt` of `clusters/rbac.yaml`, which
/// holds the rules of this module and no others.
///
/// Policies are replaced, all else is patched. A WebSocket opens a session with GET, and newer API servers ask for
/// `create` all the same. <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>
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
    rule("cilium.io", "ciliumnetworkpolicies", &["create", "delete", "get", "list", "update", "watch"]),
    rule("cilium.io", "ciliumnetworkpolicies/status", &["patch"]),
    rule("discovery.k8s.io", "endpointslices", &["create", "delete", "list", "patch"]),
    rule("metallb.io", "ipaddresspools", &["list"]),
    rule("networking.k8s.io", "networkpolicies", &["create", "delete", "get", "list", "update"]),
    rule("policy.networking.k8s.io", "clusternetworkpolicies", &["list"]),
];

/// What only helps: without it a message says less.
const OPTIONAL: &[&str] = &["events", "ciliumidentities", "ciliumloadbalancerippools", "ipaddresspools"];

/// What it needs in its own namespace: the Role `verdikt`.
pub const IN_SYSTEM: &[AccessRule] =
    &[rule("coordination.k8s.io", "leases", &["create", "delete", "get", "update"])];

/// What it needs in the namespace of Cilium: the Role `verdikt-cilium`, with [`FALLBACK`].
pub const OF_CILIUM: &[AccessRule] = &[
    named(rule("", "configmaps", &["get"]), "cilium-config"),
    rule("", "pods/exec", &["create", "get"]),
    rule("", "pods/log", &["get"]),
];

/// What is only needed there where the agents do not tell their flows, and Hubble Relay is asked.
pub const FALLBACK: &[AccessRule] = &[
    named(rule("", "configmaps", &["get"]), "hubble-relay-config"),
    rule("", "pods/portforward", &["create", "get"]),
];

/// What verdikt needs besides in a namespace that is somebody else's and that a run borrows: the `ClusterRole`
/// `verdikt-borrow`, which an administrator grants there.
pub const BORROWING: &[AccessRule] = &[
    rule("", "pods", &["get"]),
    rule("", "pods/attach", &["create", "get"]),
    rule("", "pods/ephemeralcontainers", &["patch"]),
    rule("", "pods/log", &["get"]),
];

/// What it needs besides for clusterwide policies: the `ClusterRole` `verdikt-clusterwide`.
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

/// What every run needs and the credentials do not allow, before it is known where Cilium is.
pub async fn missing(connection: &ApiConnection) -> Result<Vec<Missing>, ApiError> {
    let mut missing = missing_of(connection, EVERYWHERE, None).await?;
    missing.retain(|it| !OPTIONAL.contains(&it.resource));
    missing.extend(missing_of(connection, IN_SYSTEM, Some(SYSTEM_NAMESPACE)).await?);
    Ok(missing)
}

/// What of [`OF_CILIUM`] they do not allow in its namespace.
pub async fn missing_of_cilium(
    connection: &ApiConnection,
    namespace: &str,
) -> Result<Vec<Missing>, ApiError> {
    missing_of(connection, OF_CILIUM, Some(namespace)).await
}

/// What of [`BORROWING`] they do not allow in a namespace.
pub async fn missing_to_borrow(
    connection: &ApiConnection,
    namespace: &str,
) -> Result<Vec<Missing>, ApiError> {
    missing_of(connection, BORROWING, Some(namespace)).await
}

/// What of [`CLUSTERWIDE`] they do not allow.
pub async fn missing_clusterwide(connection: &ApiConnection) -> Result<Vec<Missing>, ApiError> {
    missing_of(connection, CLUSTERWIDE, None).await
}

async fn missing_of(
    connection: &ApiConnection,
    rules: &'static [AccessRule],
    namespace: Option<&str>,
) -> Result<Vec<Missing>, ApiError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(connection.client().clone());
    let each = rules.iter().flat_map(|rule| {
        let AccessRule { group, resource, name, verbs } = *rule;
        verbs.iter().map(move |verb| (Missing { group, resource, verb }, name))
    });
    let asked = stream::iter(each).map(|(wanted, name)| {
        let reviews = &reviews;
        async move {
            let review = review(wanted, name, namespace);
            let parameters = PostParams::default();
            let answer =
                connection.ask("review the own permissions", reviews.create(&parameters, &review)).await?;
            Ok::<_, ApiError>((wanted, answer.status.is_some_and(|status| status.allowed)))
        }
    });
    let answers: Vec<(Missing, bool)> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(wanted, _)| wanted).collect())
}

fn review(wanted: Missing, name: Option<&str>, namespace: Option<&str>) -> SelfSubjectAccessReview {
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
