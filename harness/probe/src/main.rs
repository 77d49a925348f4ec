//! The agent as a program: orders on standard input, reports on standard output. `--address ADDRESS` lets it live there.

use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address: Result<Option<IpAddr>, _> = match arguments.as_slice() {
        [] => Ok(None),
        [flag, address] if flag == "--address" => address.parse().map(Some).map_err(|_| ()),
        _ => Err(()),
    };
    let Ok(address) = address else {
        let _ = writeln!(io::stderr(), "verdikt-probe: it takes nothing but `--address ADDRESS`");
        return ExitCode::from(2);
    };
    verdikt_probe::agent::main(address)
}
