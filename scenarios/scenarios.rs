//! Runs the scenario set: one test for every step, named `scenario/step`, and one for the whole set under each
//! older Cilium version.
//!
//! On a cluster, as `VERDIKT_ON` names one, the scenarios that the filter leaves are one run.

use std::process::ExitCode;

use verdikt_test::{CiliumVersion, Suite};

fn main() -> ExitCode {
    let older = CiliumVersion::ALL.into_iter().filter(|version| *version != CiliumVersion::default());
    Suite::new(env!("CARGO_MANIFEST_DIR"), &["."]).also_under(older).run()
}
