//! The scripts in `ci/`, as a job of GitHub Actions runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use rstest::rstest;

use crate::install::release;
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
    ran(command(project, path, inputs).output().unwrap())
}

/// A script as a step.
fn command(project: &Project, path: &str, inputs: &[(&str, &str)]) -> Command {
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
    let names = ["PATHS", "ON", "CILIUM", "SHARD", "ARGUMENTS", "CHECK", "RENDER", "DENY_WARNINGS", "REF"];
    for name in names.into_iter().chain(["DIFF", "FAIL_ON", "BASE", "COMMENT", "PULL_REQUEST"]) {
        command.env(name, inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| *value));
    }
    command
}

fn ran(output: Output) -> Ran {
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
    let reports = ["events.jsonl", "junit.xml", "report.json", "summary.md", "annotations.txt"];
    let is_empty = |report: &&str| project.read(&format!("temp/verdikt/{report}")).is_empty();
    assert_eq!(reports.into_iter().filter(is_empty).collect::<Vec<_>>(), [] as [&str; 0]);
    let (_, ran) = check(GOOD, 0, "as-expected", "## verdikt: 4 cells as expected");
    assert_eq!(commands(&ran), [] as [&str; 0], "{ran}");
    let (_, ran) = check("scenario: [", 2, "wrong", "## verdikt: 1 mistake, 0 warnings");
    let [annotation] = commands(&ran)[..] else { panic!("{ran}") };
    assert!(annotation.starts_with("::error file=scenarios/redis.yaml,line=1,"), "{ran}");
}

/// What the runner takes for commands: those while it takes none are left out, and so is what stops and starts that.
/// <https://github.com/actions/runner/blob/main/src/Runner.Worker/ActionCommandManager.cs>
fn commands(ran: &Ran) -> Vec<&str> {
    let mut resumes = None;
    let mut commands = Vec::new();
    for line in ran.stdout.split(['\n', '\r']).chain(ran.stderr.split(['\n', '\r'])) {
        let line = line.trim_start();
        match (&resumes, line.strip_prefix("::stop-commands::")) {
            (None, Some(token)) => resumes = Some(format!("::{token}::")),
            (Some(resume), _) if line == resume => resumes = None,
            (None, None) if line.starts_with("::") || line.contains("##[") => commands.push(line),
            _ => {}
        }
    }
    assert_eq!(resumes, None, "commands stay stopped: {ran}");
    commands
}

/// Whatever is printed, by verdikt or by a program below it: no token is the same twice, and none can be guessed.
#[test]
fn nothing_that_is_printed_is_a_command() {
    let hostile =
        "echo ::error::a; echo '##[error]b' >&2; printf 'c ##[add-mask]d\\r::set-output name=e::f'; exit 1";
    let project = job(&[("verdikt", &format!("{ANNOTATES}; {hostile}"))], &[]);
    let runs = [(); 2].map(|()| step(&project, "ci/run", &[("ON", "model")]));
    for ran in &runs {
        assert_eq!(ran.code, 1, "{ran}");
        assert!(ran.stdout.contains("##[error]b"), "both outputs are one, in their order: {ran}");
        assert_eq!(commands(ran), ["::error file=a::ours"], "{ran}");
    }
    assert_ne!(runs[0].stdout.lines().next(), runs[1].stdout.lines().next());
    let project = job(&[("verdikt", CLUSTERS), ("sudo", "")], &[]);
    let ran = step(&project, "ci/prepare", &[("ON", "kind:x\n::error::y")]);
    let told = ["::error title=verdikt::there is no profile x???error??y; verdikt cluster list has all"];
    assert_eq!(commands(&ran), told, "{ran}");
}

/// A program that writes one annotation.
const ANNOTATES: &str = "echo '::error file=a::ours' > \"$RUNNER_TEMP/verdikt/annotations.txt\"";

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
    assert_snapshot!(project.read("calls").replace(&folder, "OUT"), @"verdikt run --quiet --events OUT/events.jsonl --report junit=OUT/junit.xml --report json=OUT/report.json --report markdown=OUT/summary.md --report github=OUT/annotations.txt --on=lab --cilium=1.18 --shard=2/5 --parallel 2 -- scenarios more");
}

