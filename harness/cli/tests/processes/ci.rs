//! The scripts in `ci/`, as a job of GitHub Actions runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;

use crate::project::{GOOD, Project, Ran, differing};

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join(path)
}

/// A job with these programs in front of the machine's own, and the files that GitHub gives a step.
fn job(programs: &[(&str, &str)], files: &[(&str, &str)]) -> Project {
    let project =
        Project::with(&[("output", ""), ("summary", ""), ("path", ""), ("home/.cache/verdikt/none", "")]);
    for (path, text) in files {
        fs::create_dir_all(project.path(path).parent().unwrap()).unwrap();
        fs::write(project.path(path), text).unwrap();
    }
    fs::create_dir_all(project.path("bin")).unwrap();
    for (program, text) in programs {
        let path = project.path(&format!("bin/{program}"));
        fs::write(&path, format!("#!/bin/sh\necho \"{program} $*\" >> calls\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    project
}

/// Runs a script as a step.
fn step(project: &Project, path: &str, inputs: &[(&str, &str)]) -> Ran {
    let mut command = Command::new("bash");
    command.arg(script(path)).current_dir(project.path("."));
    command.env("PATH", format!("{}:/usr/bin:/bin", project.path("bin").display()));
    for (name, file) in [
        ("GITHUB_OUTPUT", "output"),
        ("GITHUB_STEP_SUMMARY", "summary"),
        ("GITHUB_PATH", "path"),
        ("HOME", "home"),
    ] {
        command.env(name, project.path(file));
    }
    command.env("RUNNER_TEMP", project.path("temp"));
    for name in ["PATHS", "ON", "CILIUM", "SHARD", "ARGUMENTS"] {
        command.env(name, inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| *value));
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `verdikt` itself.
fn itself() -> String {
    format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_verdikt"))
}

#[test]
fn a_run_tells_what_came_of_it() {
    let check = |scenario: &str, code: i32, outcome: &str, title: &str| {
        let project = job(&[("verdikt", &itself())], &[("scenarios/redis.yaml", scenario)]);
        let ran = step(&project, "ci/run", &[("PATHS", "scenarios"), ("ON", "model")]);
        assert_eq!(ran.code, code, "{ran}");
        assert_eq!(project.read("output"), format!("outcome={outcome}\n"));
        assert_eq!(project.read("summary").lines().next().unwrap_or_default(), title);
        (project, ran)
    };
    let (project, ran) = check(&differing(), 1, "differs", "## verdikt: 1 of 4 cells differing");
    assert!(
        ran.stdout.lines().last().unwrap().starts_with("::error file=scenarios/redis.yaml,line="),
        "{ran}"
    );
    for report in ["events.jsonl", "junit.xml", "report.json", "summary.md", "annotations.txt"] {
        assert!(!project.read(&format!("temp/verdikt/{report}")).is_empty(), "{report}");
    }
    let (_, ran) = check(GOOD, 0, "as-expected", "## verdikt: 4 cells as expected");
    assert!(!ran.stdout.contains("::"), "{ran}");
    check("scenario: [", 2, "wrong", "");
}

#[test]
fn inputs_become_arguments() {
    let project = job(&[("verdikt", "exit 3")], &[]);
    let inputs = [
        ("PATHS", "scenarios more"),
        ("ON", "lab"),
        ("CILIUM", "1.18"),
        ("SHARD", "2/5"),
        ("ARGUMENTS", "--parallel 2"),
    ];
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!((ran.code, project.read("output").as_str()), (3, "outcome=inconclusive\n"), "{ran}");
    let folder = project.path("temp/verdikt").display().to_string();
    assert_snapshot!(project.read("calls").replace(&folder, "OUT"), @"verdikt run scenarios more --quiet --events OUT/events.jsonl --report junit=OUT/junit.xml --report json=OUT/report.json --report markdown=OUT/summary.md --report github=OUT/annotations.txt --on lab --cilium 1.18 --shard 2/5 --parallel 2");
}

/// A `verdikt` whose cluster comes up, for profiles of Cilium 1.20.
const CLUSTERS: &str = r#"case "$*" in
    "cluster list") echo "audit  Cilium 1.20.2   Kubernetes 1.36  -  audit mode" ;;
    images*) echo "Cilium 1.20  agent  quay.io/cilium/cilium:v1.20.2@sha256:aa"
             echo "Cilium 1.20  envoy  quay.io/cilium/cilium-envoy  (the chart knows the tag)" ;;
    "cluster up"*) echo kind-verdikt-audit ;;
esac"#;

#[test]
fn a_cluster_comes_up_first_and_its_images_are_kept() {
    let docker = "shift; shift; echo images > \"$1\"";
    let project = job(&[("verdikt", CLUSTERS), ("docker", docker)], &[]);
    let inputs = [("PATHS", "scenarios"), ("ON", "kind:audit")];
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!(ran.code, 0, "{ran}");
    let calls = |project: &Project| {
        let calls = project.read("calls").replace(&project.path("temp/verdikt").display().to_string(), "OUT");
        calls.replace(&project.path("home").display().to_string(), "HOME")
    };
    assert_snapshot!(calls(&project), @r"
    verdikt cluster up audit
    verdikt cluster list
    verdikt images --cilium 1.20.2
    docker save --output HOME/.cache/verdikt/images.tar quay.io/cilium/cilium:v1.20.2
    verdikt run scenarios --quiet --events OUT/events.jsonl --report junit=OUT/junit.xml --report json=OUT/report.json --report markdown=OUT/summary.md --report github=OUT/annotations.txt --on kind:audit --cilium 1.20
    ");
    assert_eq!(project.read("home/.cache/verdikt/images.tar"), "images\n");
    fs::write(project.path("calls"), "").unwrap();
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!(ran.code, 0, "{ran}");
    let calls = calls(&project);
    assert!(
        calls.starts_with("verdikt cluster up audit --image-archive HOME/.cache/verdikt/images.tar\n"),
        "{calls}"
    );
    assert!(!calls.contains("docker save"), "{calls}");
}

#[test]
fn a_cluster_that_does_not_come_up() {
    let project = job(&[("verdikt", "exit 4")], &[]);
    let ran = step(&project, "ci/run", &[("ON", "kind:audit")]);
    assert_eq!((ran.code, project.read("output").as_str()), (4, "outcome=failed\n"), "{ran}");
    assert!(ran.stdout.starts_with("::error title=verdikt::the cluster did not come up"), "{ran}");
}

#[test]
fn preparing_for_kind() {
    let programs = |doctor: &'static str| {
        let verdikt = CLUSTERS.replacen("in\n", &format!("in\n    \"cluster doctor\") {doctor} ;;\n"), 1);
        job(
            &[
                ("verdikt", &verdikt),
                ("sudo", ""),
                ("go", "echo \"  GOBIN=$GOBIN\" >> calls; touch installed"),
            ],
            &[],
        )
    };
    let project = programs("[ -e installed ]");
    let ran = step(&project, "ci/prepare", &[("ON", "kind:audit")]);
    assert_eq!(ran.code, 0, "{ran}");
    let calls = project.read("calls").replace(&project.path("home").display().to_string(), "HOME");
    assert_snapshot!(calls, @r"
    sudo sysctl --quiet --write fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288
    verdikt cluster doctor
    go install sigs.k8s.io/kind@v0.32.0
      GOBIN=HOME/.cache/verdikt/bin
    verdikt cluster doctor
    verdikt cluster list
    verdikt images --cilium 1.20.2
    ");
    assert!(project.read("output").starts_with("images=verdikt-images-"), "{}", project.read("output"));
    let ran = step(&project, "ci/prepare", &[("ON", "kind:nothing")]);
    assert_eq!(ran.code, 2, "{ran}");
    let ran = step(&programs("exit 4"), "ci/prepare", &[("ON", "kind:audit")]);
    assert_eq!(ran.code, 4, "docker cannot be installed by the action: {ran}");
}

#[test]
fn the_matrix_is_current() {
    let output = Command::new("bash").arg(script("ci/matrix")).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
