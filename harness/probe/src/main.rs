//! The probe as a program: orders on standard input, reports on standard output. With `--address ADDRESS` it only uses that
//! address; with `--patience SECONDS` it ends if no first order arrives within that time.

use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::net::IpAddr;
use std::process::ExitCode;
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let _ = writeln!(io::stderr(), "verdikt-probe: it only runs on Linux");
    ExitCode::from(2)
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((address, patience)) = read(&arguments) else {
        let _ = writeln!(
            io::stderr(),
            "verdikt-probe: unknown arguments (expected `--address ADDRESS` or `--patience SECONDS`)"
        );
        return ExitCode::from(2);
    };
    verdikt_probe::probe::main(address, patience)
}

#[cfg(target_os = "linux")]
fn read(arguments: &[String]) -> Option<(Option<IpAddr>, Option<Duration>)> {
    let (mut address, mut patience) = (None, None);
    for argument in arguments.chunks(2) {
        match argument {
            [flag, value] if flag == "--address" => address = Some(value.parse().ok()?),
            [flag, value] if flag == "--patience" => {
                patience = Some(Duration::from_secs(value.parse().ok()?));
            }
            _ => return None,
        }
    }
    Some((address, patience))
}
