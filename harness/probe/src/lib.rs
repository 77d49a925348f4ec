//! The probe: a process in a pod or network namespace that serves the pod's ports and makes attempts.
//!
//! It reads [`Order`](verdikt_wire::Order)s, one JSON object a line, and writes [`Report`](verdikt_wire::Report)s. It ends
//! at the end of its input.
//!
//! It runs on Linux only; elsewhere this crate is empty.
//!
//! Must not know: Kubernetes, scenario files, or what a policy is.

#![cfg(target_os = "linux")]

mod attempt;
mod failure;
mod mark;
pub mod probe;
mod random;
mod reports;
mod sctp;
mod serve;
mod socket;
pub mod tls;
