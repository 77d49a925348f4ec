//! Makes every scenario of a repository a test of `cargo test` and of nextest.
//!
//! A test target without a harness of its own, with one line in it:
//!
//! ```toml
//! [[test]]
//! name = "policies"
//! harness = false
//!
//! [dev-dependencies]
//! verdikt-test = "0.1"
//! ```
//!
//! ```
//! // tests/policies.rs
//! verdikt_test::main!("scenarios");
//! ```
//!
//! There is one test for every step, named `scenario/step` as `verdikt run --filter` names it; [`Granularity`] makes it
//! one for every cell or scenario. A scenario runs when the first of its tests does, and once for all of them.
//!
//! In a test target with the usual harness, [`check`] runs the scenarios of one file:
//!
//! ```no_run
//! # use std::path::PathBuf;
//! // #[rstest]
//! fn policy(/* #[files("scenarios/**/*.yaml")] */ file: PathBuf) {
//!     verdikt_test::check(file);
//! }
//! ```
//!
//! Scenarios run where the environment variable `VERDIKT_ON` says:
//!
//! | `VERDIKT_ON` | where |
//! |---|---|
//! | not set | the lab; the policy model where there can be no lab |
//! | `lab` | real sockets in network namespaces of this machine (feature `lab`, on by default) |
//! | `model` | the policy model alone |
//! | `kind[:PROFILE]`, `cluster[:CONTEXT]` | a cluster with Cilium (feature `cluster`) |
//!
//! `VERDIKT_CILIUM` chooses the Cilium version. Without the feature `lab` this crate needs no sockets, without `cluster`
//! no client of Kubernetes, and without both no TLS.
//!
//! On clusters, `VERDIKT_YES=1` allows one that is not a kind cluster, and `VERDIKT_CLUSTERWIDE=1` policies that are in force
//! for everybody there; `VERDIKT_WORLD`, `VERDIKT_WORLD_ADDRESSES` and `VERDIKT_WORLD_DNS` say where hosts outside are, as
//! those options of `verdikt run` do. Pods run the static program `verdikt-probe`, which is looked for in the `PATH`;
//! `VERDIKT_PROBE` names another one, and `VERDIKT_REGISTRY` the registry from which nodes get its image.
//!
//! Must not know: how a command line of `verdikt` is read.

mod backend;
mod check;
mod cluster;
mod events;
mod judged;
#[cfg(all(feature = "lab", target_os = "linux"))]
mod role;
mod suite;
mod trials;

pub use check::check;
pub use suite::{Granularity, Suite};
pub use verdikt_scenario::version::CiliumVersion;

/// Writes the `main` of a test target without a harness: a test for every step of the scenarios in these files and
/// folders, which are relative to the package.
///
/// ```
/// verdikt_test::main!("scenarios", "more/scenario.yaml");
/// ```
///
/// ```
/// verdikt_test::main!("scenarios"; verdikt_test::Granularity::Cell);
/// ```
#[macro_export]
macro_rules! main {
    ($($path:expr),+ $(,)?) => {
        $crate::main!($($path),+; $crate::Granularity::Step);
    };
    ($($path:expr),+; $granularity:expr) => {
        fn main() -> ::std::process::ExitCode {
            $crate::Suite::new(env!("CARGO_MANIFEST_DIR"), &[$($path),+]).granularity($granularity).run()
        }
    };
}
