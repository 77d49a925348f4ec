//! The probe as a thread of another process.

use std::io;

use tokio::io::{DuplexStream, split};
use tokio::runtime;

/// Follows the orders from `stream` and writes its reports there, until the other end is dropped. Uses the network
/// namespace of the calling thread.
///
/// Errors: the runtime cannot be created.
pub fn over(stream: DuplexStream) -> io::Result<()> {
    let (input, output) = split(stream);
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    match runtime.block_on(super::run(input, output)) {
        // The reader is gone, so nobody needs the reports.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}
