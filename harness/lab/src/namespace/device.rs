//! The device of a namespace, and the settings that must be made before it exists.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::LazyLock;

use tun_rs::{DeviceBuilder, SyncDevice};

use super::route::{self, NewIpv6, Routes};
use super::{NetnsError, NetnsSpec, NetnsStep};
use tracing::debug;

/// The name of the device in every namespace.
const NAME: &str = "eth0";
/// The settings of the network namespace a thread is in.
const SETTINGS: &str = "/proc/sys/net";

/// Settings of a namespace, below `/proc/sys/net`, and their values; the kernel takes the first it can. Each costs as much as
/// a hundredth of the namespace, and more where there are many: only what is needed is set.
///
/// <https://docs.kernel.org/networking/ip-sysctl.html>
type Settings = &'static [(&'static str, &'static [&'static str])];

/// Echo requests without privileges. A group range can only hold groups of the user namespace, which may have but one.
const ECHOES: Settings = &[("ipv4/ping_group_range", &["0 2147483647", "0 0"])];
/// For addresses that no device has.
const PREFIXES: Settings = &[
    // The proxies answer to addresses that no route leads back to.
    ("ipv4/conf/all/rp_filter", &["0"]),
    ("ipv4/conf/default/rp_filter", &["0"]),
    // A prefix of addresses is enough for IPv4 to bind to any of them, but not for IPv6.
    ("ipv6/ip_nonlocal_bind", &["1"]),
];
/// For machines whose namespaces have no IPv6 unless asked.
const IPV6: Settings = &[("ipv6/conf/all/disable_ipv6", &["0"]), ("ipv6/conf/default/disable_ipv6", &["0"])];

/// Configures the namespace this thread is in; answers its device.
pub(super) fn configure(wanted: &NetnsSpec) -> Result<SyncDevice, NetnsError> {
    let failed = |step| move |source: io::Error| NetnsError::Make { name: wanted.name.clone(), step, source };
    set(ECHOES);
    if !wanted.local_prefixes.is_empty() {
        set(PREFIXES);
    }
    let ipv6 = new_ipv6();
    if ipv6 == NewIpv6::Off {
        set(IPV6);
    }
    let device = open().map_err(failed(NetnsStep::Device))?;
    let routes = Routes {
        device: device.if_index().map_err(failed(NetnsStep::Device))?,
        addresses: &wanted.addresses,
        local_prefixes: &wanted.local_prefixes,
        ipv6,
    };
    route::build(&routes).map_err(failed(NetnsStep::Addresses))?;
    Ok(device)
}

/// On one machine each namespace begins as the others do.
fn new_ipv6() -> NewIpv6 {
    static FOUND: LazyLock<NewIpv6> = LazyLock::new(|| {
        let values = IPV6.iter().map(|(setting, _)| std::fs::read_to_string(format!("{SETTINGS}/{setting}")));
        let values: Vec<String> = values.filter_map(Result::ok).collect();
        match values.iter().all(|value| value.trim() == "0") {
            _ if values.is_empty() => NewIpv6::None,
            true => NewIpv6::On,
            false => NewIpv6::Off,
        }
    });
    *FOUND
}

/// A TUN device in the namespace this thread is in, which bears whole IP packets of at most 1500 bytes.
pub(crate) fn open() -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new().name(NAME).inherit_enable_state().build_sync()?;
    // A device that ends with its file descriptor is taken down while the descriptor is closed, for some 30 ms each.
    // A persistent one ends with its namespace, which nobody waits for.
    device.persist()?;
    Ok(device)
}

/// Each setting is a comfort: the probe has the rights that it gives to others, and containers often forbid to write here.
fn set(settings: Settings) {
    for (setting, values) in settings {
        let path = format!("{SETTINGS}/{setting}");
        match OpenOptions::new().write(true).open(&path) {
            // The one that is taken ends the search; that none is, is no failure.
            Ok(mut file) => drop(values.iter().any(|value| file.write_all(value.as_bytes()).is_ok())),
            Err(error) => debug!(%error, path, "there is no such setting"),
        }
    }
}
