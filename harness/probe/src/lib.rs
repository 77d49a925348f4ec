//! The probe that runs beside a pod's traffic: it serves what the pod serves, and attempts what it is told.
//!
//! It is told by [`Order`](verdikt_wire::Order)s, one JSON object a line, and answers with [`Report`](verdikt_wire::Report)s. It ends when its
//! orders end.
//!
//! It lives in Linux alone; elsewhere this crate is empty.
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
