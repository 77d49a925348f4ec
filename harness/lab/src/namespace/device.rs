//! The device of a namespace, and the settings that must be made before it exists.

use std::fs::OpenOptions;
use std::io::{self, Write};

use tun_rs::{DeviceBuilder, SyncDevice};

use super::route::{self, Routes};
use super::{NetnsError, NetnsSpec, NetnsStep};
use tracing::debug;

/// The name of the device in every namespace.
const NAME: &str = "eth0";

/// Settings of a namespace, below `/proc/sys/net`, and their values; the kernel takes the first it can.
///
/// All of them are comforts: the probe has the rights that these give to others, and containers often forbid to
/// write here. A group range can only hold groups of the user namespace, which may have but one.
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const SETTINGS: [(&str, &[&str]); 9] = [
    // Echo requests without privileges, and servers on low ports.
    ("ipv4/ping_group_range", &["0 2147483647", "0 0"]),
    ("ipv4/ip_unprivileged_port_start", &["0"]),
    // The proxies answer to addresses that no route leads back to.
    ("ipv4/conf/all/rp_filter", &["0"]),
    ("ipv4/conf/default/rp_filter", &["0"]),
    // A prefix of addresses is enough for IPv4 to bind to any of them, but not for IPv6.
    ("ipv6/ip_nonlocal_bind", &["1"]),
    // Machines without IPv6 have namespaces without it, unless asked.
    ("ipv6/conf/all/disable_ipv6", &["0"]),
    ("ipv6/conf/default/disable_ipv6", &["0"]),
    // No packets but those of the attempts.
    ("ipv6/conf/default/accept_ra", &["0"]),
    ("ipv6/conf/default/addr_gen_mode", &["1"]),
];

/// Configurees the namespace this thread is in; answers its device.
pub(super) fn configure(wanted: &NetnsSpec) -> Result<SyncDevice, NetnsError> {
    let failed = |step| move |source: io::Error| NetnsError::Make { name: wanted.name.clone(), step, source };
    for (setting, values) in SETTINGS {
        set(setting, values);
    }
    let device = open().map_err(failed(NetnsStep::Device))?;
    let routes = Routes {
        device: device.if_index().map_err(failed(NetnsStep::Device))?,
        addresses: &wanted.addresses,
        local_prefixes: &wanted.local_prefixes,
    };
    route::build(&routes).map_err(failed(NetnsStep::Addresses))?;
    Ok(device)
}

/// A TUN device in the namespace this thread is in, which bears whole IP packets of at most 1500 bytes.
pub(crate) fn open() -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new().name(NAME).inherit_enable_state().build_sync()?;
    // A device that ends with its file descriptor is taken down while the descriptor is closed, for some 30 ms each.
    // A persistent one ends with its namespace, which nobody waits for.
    device.persist()?;
    Ok(device)
}

fn set(setting: &str, values: &[&str]) {
    let path = format!("/proc/sys/net/{setting}");
    let mut file = match OpenOptions::new().write(true).open(&path) {
        Ok(file) => file,
        Err(error) => return debug!(%error, path, "there is no such setting"),
    };
    // The one that is taken ends the search; that none is, is no failure.
    let _ = values.iter().any(|value| file.write_all(value.as_bytes()).is_ok());
}
