//! `verdikt.toml`: what the owners of a repository mean where a command line does not say.
//!
//! ```toml
//! paths = ["scenarios", "policies"]
//! on = "lab"
//! cilium = "1.19"
//! ```
//!
//! The file may be a stranger's: it names paths below its own folder alone, and no cluster.

use std::env;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use clap::Command;
use serde::Deserialize;
use verdikt_scenario::version::CiliumVersion;

use crate::failure::Failure;

const FILE: &str = "verdikt.toml";

/// Defaults of the command line.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What commands are about that are given no path.
    #[serde(default)]
    paths: Vec<String>,
    /// Where steps run.
    on: Option<String>,
    /// The Cilium version.
    cilium: Option<String>,
}

impl Config {
    /// That of the current folder, or of the repository it lies in.
    pub(crate) fn read() -> Result<Self, Failure> {
        let Ok(here) = env::current_dir() else { return Ok(Self::default()) };
        let Some(folder) = folder_of_config(&here) else { return Ok(Self::default()) };
        let file = folder.join(FILE);
        let failed = |cause: &dyn std::fmt::Display| Failure::file("read", &file, cause);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&error)),
        };
        let mut config: Self = toml::from_str(&text).map_err(|error| failed(&error))?;
        config.check().map_err(|problem| failed(&problem))?;
        if folder != here {
            let whole = |path: &String| folder.join(path).to_string_lossy().into_owned();
            config.paths = config.paths.iter().map(whole).collect();
        }
        Ok(config)
    }

    /// Finds what such a file may not say.
    fn check(&self) -> Result<(), String> {
        let is_inside = |path: &String| {
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        };
        if let Some(path) = self.paths.iter().find(|path| !is_inside(path)) {
            return Err(format!(
                "`{path}` leads outside the folder of the file; name it on the command line"
            ));
        }
        if let Some(on) = self.on.as_deref().filter(|on| !matches!(*on, "lab" | "model")) {
            return Err(format!(
                "`on` is lab or model, and not `{on}`: clusters are named on the command line alone"
            ));
        }
        if let Some(cilium) = self.cilium.as_deref().filter(|cilium| cilium.parse::<CiliumVersion>().is_err())
        {
            return Err(format!("`cilium` is one of {}, and not `{cilium}`", CiliumVersion::all_named()));
        }
        Ok(())
    }

    /// The command line with these defaults, which its help tells.
    pub(crate) fn defaults_of(self, mut command: Command) -> Command {
        // They last as long as the process, and are read once.
        let paths: Vec<&'static str> =
            self.paths.into_iter().map(|path| -> &'static str { path.leak() }).collect();
        let leak = |text: Option<String>| text.map(|text| -> &'static str { text.leak() });
        let (on, cilium) = (leak(self.on), leak(self.cilium));
        let names: Vec<String> =
            command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for name in names {
            command = command.mut_subcommand(name, |mut command| {
                let has = |command: &Command, id: &str| {
                    command.get_arguments().any(|argument| argument.get_id() == id)
                };
                if !paths.is_empty() && has(&command, "paths") {
                    command = command.mut_arg("paths", |argument| argument.default_values(paths.clone()));
                }
                for (id, value) in [("on", on), ("cilium", cilium)] {
                    if let Some(value) = value
                        && has(&command, id)
                    {
                        command = command.mut_arg(id, |argument| argument.default_value(value));
                    }
                }
                command
            });
        }
        command
    }
}

/// The folder whose file counts: the current one, or the first above it that has the file or is a repository's.
fn folder_of_config(here: &Path) -> Option<PathBuf> {
    let repository = here.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(here);
    let mut folders = here.ancestors().take_while(|folder| folder.starts_with(repository));
    folders.find(|folder| folder.join(FILE).exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all("paths = ['scenarios', './policies']\non = 'model'\ncilium = '1.19'", true)]
    #[case::nothing("", true)]
    #[case::unknown("path = ['scenarios']", false)]
    #[case::outside("paths = ['../elsewhere']", false)]
    #[case::absolute("paths = ['/etc']", false)]
    #[case::cluster("on = 'cluster'", false)]
    #[case::kind("on = 'kind:audit'", false)]
    #[case::version("cilium = '1.2'", false)]
    fn what_it_may_say(#[case] text: &str, #[case] expected: bool) {
        let config = toml::from_str::<Config>(text).ok().and_then(|config| config.check().ok());
        assert_eq!(config.is_some(), expected);
    }
}
