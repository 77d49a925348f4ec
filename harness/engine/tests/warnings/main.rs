//! Warnings, hints and refusals of policies: each with an input that causes it, and a near one that does not.
//!
//! A new lint has its test in `by_code`, which shows what is found with one code, and the severity. `everything` shows all
//! that is found about a policy, for the sound ones of which nothing may be found, and for lints that stand beside others.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod by_code;
mod everything;

use std::sync::Arc;

use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;

/// A policy of the file `p.yaml`; `metadata` begins with its name.
fn manifest(api: &str, kind: &str, metadata: &str, spec: &str) -> Manifest {
    let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {metadata}}}\nspec:\n  {spec}\n");
    Manifest { file: Arc::from("p.yaml"), root: document::parse(&text).unwrap().remove(0) }
}
