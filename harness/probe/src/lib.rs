//! The probe that runs beside a pod's traffic: it serves what the pod serves, and attempts what it is told.
//!
//! It is told by [`wire::Order`]s, one JSON object a line, and answers with [`wire::Report`]s. It ends when its
//! orders end.
//!
//! Must not know: Kubernetes, scenario files, or what a policy is.

mod attempt;
mod failure;
pub mod limit;
mod mark;
pub mod probe;
mod random;
mod reports;
mod sctp;
mod serve;
mod socket;
pub mod wire;
