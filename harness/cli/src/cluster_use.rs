//! What the commands over a cluster have in common: waiting, progress, the image of the probes.

use std::future::Future;
use std::io::{self, IsTerminal as _};

use tokio::sync::mpsc;
use verdikt_cluster::image::{self, ProbeProgram};
use verdikt_cluster::wait::WaitProgress;
use verdikt_runner::backend::reason;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::runtime::runtime;

/// The image of the probes, of this program or the one beside it.
pub(crate) fn probe_image(registry: Option<&str>) -> Result<image::BuiltImage, Failure> {
    image::build(&probe_programs()?, registry).map_err(|error| Failure::machine(reason(&error)))
}

/// The programs that may be the probe: this one, and those beside it.
pub(crate) fn probe_programs() -> Result<Vec<ProbeProgram>, Failure> {
    let running = std::env::current_exe()
        .map_err(|error| Failure::machine("cannot find this program").cause(&error))?;
    Ok(image::candidates(&running))
}

/// Tells on a terminal what is waited for.
pub(crate) fn progress_on_terminal() -> WaitProgress {
    if !io::stderr().is_terminal() {
        return WaitProgress::default();
    }
    let (tell, mut lines) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            Printer::tell(&format!("  {line}\n"));
        }
    });
    WaitProgress::to(tell)
}

/// Waits for something on a runtime of its own.
pub(crate) fn wait<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(what)
}