/// The run that leaves the most unknown decides.
#[test]
fn several_versions_of_cilium() {
    let verdikt = "case \"$*\" in *1.18*) exit 3 ;; *1.19*) exit 1 ;; esac";
    let project = job(&[("verdikt", verdikt)], &[]);
    let inputs = [("PATHS", "scenarios"), ("ON", "model"), ("CILIUM", "1.18 1.19 1.20")];
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!((ran.code, project.read("output").as_str()), (1, "outcome=differs\n"), "{ran}");
    assert_eq!(project.read("summary"), "# Cilium 1.18\n\n# Cilium 1.19\n\n# Cilium 1.20\n\n");
    let calls = project.read("calls");
    assert_eq!(calls.lines().count(), 3, "{calls}");
    for (call, version) in calls.lines().zip(["1.18", "1.19", "1.20"]) {
        let folder = project.path(&format!("temp/verdikt/{version}"));
        let expected = [format!("--cilium={version} "), format!("junit={}/junit.xml", folder.display())];
        assert!(expected.iter().all(|word| call.contains(word)), "{call}");
    }
}

const DENIES_NOTHING: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {endpointSelector: {}, ingress: []}
";

#[rstest]
#[case::files([("CHECK", "policies"), ("PATHS", "")], "policies/deny.yaml")]
#[case::rendered([("RENDER", "cat policies/*.yaml"), ("PATHS", "")], "rendered.yaml")]
fn policies_are_checked(#[case] inputs: [(&str, &str); 2], #[case] file: &str) {
    let project = job(&[("verdikt", &itself())], &[("policies/deny.yaml", DENIES_NOTHING)]);
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!((ran.code, project.read("output").as_str()), (2, "outcome=wrong\n"), "{ran}");
    let annotations = commands(&ran);
    assert!(
        annotations
            .iter()
            .any(|line| line.starts_with("::error file=") && line.contains(&format!("{file},line="))),
        "{ran}"
    );
    assert!(project.read("summary").contains("at least one of Ingress"), "{}", project.read("summary"));
    assert!(!project.read("calls").contains("verdikt run"), "nothing else was asked for");
}

#[test]
fn a_renderer_that_fails() {
    let project = job(&[("verdikt", &itself())], &[]);
    let ran = step(&project, "ci/run", &[("RENDER", "false | cat"), ("PATHS", "")]);
    assert_eq!((ran.code, project.read("output").as_str()), (4, "outcome=failed\n"), "{ran}");
}

#[test]
fn a_pull_request_is_compared_with_its_base() {
    let programs = [("verdikt", "echo compared; exit 1"), ("git", ""), ("gh", "exit 1")];
    let project = job(&programs, &[]);
    let inputs = [
        ("DIFF", "manifests"),
        ("FAIL_ON", "opened"),
        ("BASE", "0123abc"),
        ("COMMENT", "true"),
        ("PULL_REQUEST", "7"),
        ("PATHS", ""),
    ];
    let ran = step(&project, "ci/run", &inputs);
    assert_eq!((ran.code, project.read("output").as_str()), (1, "outcome=differs\n"), "{ran}");
    let calls = project.read("calls").replace(&project.path("temp/verdikt").display().to_string(), "OUT");
    assert_snapshot!(calls, @r"
    git cat-file -e 0123abc^{commit}
    verdikt diff --git 0123abc --format markdown --fail-on=opened -- manifests
    gh pr comment 7 --edit-last --create-if-none --body-file OUT/comment.md
    ");
    assert_eq!(project.read("summary"), "compared\n");
    // A fork may not write one, which is not a reason to fail.
    assert_eq!(commands(&ran).len(), 1, "{ran}");
}

/// GitHub refuses a summary of more than 1 MiB.
#[test]
fn a_summary_keeps_within_its_limit() {
    let verdikt = "yes 'a line of the summary' | head -c 3000000 > \"$RUNNER_TEMP/verdikt/summary.md\"";
    let project = job(&[("verdikt", verdikt)], &[]);
    let ran = step(&project, "ci/run", &[("PATHS", "scenarios"), ("ON", "model")]);
    assert_eq!(ran.code, 0, "{ran}");
    let summary = project.read("summary");
    assert!(summary.len() < 1 << 20, "{}", summary.len());
    assert!(
        summary
            .ends_with("a line of the summary\n\n\nThe rest is too long for a summary; the upload has it.\n")
    );
}

/// Which verdikt the action takes, by the ref that a workflow names it by.
#[rstest]
#[case::tag("v0", "release")]
#[case::commit("0123456789abcdef0123456789abcdef01234567", "release")]
#[case::another_commit("1123456789abcdef0123456789abcdef01234567", "build")]
#[case::branch("main", "build")]
#[case::here("", "build")]
fn the_release_of_the_ref_is_taken(#[case] reference: &str, #[case] how: &str) {
    let place = format!("download/v{}", env!("CARGO_PKG_VERSION"));
    let (release, url) = release(&place);
    fs::write(
        release.path(&format!("releases/{place}/COMMIT")),
        "0123456789abcdef0123456789abcdef01234567\n",
    )
    .unwrap();
    let project = job(&[], &[]);
    let mut command = command(&project, "ci/get", &[("REF", reference)]);
    let ran = ran(command.env("VERDIKT_RELEASES", url).output().unwrap());
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.read("output").starts_with(&format!("how={how}\n")), "{}", project.read("output"));
    assert_eq!(project.path("home/.cache/verdikt/bin/verdikt-probe").exists(), how == "release");
    assert!(project.read("path").ends_with("/.cache/verdikt/bin\n"));
}

