//! Shared by the commands that use the lab, which runs on Linux only; on other systems the same functions fail.

#[cfg(not(target_os = "linux"))]
pub(crate) mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod no_lab;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{enter, probe_main, run};
#[cfg(target_os = "linux")]
pub(crate) use linux::{enter, probe_main, run};
pub(crate) use no_lab::no_lab;
