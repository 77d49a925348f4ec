//! The shell of the user, with the endpoint in its prompt.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shell that every machine has.
const FALLBACK: &str = "sh";

/// A shell.
pub(super) struct Shell(OsString);

impl Shell {
    /// The user's shell, if it exists on this machine.
    pub(super) fn of_user() -> Self {
        let named = std::env::var_os("SHELL").filter(|shell| Path::new(shell).is_file());
        Self(named.unwrap_or_else(|| FALLBACK.into()))
    }

    /// Adds the shell to a command that runs it inside an endpoint.
    pub(super) fn prepare(&self, command: &mut Command, endpoint: &str) {
        let mark = format!("({endpoint}) ");
        command.arg(&self.0).env("VERDIKT_ENDPOINT", endpoint).env("PS1", format!("{mark}$ "));
        let name = PathBuf::from(&self.0);
        if name.file_name().is_some_and(|name| name == "bash") {
            // The shell's startup files set their own prompt before this.
            command.env("PROMPT_COMMAND", format!("PS1=\"{mark}${{PS1#\"{mark}\"}}\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arguments that set the prompt of the shell.
    fn prompt_of(shell: &str) -> Vec<String> {
        let mut command = Command::new("env");
        Shell(shell.into()).prepare(&mut command, "shop/cart");
        let set = command
            .get_envs()
            .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)));
        set.collect()
    }

    #[test]
    fn the_endpoint_is_in_the_prompt() {
        assert_eq!(prompt_of("/bin/dash"), ["PS1=(shop/cart) $ ", "VERDIKT_ENDPOINT=shop/cart"]);
        let bash = prompt_of("/usr/bin/bash");
        let prompt = bash.iter().find_map(|set| set.strip_prefix("PROMPT_COMMAND=")).unwrap();
        let script = format!("PS1='\\w> '; {prompt}; {prompt}; printf %s \"$PS1\"");
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "(shop/cart) \\w> ");
    }
}
