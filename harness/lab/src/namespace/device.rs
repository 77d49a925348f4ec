//! The inside of a namespace: its devices, addresses, routes and settings.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use tokio::runtime::Runtime;
use tun_rs::SyncDevice;

use super::{NamespaceError, Wanted};

/// The name of the device in every namespace.
const NAME: &str = "eth0";
/// Its longest packet.
const MTU: u16 = 1500;
/// The index of the loopback device in every namespace.
const LOOPBACK: u32 = 1;
/// The routing table whose routes are the namespace's own addresses.
const LOCAL_TABLE: u8 = 255;

/// Settings of a namespace, below `/proc/sys/net`. Those of a family the kernel lacks cannot be made.
const SETTINGS: [(&str, &str); 6] = [
    // Echo requests without privileges, and servers on low ports.
    ("ipv4/ping_group_range", "0 2147483647"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    // The proxies answer to addresses that no route leads back to.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // No packets but those of the attempts.
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/addr_gen_mode", "1"),
];

/// Furnishes the namespace this thread is in; answers its device.
pub(super) fn furnish(runtime: &Runtime, wanted: &Wanted) -> Result<SyncDevice, NamespaceError> {
    let failed =
        |what| move |source: io::Error| NamespaceError::Make { name: wanted.name.clone(), what, source };
    for (setting, value) in SETTINGS {
        let written = fs::write(format!("/proc/sys/net/{setting}"), value);
        if setting.starts_with("ipv4/ip") || setting.starts_with("ipv4/ping") {
            written.map_err(failed("be set up"))?;
        }
    }
    let device = tun_rs::DeviceBuilder::new()
        .name(NAME)
        .mtu(MTU)
        .inherit_enable_state()
        .build_sync()
        .map_err(failed("have a TUN device"))?;
    // Closing a device that is not persistent waits for the kernel to have forgotten it, tens of milliseconds. A
    // persistent one goes with its namespace, and nobody waits.
    device.persist().map_err(failed("have a TUN device"))?;
    let index = device.if_index().map_err(failed("have a TUN device"))?;
    runtime.block_on(connect(index, wanted)).map_err(failed("be given addresses and routes"))?;
    Ok(device)
}

async fn connect(index: u32, wanted: &Wanted) -> io::Result<()> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let task = tokio::spawn(connection);
    let connected = addresses_and_routes(&handle, index, wanted).await;
    task.abort();
    connected.map_err(io::Error::other)
}

async fn addresses_and_routes(handle: &Handle, index: u32, wanted: &Wanted) -> Result<(), rtnetlink::Error> {
    for device in [LOOPBACK, index] {
        handle.link().set(LinkUnspec::new_with_index(device).up().build()).execute().await?;
    }
    for address in &wanted.addresses {
        let length = if address.is_ipv4() { 32 } else { 128 };
        let mut request = handle.address().add(index, *address, length);
        // Nobody else can have it; without this an IPv6 address is usable only after a while.
        request.message_mut().header.flags = AddressHeaderFlags::Nodad;
        request.execute().await?;
    }
    for (address, length) in &wanted.local_prefixes {
        let route = match address {
            IpAddr::V4(address) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(*address, *length)
                .scope(RouteScope::Host)
                .kind(RouteType::Local)
                .table_id(LOCAL_TABLE.into())
                .output_interface(LOOPBACK)
                .build(),
            IpAddr::V6(address) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(*address, *length)
                .kind(RouteType::Local)
                .table_id(LOCAL_TABLE.into())
                .output_interface(LOOPBACK)
                .build(),
        };
        handle.route().add(route).execute().await?;
    }
    if wanted.addresses.iter().any(IpAddr::is_ipv4) {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).build();
        handle.route().add(route).execute().await?;
    }
    if wanted.addresses.iter().any(IpAddr::is_ipv6) {
        let route = RouteMessageBuilder::<Ipv6Addr>::new().output_interface(index).build();
        handle.route().add(route).execute().await?;
    }
    Ok(())
}
