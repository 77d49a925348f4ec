//! The device of a namespace, and settings that must be made before it exists.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::LazyLock;

use tun_rs::{DeviceBuilder, SyncDevice};

use super::route::{self, NewIpv6, Routes};
use super::{NetnsError, NetnsSpec, NetnsStep};
use tracing::debug;

/// The name of the device in every namespace.
const NAME: &str = "eth0";
/// The settings of a thread's network namespace.
const SETTINGS: &str = "/proc/sys/net";

/// Settings of a namespace, below `/proc/sys/net`, with values of which the first that the kernel accepts is used.
/// Each costs about a hundredth of creating the namespace, and more if there are many, so only what is needed is set.
///
/// <https://docs.kernel.org/networking/ip-sysctl.html>
type Settings = &'static [(&'static str, &'static [&'static str])];

/// Echo requests without privileges. A group range can only contain groups of the user namespace, which may have only
/// one.
const ECHOES: Settings = &[("ipv4/ping_group_range", &["0 2147483647", "0 0"])];
/// For addresses that no device has.
const PREFIXES: Settings = &[
    // The proxies answer to addresses without a route back.
    ("ipv4/conf/all/rp_filter", &["0"]),
    ("ipv4/conf/default/rp_filter", &["0"]),
    // An IPv4 prefix is enough to bind to any of its addresses; IPv6 needs this.
    ("ipv6/ip_nonlocal_bind", &["1"]),
];
/// For machines whose new namespaces have no IPv6 by default.
const IPV6: Settings = &[("ipv6/conf/all/disable_ipv6", &["0"]), ("ipv6/conf/default/disable_ipv6", &["0"])];

/// Configures the namespace of this thread, and returns its device.
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

/// All namespaces of one machine have the same defaults.
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

/// A TUN device in the namespace of this thread, which carries whole IP packets of at most 1500 bytes.
pub(crate) fn open() -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new().name(NAME).inherit_enable_state().build_sync()?;
    // A device that ends with its file descriptor is removed while that is closed, which takes about 30 ms. A
    // persistent one ends with its namespace, and nothing waits for that.
    device.persist()?;
    Ok(device)
}

/// The settings are optional: the probe has the rights that they give to others, and containers often forbid writing
/// them.
fn set(settings: Settings) {
    for (setting, values) in settings {
        let path = format!("{SETTINGS}/{setting}");
        match OpenOptions::new().write(true).open(&path) {
            // The first accepted value ends the search; it is no error if there is none.
            Ok(mut file) => drop(values.iter().any(|value| file.write_all(value.as_bytes()).is_ok())),
            Err(error) => debug!(%error, path, "there is no such setting"),
        }
    }
}
