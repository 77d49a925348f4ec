//! A folder with files, and what `verdikt` makes of it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder that lasts as long as its test.
pub(crate) struct Project(TempDir);

/// The result of a process.
#[derive(PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// A folder with these files: their paths below it, and their contents.
    pub(crate) fn with<Contents: AsRef<[u8]>>(files: &[(&str, Contents)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (path, contents) in files {
            let path = project.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        project
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, contents: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// The command in this folder, whatever the terminal of the test is. A run is one of the engine alone, which is
    /// the same each time, unless the test says where.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_verdikt")), arguments)
    }

    /// The same for the program elsewhere.
    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        if arguments.first() == Some(&"run") && !arguments.contains(&"--on") {
            command.args(["--on", "model"]);
        }
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "VERDIKT_CLUSTERWIDE", "VERDIKT_YES"] {
            command.env_remove(name);
        }
        // Runs remember what differs, and the user's own is none of the tests'.
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command.env("TERM", "xterm").env("COLUMNS", "100");
        command
    }

    /// The program in a folder of this name, beside which lies a probe.
    pub(crate) fn program_beside(&self, probe: &[u8]) -> PathBuf {
        let program = self.path("beside/verdikt");
        if !program.exists() {
            fs::create_dir(self.path("beside")).unwrap();
            let built = Path::new(env!("CARGO_BIN_EXE_verdikt"));
            // On another file system there is no second name for it.
            if fs::hard_link(built, &program).is_err() {
                fs::copy(built, &program).unwrap();
            }
            fs::write(self.path("beside/verdikt-probe"), probe).unwrap();
        }
        program
    }

    /// The same as `verdikt` at a terminal in which every message is one line.
    pub(crate) fn wide(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).env("COLUMNS", "1000"))
    }

    /// Runs `verdikt` in this folder.
    pub(crate) fn verdikt(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }
}

impl Ran {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let ran = Self {
            code: output.status.code().expect("the process ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        ran
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit code {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// A scenario whose every cell is as expected.
pub(crate) const GOOD: &str = "scenario: redis
about: Redis takes connections from the cart alone.
topology:
  namespaces: {database: {}, shop: {}}
  pods:
    database/redis: {labels: {app: redis}, serves: [tcp 6379]}
    shop/cart: {labels: {app: cart}}
    shop/stock: {labels: {app: stock}}
steps:
- step: open
  expect:
    tcp database/redis:6379: {allow: others}
- step: locked down
  policies: [cart-only]
  expect:
    tcp database/redis:6379:
      allow: [shop/cart]
      deny ingress by database/cart-only: [shop/stock]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart-only, namespace: database}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints:
    - matchLabels: {app: cart, io.kubernetes.pod.namespace: shop}
";

/// The same with one cell that differs.
pub(crate) fn differing() -> String {
    GOOD.replace(
        "      allow: [shop/cart]\n      deny ingress by database/cart-only: [shop/stock]\n",
        "      allow: others\n",
    )
}
