//! The message and the exit code of a program that runs out of memory.
//!
//! A failed allocation ends a Rust program: the standard library prints the number of bytes, and aborts. It does not name
//! the limit that was reached, so a signal handler prints it. Registering the handler is the only unsafe code of the
//! `verdikt` program, and of this crate.

use std::io;

/// Makes an abort print this line, and end the process with this exit code instead of with the signal.
#[cfg(unix)]
pub fn say_on_abort(line: &str, code: u8) -> io::Result<()> {
    use nix::unistd::write;
    use signal_hook::consts::SIGABRT;
    use signal_hook::low_level;
    let line = format!("{line}\n");
    let handler = move || {
        // If the error output is closed, the message has no reader.
        let _ = write(io::stderr(), line.as_bytes());
        low_level::exit(code.into());
    };
    // SAFETY: the handler may run at any point of the program, even inside an allocation. It allocates nothing and takes no
    // lock: it makes the system calls `write` and `_exit`, which signal handlers may make.
    unsafe { low_level::register(SIGABRT, handler) }.map(drop)
}

/// Makes an abort print this line, on systems with a signal for it. On this one only the standard library's message appears.
#[cfg(not(unix))]
pub fn say_on_abort(_: &str, _: u8) -> io::Result<()> {
    Ok(())
}