/// Nothing in an input is expanded, and no path is an option.
#[test]
fn inputs_are_lists_and_no_shell() {
    let arguments = "printf '%s|' \"$@\" >> words";
    let words = |paths: &str, more: &str| {
        let project = job(&[("verdikt", arguments)], &[("a b.yaml", ""), ("--keep", "")]);
        let ran = step(&project, "ci/run", &[("PATHS", paths), ("ARGUMENTS", more)]);
        assert_eq!(ran.code, 0, "{ran}");
        let words = project.read("words");
        words.split_once("annotations.txt|").unwrap().1.to_owned()
    };
    assert_eq!(words("*  $HOME `id`", "--filter *"), "--filter|*|--|*|$HOME|`id`|");
    assert_eq!(words("a b.yaml\n--keep\n\n", "--filter\n'a b'\n"), "--filter|'a b'|--|a b.yaml|--keep|");
    assert_eq!(words("", ""), "--|");
}

/// Whoever stops the job stops the run, and what it knew is told.
#[test]
fn a_job_that_is_stopped_tells_what_is_known() {
    let verdikt = "trap 'echo stopped; exit 4' TERM; : > ready; while :; do sleep 0.05; done";
    let project = job(&[("verdikt", &format!("{ANNOTATES}; {verdikt}"))], &[]);
    let mut command = command(&project, "ci/run", &[("ON", "model")]);
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !project.path("ready").exists() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let ran = ran(process.wait_with_output().unwrap());
    assert_eq!((ran.code, project.read("output").as_str()), (4, "outcome=failed\n"), "{ran}");
    assert!(ran.stdout.contains("stopped\n"), "{ran}");
    assert_eq!(commands(&ran), ["::error file=a::ours"], "{ran}");
}

/// A `verdikt` whose cluster comes up, for profiles of Cilium 1.20.
const CLUSTERS: &str = r#"case "$*" in
    "cluster list") echo "audit  Cilium 1.20.2   Kubernetes 1.36  -  audit mode" ;;
    images*) echo "Cilium 1.20  probe  quay.io/cilium/cilium:v1.20.2@sha256:aa"
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
    verdikt run --quiet --events OUT/events.jsonl --evidence OUT/evidence --report junit=OUT/junit.xml --report json=OUT/report.json --report markdown=OUT/summary.md --report github=OUT/annotations.txt --on=kind:audit --cilium=1.20 -- scenarios
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
    let told = ["::error title=verdikt::the cluster did not come up; the log of this step says why"];
    assert_eq!(commands(&ran), told, "{ran}");
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
    go install sigs.k8s.io/kind@v0.33.0
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

#[test]
fn a_release_has_the_version_of_its_tag() {
    let version = |arguments: &[&str]| {
        let output = Command::new("bash").arg(script("ci/version")).args(arguments).output().unwrap();
        ran(output)
    };
    let current = env!("CARGO_PKG_VERSION");
    assert_eq!(version(&[]).stdout, format!("{current}\n"));
    assert_eq!(version(&["--check", &format!("v{current}")]).code, 0);
    assert_eq!(version(&["--check", "v99.0.0"]).code, 1);
    assert_eq!(version(&["--nonsense"]).code, 2);
}
