//! Checks whether a cluster can be used: connects, checks the permissions, and collects facts.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::LocalBoxFuture;
use verdikt_cluster::borrow::{self, BorrowError, Borrowed};
use verdikt_cluster::connect::{ApiConnection, ConnectError, ContextChoice};
use verdikt_cluster::error::ApiError;
use verdikt_cluster::inspect::{Facts, InspectError, inspect};
use verdikt_cluster::permissions::{self, MissingPermission};
use verdikt_kind::profile::profiles;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::plain::counted;

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The connection failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A request to the API server failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The facts about the cluster cannot be collected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// A namespace cannot be borrowed.
    #[error(transparent)]
    Borrow(BorrowError),
    /// The credentials lack permissions.
    #[error("the credentials of context `{context}` do not allow{scope}: {}", list(missing))]
    Rights {
        /// The context of the kubeconfig.
        context: String,
        /// What the permissions are needed for.
        scope: RightsScope,
        /// The missing permissions.
        missing: Vec<MissingPermission>,
    },
}

/// What permissions are needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RightsScope {
    /// Every run.
    Run,
    /// Every run, in the namespace of Cilium.
    Cilium(String),
    /// Scenarios with clusterwide policies.
    Clusterwide,
    /// Scenarios with local redirect policies.
    Redirects,
    /// A namespace that is borrowed.
    Borrowed(NamespaceName),
}

impl AccessError {
    /// What to do, if the error's text does not say it.
    pub fn advice(&self) -> Option<String> {
        let Self::Rights { scope, .. } = self else { return None };
        Some(match scope {
            RightsScope::Run => {
                "an administrator can apply clusters/rbac.yaml, which allows what verdikt needs".to_owned()
            }
            RightsScope::Cilium(namespace) => {
                format!("an administrator can create the Role verdikt-cilium of clusters/rbac.yaml in {namespace}")
            }
            RightsScope::Clusterwide | RightsScope::Redirects => {
                "an administrator can bind the ClusterRole verdikt-clusterwide of clusters/rbac.yaml; `--filter` \
                 chooses other scenarios"
                    .to_owned()
            }
            RightsScope::Borrowed(name) => {
                format!("an administrator can bind the ClusterRole verdikt-borrow of clusters/rbac.yaml in {name}")
            }
        })
    }
}

impl fmt::Display for RightsScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => Ok(()),
            Self::Cilium(namespace) => write!(f, " in the namespace {namespace}"),
            Self::Clusterwide => f.write_str(", which scenarios with clusterwide policies need"),
            Self::Redirects => f.write_str(", which scenarios with local redirect policies need"),
            Self::Borrowed(namespace) => write!(f, " in the namespace {namespace}"),
        }
    }
}

/// Connects to the cluster of a context (by default the current one), checks the permissions and collects facts.
///
/// The future is boxed: so the look is compiled here, and not in every program that takes one.
pub fn look(context: Option<String>) -> LocalBoxFuture<'static, Result<(ApiConnection, Facts), AccessError>> {
    Box::pin(look_at(context))
}

async fn look_at(context: Option<String>) -> Result<(ApiConnection, Facts), AccessError> {
    let choice = ContextChoice { context, kubeconfig: None };
    let (connection, kubernetes) = ApiConnection::open(&choice).await?;
    require(&connection, RightsScope::Run, permissions::missing(&connection).await?)?;
    let facts = inspect(&connection, &kubernetes).await?;
    let namespace = &facts.cilium.namespace;
    let missing = permissions::missing_of_cilium(&connection, namespace).await?;
    require(&connection, RightsScope::Cilium(namespace.clone()), missing)?;
    Ok((connection, facts))
}

/// Whether verdikt created the cluster: a kind cluster of a profile.
pub fn is_own(facts: &Facts) -> bool {
    facts.kind_cluster().is_some_and(|name| profiles().any(|profile| profile.cluster() == name))
}

/// The line that tells users which cluster a run is about to use.
pub fn name_for_people(connection: &ApiConnection, facts: &Facts) -> String {
    let what = match facts.kind_cluster() {
        Some(name) => format!("kind cluster {name}"),
        None => format!("{}, not a kind cluster", connection.server()),
    };
    format!(
        "context {}: {what}, Kubernetes {}, Cilium {}, {}",
        connection.context(),
        facts.kubernetes,
        facts.cilium.full_version,
        counted(facts.nodes.len(), "node")
    )
}

/// Checks the permissions for clusterwide policies.
pub(super) async fn require_clusterwide(connection: &ApiConnection) -> Result<(), AccessError> {
    let missing = permissions::missing_clusterwide(connection).await?;
    require(connection, RightsScope::Clusterwide, missing)
}

/// Checks the permissions for local redirect policies.
pub(super) async fn require_redirects(connection: &ApiConnection) -> Result<(), AccessError> {
    let missing = permissions::missing_to_redirect(connection).await?;
    require(connection, RightsScope::Redirects, missing)
}

/// Checks the permissions for the borrowed namespaces, and reads them.
pub(super) async fn look_at_borrowed(
    connection: &ApiConnection,
    names: &BTreeSet<NamespaceName>,
) -> Result<Borrowed, AccessError> {
    for name in names {
        let missing = permissions::missing_to_borrow(connection, name.as_str()).await?;
        require(connection, RightsScope::Borrowed(name.clone()), missing)?;
    }
    borrow::look(connection, names).await.map_err(AccessError::Borrow)
}

fn require(
    connection: &ApiConnection,
    scope: RightsScope,
    missing: Vec<MissingPermission>,
) -> Result<(), AccessError> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(AccessError::Rights { context: connection.context().to_owned(), scope, missing })
}

fn list(missing: &[MissingPermission]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
