//! The last words where memory runs out: the limit, and an exit code.
//!
//! An allocation that fails ends a Rust program: the standard library says how many bytes it was about, and aborts. Which
//! limit it met only the program can say, and from then on only a signal handler can speak. Its registration is the only
//! unsafe code of the `verdikt` program, and the only thing in this crate.

use std::io;

use nix::unistd::write;
use signal_hook::consts::SIGABRT;
use signal_hook::low_level;

/// Lets an abort print this line, and end the process with this exit code instead of by the signal.
pub fn say_on_abort(line: &str, code: u8) -> io::Result<()> {
    let line = format!("{line}\n");
    let handler = move || {
        // Where nobody listens any more, there is nobody to tell.
        let _ = write(io::stderr(), line.as_bytes());
        low_level::exit(code.into());
    };
    // SAFETY: the handler may run at any point of the program, even inside an allocation. It allocates nothing and takes no
    // lock: it makes the system calls `write` and `_exit`, which signal handlers may make.
    unsafe { low_level::register(SIGABRT, handler) }.map(drop)
}
