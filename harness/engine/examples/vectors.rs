//! Holds the engine against recorded verdicts of Cilium's own policy engine.
//!
//! `cargo run --release -p verdikt-engine --example vectors -- [--cilium VERSION] FILE...` reads files of one case a
//! line (plain or gzipped) and prints the counts of each, the first disagreements, and the speed of the whole program
//! on one core, reading included. A case holds flows with the verdicts of a policy engine, or requests with the answers
//! of a real proxy. Exit code 1 if anything disagrees, or the engine abstains on a flow.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use verdikt_scenario::version::CiliumVersion;

#[path = "vectors/case.rs"]
mod case;
#[path = "vectors/flows.rs"]
mod flows;
#[path = "vectors/queries.rs"]
mod queries;
#[path = "vectors/requests.rs"]
mod requests;
#[path = "vectors/topology.rs"]
mod topology;

/// What a file comes to.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) flows: usize,
    pub(crate) disagreements: usize,
    pub(crate) abstained: usize,
    pub(crate) objects: usize,
    pub(crate) validity: usize,
    /// Whether the flows are requests to a proxy.
    pub(crate) requests: bool,
    pub(crate) shown: Vec<String>,
}

/// A case is thousands of small values that live for microseconds: half of the time is the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let start = Instant::now();
    let mut flows = 0;
    let mut wrong = 0;
    let mut out = std::io::stdout().lock();
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let mut version = CiliumVersion::default();
    if let Some(option) = files.iter().position(|argument| argument == "--cilium") {
        version = files.get(option + 1).ok_or("--cilium needs a version")?.parse()?;
        files.drain(option..option + 2);
    }
    for file in files {
        let counts = count(Path::new(&file), version)?;
        writeln!(
            out,
            "{file}: flows {}, disagreements {}, abstained {}, objects {}, validity disagreements {}",
            counts.flows, counts.disagreements, counts.abstained, counts.objects, counts.validity
        )?;
        for shown in counts.shown.iter().take(10) {
            writeln!(out, "  {shown}")?;
        }
        flows += counts.flows;
        wrong += counts.disagreements + counts.validity + if counts.requests { 0 } else { counts.abstained };
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = flows as f64 / seconds;
    writeln!(out, "{rate:.0} flows/s ({flows} flows in {seconds:.3} s, one core, reading included)")?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Evaluates every case of a file.
pub(crate) fn count(file: &Path, version: CiliumVersion) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::default();
    for line in read(file)?.lines().filter(|line| !line.is_empty()) {
        match serde_json::from_str(line) {
            Ok(case) => flows::run(case, version, &mut counts)?,
            Err(error) => {
                requests::run(&serde_json::from_str(line).map_err(|_| error)?, version, &mut counts)?;
            }
        }
    }
    Ok(counts)
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(std::io::read_to_string(flate2::read::GzDecoder::new(bytes.as_slice()))?);
    }
    Ok(String::from_utf8(bytes)?)
}
