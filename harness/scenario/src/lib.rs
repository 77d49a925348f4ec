//! The words of verdikt as types, and the loading of files with located mistakes.
//!
//! Every other crate speaks in these words: a [`scenario::Scenario`] names a small [`topology::Topology`]
//! and a list of steps; a step puts policies in force and states a table of [`expect::Expectation`]s, one for
//! every (source, [`attempt::Attempt`]) pair; an engine answers with a [`prediction::Prediction`].
//!
//! Must not know: Kubernetes clients, sockets, async, and how a policy decides. Only [`loader`] reads files.

pub mod attempt;
pub mod cell_name;
pub mod diagnostic;
pub mod document;
pub mod expect;
pub mod flow;
pub mod loader;
pub mod name;
pub mod observation;
pub mod place;
pub mod plain;
pub mod policy;
pub mod prediction;
pub mod scenario;
pub mod schema;
pub mod topology;
pub mod version;

mod file;
mod lower;
