//! kind clusters with Cilium: their profiles, and bringing them up and down.
//!
//! A [`profile`](profile::Profile) is a kind configuration with the Helm values of Cilium; all of them are part of
//! the binary, so that it works outside the repository. [`up`](cluster::up) and [`down`](cluster::down) run the
//! programs `docker`, `kind` and `helm`, which [`doctor`] checks first.
//!
//! Only clusters named `verdikt-PROFILE` are ever touched.

pub mod cluster;
pub mod doctor;
pub mod error;
pub mod image;
pub mod profile;
pub mod program;
pub mod versions;

mod advice;
pub mod call;
mod install;
mod version_number;
