//! The tests of a set of scenarios, and the program that runs them.

use std::path::{Path, PathBuf};

use verdikt_scenario::version::CiliumVersion;

/// The size of one test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// A scenario.
    Scenario,
    /// A step of a scenario.
    #[default]
    Step,
    /// A cell of a step's table. Each step also has one test, `scenario/step`, of whether its objects are accepted or
    /// refused as expected.
    Cell,
}

/// The tests of a set of scenarios. [`main!`](crate::main) is the short form.
#[derive(Clone, Debug)]
pub struct Suite {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) granularity: Granularity,
    pub(crate) version: Option<CiliumVersion>,
    pub(crate) besides: Vec<CiliumVersion>,
}

impl Suite {
    /// A test for every step of the scenarios in these files and folders, relative to `root`: the folder of the
    /// package, `env!("CARGO_MANIFEST_DIR")`.
    pub fn new(root: impl AsRef<Path>, paths: &[impl AsRef<Path>]) -> Self {
        // Without it, messages contain whole paths.
        let here = std::env::current_dir().unwrap_or_default();
        let paths = paths.iter().map(|path| {
            let path = root.as_ref().join(path);
            // `cargo test` starts tests in this folder, which makes messages shorter.
            path.strip_prefix(&here)
                .ok()
                .filter(|path| !path.as_os_str().is_empty())
                .map_or(path.clone(), Path::to_owned)
        });
        Self {
            paths: paths.collect(),
            granularity: Granularity::default(),
            version: None,
            besides: Vec::new(),
        }
    }

    /// Sets the size of one test.
    #[must_use]
    pub fn granularity(self, granularity: Granularity) -> Self {
        Self { granularity, ..self }
    }

    /// Sets the Cilium version of the predictions, unless `VERDIKT_CILIUM` is set.
    #[must_use]
    pub fn cilium(self, version: CiliumVersion) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Adds tests for each of these versions: the whole set in the policy model of that Cilium version.
    #[must_use]
    pub fn also_under(self, versions: impl IntoIterator<Item = CiliumVersion>) -> Self {
        Self { besides: versions.into_iter().collect(), ..self }
    }
}
