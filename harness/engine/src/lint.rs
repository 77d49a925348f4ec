//! stub
use crate::cluster::Options;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::Topology;
/// The code of warnings about objects that will be refused.
pub const REFUSED: &str = "refused";
/// Warnings.
pub fn lint(_t: Option<&Topology>, _m: &[Manifest], _o: &Options) -> Vec<Diagnostic> {
    Vec::new()
}
