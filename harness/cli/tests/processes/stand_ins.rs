//! Stand-ins for docker, kind and helm that record how they are called and answer as the programs do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use crate::project::{Project, Ran};

/// How the stand-ins answer where a test does not say otherwise: everything is well, and there is no cluster.
const WELL: &[(&str, &str)] = &[
    (
        "docker",
        r#"case "$*" in
            version*) echo 28.2.2 ;;
            "image inspect"*) exit 1 ;;
            "load --input "*) echo "Loaded image: quay.io/cilium/cilium-envoy:v9"; echo "Loaded image: kindest/node:v1.36.4" ;;
        esac"#,
    ),
    (
        "kind",
        r#"case "$*" in
            version) echo "kind v0.33.0 go1.26.1 linux/amd64" ;;
            "get clusters") echo "No kind clusters found." >&2 ;;
        esac"#,
    ),
    (
        "helm",
        r#"case "$*" in version*) echo "v3.18.4+gd80839c" ;; list*) echo "[]" ;;
            "get values"*) echo "{}" ;;
            "show chart"*) printf 'apiVersion: v2\nname: cilium\nversion: 1.20.2\n' ;; esac"#,
    ),
];

/// What `helm list` says of Cilium as the profile has it.
pub(crate) const INSTALLED: &str =
    r#"list*) echo '[{"name":"cilium","chart":"cilium-1.20.2","status":"deployed"}]' ;;"#;

/// A folder with stand-ins as its only PATH.
pub(crate) struct StandIns(pub(crate) Project);

impl StandIns {
    /// Stand-ins that answer well.
    pub(crate) fn well() -> Self {
        let stand_ins = Self(Project::with(&[("calls", ""), ("bin/none", "")]));
        for &(program, answers) in WELL {
            stand_ins.answer(program, answers);
        }
        stand_ins
    }

    /// The stand-in of a program answers so.
    pub(crate) fn answer(&self, program: &str, answers: &str) {
        let path = self.0.path(&format!("bin/{program}"));
        // What comes in is recorded by its first line, which names the file.
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"{program} $*\" >> '{calls}'\n\
             case \"$*\" in *\" -\"|*\" - \"*) read -r first; echo \"  < $first\" >> '{calls}' ;; esac\n{answers}\n",
            calls = self.0.path("calls").display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The same with other answers in front of a program's usual ones.
    pub(crate) fn first(&self, program: &str, cases: &str) {
        let (_, usual) = WELL.iter().find(|(name, _)| *name == program).unwrap();
        self.answer(program, &usual.replacen("case \"$*\" in", &format!("case \"$*\" in {cases}"), 1));
    }

    pub(crate) fn without(&self, program: &str) {
        fs::remove_file(self.0.path(&format!("bin/{program}"))).unwrap();
    }

    /// Runs `verdikt`; times and the folder's name are left out of what it says.
    pub(crate) fn verdikt(&self, arguments: &[&str]) -> Ran {
        fs::write(self.0.path("calls"), "").unwrap();
        self.run(&mut self.0.command(arguments))
    }

    /// The same for the program in a folder of this name, beside which lies a probe that nodes would take.
    pub(crate) fn verdikt_with_probe(&self, arguments: &[&str]) -> Ran {
        let program = self.0.program_beside(&static_program());
        fs::write(self.0.path("calls"), "").unwrap();
        self.run(&mut self.0.command_of(&program, arguments))
    }

    /// Starts `verdikt`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        fs::write(self.0.path("calls"), "").unwrap();
        let mut command = self.0.command(arguments);
        self.surround(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The command sees the stand-ins alone.
    fn surround(&self, command: &mut Command) {
        command.env("PATH", self.0.path("bin")).env("TMPDIR", self.0.path(""));
        // No cluster is there, whatever the one who runs the tests has.
        command.env("KUBECONFIG", self.0.path("no-kubeconfig"));
    }

    fn run(&self, command: &mut Command) -> Ran {
        self.surround(command);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.lines().flat_map(|line| [without_time(line), "\n"]).collect()
        };
        let ran = Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        ran
    }

    /// How the programs were called, their versions aside.
    pub(crate) fn calls(&self) -> String {
        let calls = self.0.read("calls");
        let calls = calls.lines().filter(|call| !call.contains(" version"));
        calls.flat_map(|call| [call, "\n"]).collect()
    }
}

/// `   1.2 s  check` without the time.
fn without_time(line: &str) -> &str {
    match line.split_once(" s  ") {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => rest,
        _ => line,
    }
}

/// The smallest program that goes for one that needs no libraries: a header, and one segment to load.
pub(crate) fn static_program() -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18] = 62;
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = 1;
    bytes
}
