//! How long a hundred sites take to come and to go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Instant;

use verdikt_lab::namespace::{AgentProgram, Keeper, NamespaceError, Site, Wanted};

fn main() -> Result<(), NamespaceError> {
    let _ = verdikt_lab::enter::enter();
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("/bin/cat"), PathBuf::from);
    for _ in 0..5 {
        let begin = Instant::now();
        let keeper = Keeper::start()?;
        let sites: Result<Vec<Site>, _> = (0..100u8)
            .map(|number| {
                let wanted = Wanted {
                    name: format!("site {number}"),
                    addresses: vec![
                        IpAddr::from(Ipv4Addr::new(10, 0, 0, number + 1)),
                        IpAddr::from(Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, u16::from(number) + 1)),
                    ],
                    local_prefixes: Vec::new(),
                };
                keeper.site(wanted, AgentProgram { path: path.clone(), arguments: Vec::new() })
            })
            .collect();
        let sites = sites?;
        println!("100 sites made in {:?}", begin.elapsed());
        let begin = Instant::now();
        drop(sites);
        drop(keeper);
        println!("100 sites gone in {:?}", begin.elapsed());
    }
    Ok(())
}
