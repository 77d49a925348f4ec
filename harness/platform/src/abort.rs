//! The last words where memory runs out: the limit, and an exit code.
//!
//! An allocation that fails ends a Rust program: the standard library says how many bytes it was about, and aborts. Which
//! limit it met only the program can say, and from then on only a signal handler can speak. Its registration is the only
//! unsafe code of the `verdikt` program, and of this crate.

use std::io;

/// Lets an abort print this line, and end the process with this exit code instead of by the signal.
#[cfg(unix)]
pub fn say_on_abort(line: &str, code: u8) -> io::Result<()> {
    use nix::unistd::write;
    use signal_hook::consts::SIGABRT;
    use signal_hook::low_level;
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

/// Lets an abort print this line, where signals say that a process aborts. Here the standard library's words are the last.
#[cfg(not(unix))]
pub fn say_on_abort(_: &str, _: u8) -> io::Result<()> {
    Ok(())
}
