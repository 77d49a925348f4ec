//! What the commands over the lab have in common. It lives in Linux; on other systems the same names say so.

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
