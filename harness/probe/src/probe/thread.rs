//! The probe as a thread of somebody else's process.

use std::io;

use tokio::io::{DuplexStream, split};
use tokio::runtime;

/// Follows the orders that come out of `stream` and writes its reports there, until the other end is dropped. Lives in the
/// network namespace of the thread that calls it.
///
/// Errors: without a runtime of its own there is no probe.
pub fn over(stream: DuplexStream) -> io::Result<()> {
    let (input, output) = split(stream);
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    match runtime.block_on(super::run(input, output)) {
        // The reader is gone: so is whom it would be told.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}
