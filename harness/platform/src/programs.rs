//! Child processes.

use std::process::Command;

/// Keeps an interrupt of the terminal from a child: it is for this process, which ends the child.
#[cfg(unix)]
pub fn shield_from_interrupts(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

/// Keeps an interrupt of the terminal from a child: it is for this process, which ends the child.
/// <https://learn.microsoft.com/windows/win32/procthread/process-creation-flags>
#[cfg(windows)]
pub fn shield_from_interrupts(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}
