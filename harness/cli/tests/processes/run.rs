//! `verdikt run`: tables, filters, reports and exit codes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project, differing};

#[test]
fn as_expected() {
    let project = Project::with(&[("scenarios/redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run"]);
    assert_snapshot!(ran, @"
    exit code 0
    --- stdout
    ok            redis: 2 steps, 4 cells

    backend model, Cilium 1.20
    as expected: 1 scenario, 2 steps, 4 cells, 1 policy object
    ");
    assert!(ran == project.verdikt(&["run", "scenarios"]), "`scenarios/` is the default");
    assert!(ran == project.verdikt(&["run", "--on", "model", "--cilium", "1.20"]), "and so are these");
}

#[test]
fn differs() {
    let project = Project::with(&[("redis.yaml", differing())]);
    assert_snapshot!(project.verdikt(&["run", "redis.yaml", "--quiet"]), @"
    exit code 1
    --- stdout
    DIFFERS       redis: 2 steps, 4 cells, 1 differing

    DIFFERS       redis/locked down: 2 cells, 1 differing

    ! redis/locked down/tcp database/redis:6379/shop/stock: differs
        expected   allow, at redis.yaml:17
        predicted  deny ingress
        checks
          1. egress of shop/stock to database/redis, tcp port 6379
             allowed: no policy isolates shop/stock at egress
          2. ingress of database/redis from shop/stock, tcp port 6379
             denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
                redis.yaml:25  CiliumNetworkPolicy database/cart-only spec.ingress[0]
             the nearest rule that allows something is
                redis.yaml:25  CiliumNetworkPolicy database/cart-only spec.ingress[0]
                it fails on peer: app=cart is wanted, its app is stock
        again      verdikt run redis.yaml --filter 'redis/locked down/tcp database/redis:6379/shop/stock'

    not as expected:
      DIFFERS       redis/locked down: 2 cells, 1 differing
        tcp database/redis:6379 from shop/stock: expected allow, deny ingress by database/cart-only
          redis.yaml:25

    backend model, Cilium 1.20
    DIFFERS: 1 scenario, 2 steps, 4 cells, 1 policy object, 1 differing cell
    ");
}

#[test]
fn inconclusive() {
    let unknown =
        GOOD.replace("  - fromEndpoints:", "  - authentication: {mode: required}\n    fromEndpoints:");
    let project = Project::with(&[("redis.yaml", unknown)]);
    assert_snapshot!(project.verdikt(&["run", "redis.yaml", "--quiet"]), @"
    exit code 3
    --- stdout
    inconclusive  redis: 2 steps, 4 cells, 1 inconclusive

    inconclusive  redis/locked down: 2 cells, 1 inconclusive

    ? redis/locked down/tcp database/redis:6379/shop/cart: inconclusive
        expected   allow, at redis.yaml:17
        predicted  inconclusive: the engine does not know whether mutual authentication succeeds
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             the engine does not know whether mutual authentication succeeds
                redis.yaml:26  CiliumNetworkPolicy database/cart-only spec.ingress[0]
        again      verdikt run redis.yaml --filter 'redis/locked down/tcp database/redis:6379/shop/cart'

    not as expected:
      inconclusive  redis/locked down: 2 cells, 1 inconclusive
        tcp database/redis:6379 from shop/cart: expected allow, inconclusive: the engine does not know
          whether mutual authentication succeeds

    backend model, Cilium 1.20
    inconclusive: 1 scenario, 2 steps, 4 cells, 1 policy object, 1 inconclusive cell
    ");
}

/// The command that a difference names evaluates that cell and no other.
#[test]
fn the_command_for_one_cell_works() {
    let scenario = differing().replace("scenario: redis", "scenario: it's $HOME");
    let scenario = scenario.replace("shop/stock: ", "shop/stock-2: {labels: {app: stock}}\n    shop/stock: ");
    let project = Project::with(&[("a folder/it's.yaml", scenario)]);
    let ran = project.verdikt(&["run", "a folder", "--quiet"]);
    let commands: Vec<&str> =
        ran.stdout.lines().filter_map(|line| line.trim().strip_prefix("again")).map(str::trim).collect();
    assert_eq!(commands.len(), 2, "{ran}");
    for command in commands {
        let arguments = command.strip_prefix("verdikt ").unwrap();
        let script = format!("exec \"$VERDIKT\" {arguments} --list");
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &script])
            .current_dir(project.path(""))
            .env("VERDIKT", env!("CARGO_BIN_EXE_verdikt"));
        let output = shell.output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(listed.lines().count(), 1, "{command}\n{listed}");
    }
}

#[test]
fn a_list_is_the_names_alone() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    assert_snapshot!(project.verdikt(&["run", "redis.yaml", "--list"]), @r"
    exit code 0
    --- stdout
    redis/open/tcp database/redis:6379/shop/cart
    redis/open/tcp database/redis:6379/shop/stock
    redis/locked down/tcp database/redis:6379/shop/cart
    redis/locked down/tcp database/redis:6379/shop/stock
    ");
    let filtered = project.verdikt(&["run", "redis.yaml", "--list", "--filter", "open/*/shop/cart"]);
    assert_eq!(filtered.stdout.lines().count(), 0, "stars make it the whole name: {filtered}");
    let filtered = project.verdikt(&["run", "redis.yaml", "--list", "--filter", "*/open/*/shop/cart"]);
    assert_eq!(filtered.stdout, "redis/open/tcp database/redis:6379/shop/cart\n");
}

#[test]
fn exit_codes() {
    let old = GOOD.replace("topology:", "cilium: \"<=1.17\"\ntopology:");
    // The engine knows what mutual authentication is, not whether a pod passes it.
    let unknown =
        GOOD.replace("  - fromEndpoints:", "  - authentication: {mode: required}\n    fromEndpoints:");
    let project = Project::with(&[
        ("good.yaml", GOOD),
        ("differs.yaml", &differing()),
        ("old.yaml", &old),
        ("unknown.yaml", &unknown),
        ("wrong.yaml", "scenario: wrong\n"),
    ]);
    let check = |arguments: &[&str], expected: i32| {
        let ran = project.verdikt(arguments);
        assert_eq!(ran.code, expected, "{arguments:?}\n{ran}");
    };
    check(&["run", "good.yaml"], 0);
    check(&["run", "differs.yaml"], 1);
    check(&["run", "differs.yaml", "--filter", "open"], 0);
    check(&["run", "wrong.yaml"], 2);
    check(&["run", "good.yaml", "wrong.yaml"], 2);
    check(&["run", "unknown.yaml", "--filter", "locked down"], 3);
    check(&["run", "old.yaml"], 5);
    check(&["run", "old.yaml", "--cilium", "1.16"], 0);
    check(&["run", "old.yaml", "--cilium", "1.17"], 0);
    check(&["run", "good.yaml", "--filter", "nowhere"], 5);
}

#[test]
fn a_scenario_for_other_versions_is_seen() {
    let old = GOOD
        .replace("scenario: redis", "scenario: old")
        .replace("topology:", "cilium: \"<=1.17\"\ntopology:");
    let project = Project::with(&[("good.yaml", GOOD), ("old.yaml", &old)]);
    assert_snapshot!(project.verdikt(&["run", "good.yaml", "old.yaml", "-q"]), @"
    exit code 0
    --- stdout
    skipped       old: it holds for Cilium <=1.17, and this run is for 1.20

    backend model, Cilium 1.20
    as expected: 1 scenario, 2 steps, 4 cells, 1 policy object, 1 scenario skipped
    ");
}

#[test]
fn colours_are_taken_only_where_asked_for() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let coloured = |arguments: &[&str]| project.verdikt(arguments).stdout.contains('\u{1b}');
    assert!(!coloured(&["run", "redis.yaml"]));
    assert!(coloured(&["run", "redis.yaml", "--color", "always"]));
    assert!(coloured(&["run", "redis.yaml", "--colour", "always"]));
    assert!(!coloured(&["--color", "never", "run", "redis.yaml"]));
    let under = |environment: &[(&str, &str)], arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.envs(environment.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap().contains('\u{1b}')
    };
    let run = ["run", "redis.yaml"];
    assert!(under(&[("FORCE_COLOR", "1")], &run) && under(&[("CLICOLOR_FORCE", "1")], &run));
    assert!(!under(&[("FORCE_COLOR", "0")], &run) && !under(&[("CLICOLOR_FORCE", "0")], &run));
    assert!(!under(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], &run), "no colours are wished for");
    assert!(!under(&[("FORCE_COLOR", "1")], &["run", "redis.yaml", "--color", "never"]));
}

/// Reports say the same as the terminal does, and the same again in the next run.
#[test]
fn reports_in_files() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let arguments = [
        "run",
        "redis.yaml",
        "-q",
        "--report",
        "junit=a.xml",
        "--report",
        "json=a.json",
        "--events",
        "a.log",
    ];
    let ran = project.verdikt(&arguments);
    assert!(ran == project.verdikt(&["run", "redis.yaml", "-q"]), "{ran}");
    let junit = project.read("a.xml");
    let mut counts = ["tests=\"4\"", "failures=\"1\"", "errors=\"0\"", "skipped=\"0\""].into_iter();
    assert_eq!(counts.find(|count| !junit.contains(count)), None, "{junit}");
    let json: serde_json::Value = serde_json::from_str(&project.read("a.json")).unwrap();
    assert_eq!((&json["outcome"], &json["totals"]["differing"]), (&"differs".into(), &1.into()));
    let log = project.read("a.log");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(log.starts_with("{\"event\":\"run-started\",\"format\":5,"), "{log}");
    project.verdikt(&arguments);
    assert_eq!(without_times(&project.read("a.xml")), without_times(&junit), "but for the time");
    assert_eq!(without_times(&project.read("a.log")), without_times(&log), "but for the time");
    let parts = ["\"run\":\"", "\"started\":\"", "\"took\":{", "\"arguments\":[\"run\",\"redis.yaml\""];
    assert_eq!(parts.into_iter().find(|part| !log.contains(part)), None, "{log}");
    assert!(junit.contains(" timestamp=\"") && junit.contains(" time=\""), "{junit}");
}

/// A report or log without what is another one each time: names of runs, moments and durations.
fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, after) in [
        (" time=\"", '"'),
        (" timestamp=\"", '"'),
        ("\"run\":\"", '"'),
        ("\"started\":\"", '"'),
        ("\"took\":{", '}'),
    ] {
        let mut parts = text.split(before);
        let first = parts.next().unwrap_or_default().to_owned();
        text = parts.fold(first, |text, part| text + part.split_once(after).map_or(part, |(_, rest)| rest));
    }
    text
}

/// Whoever reads the output may go at any time.
#[rstest]
#[case::run(&["run", "redis.yaml"])]
#[case::list(&["run", "redis.yaml", "--list"])]
#[case::schema(&["schema"])]
fn a_closed_pipe_is_no_panic(#[case] arguments: &[&str]) {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    // The reader has gone before the process begins, so that its first line already fails.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let process = project.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
}

/// One file by two names is one file.
#[test]
fn outputs_that_are_the_same_file_by_another_name() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--events", "x", "--report", "json=./x"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert!(ran.stderr.contains("would be written twice"), "{ran}");
}

#[test]
fn shards_share_the_scenarios() {
    let files: Vec<(String, String)> = (0..3)
        .map(|number| {
            let text = GOOD.replace("scenario: redis", &format!("scenario: redis-{number}"));
            (format!("scenarios/{number}.yaml"), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let project = Project::with(&files);
    let listed = |arguments: &[&str]| {
        let ran = project.verdikt(&[&["run", "--list"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [first, second] = ["1/2", "2/2"].map(|shard| listed(&["--shard", shard]));
    assert!(
        first.iter().all(|cell| cell.starts_with("redis-0/") || cell.starts_with("redis-2/")),
        "{first:?}"
    );
    let mut both = [first, second].concat();
    let mut all = listed(&[]);
    both.sort();
    all.sort();
    assert_eq!(both, all, "every cell in one shard");
    assert_snapshot!(project.verdikt(&["run", "--shard", "5/5"]), @r"
    exit code 5
    --- stderr
    error: there is nothing to run

    hint: shard 5/5 of 3 scenarios is empty
    ");
    assert_snapshot!(project.verdikt(&["run", "--shard", "3/2"]), @r"
    exit code 2
    --- stderr
    error: invalid value '3/2' for '--shard <PART/PARTS>': a shard is written 2/5: the second of five parts

    For more information, try '--help'.
    ");
}

#[test]
fn reports_for_a_change() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let ran = project.verdikt(&[
        "run",
        "redis.yaml",
        "-q",
        "--report",
        "markdown=a.md",
        "--report",
        "github=b.txt",
    ]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(project.read("a.md").starts_with("## verdikt: 1 of 4 cells differing\n"));
    assert_snapshot!(project.read("b.txt"), @"::error file=redis.yaml,line=25,title=verdikt%3A not as expected::redis/locked down/tcp database/redis:6379/shop/stock: deny ingress, expected allow at redis.yaml:17");
}

/// Steps, a path and a source whose names have everything that shells, filters and reports read as something else.
const ODD: &str = r#"
scenario: "odd / names"
about: Names that want care.
topology:
  namespaces: {shop: {}}
  pods:
    shop/cart: {labels: {app: cart}}
    shop/store: {labels: {app: store}, serves: [http 80]}
  world:
    client: {}
steps:
- step: "a/b"
  expect: &table
    http GET shop/store:80/x*?q=[a]&b=%2F|<c>'"_@#~: {deny: others}
    http GET shop/store:80/x: {deny: others}
    http GET shop/store:80/x/y X-Header=a/b,c: {deny: others}
- step: "a\\/b"
  expect: *table
- step: "a  b*"
  expect: *table
- step: "--a $(x) `y` \u202E "
  expect: *table
"#;

#[test]
fn every_name_that_a_report_prints_can_be_given_to_a_filter() {
    let project = Project::with(&[("odd.yaml", ODD)]);
    let listed = project.verdikt(&["run", "odd.yaml", "--list"]);
    assert_eq!(listed.code, 0, "{listed}");
    let names: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(names.len(), 24, "{listed}");
    let shown = project.verdikt(&[
        "run",
        "odd.yaml",
        "--events",
        "log",
        "--report",
        "json=json",
        "--report",
        "junit=junit",
        "--report",
        "markdown=markdown",
        "--report",
        "github=github",
    ]);
    assert_eq!(shown.code, 1, "{shown}");
    let [log, json, junit, markdown, github] =
        ["log", "json", "junit", "markdown", "github"].map(|file| project.read(file));
    for name in names {
        let found = project.verdikt(&["run", "odd.yaml", "--list", "--filter", name]);
        assert_eq!(found.stdout, format!("{name}\n"), "its own name finds a cell");
        let quoted = serde_json::to_string(name).unwrap();
        assert!(log.contains(&format!("\"name\":{quoted}")), "{name} in the event log");
        assert!(json.contains(&format!("\"name\": {quoted}")), "{name} in JSON");
        let in_xml = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let in_xml = in_xml.replace('"', "&quot;").replace('\'', "&apos;");
        assert!(junit.contains(&format!("name=\"{in_xml}\"")), "{name} in JUnit: {junit}");
        let in_html: String = name
            .chars()
            .map(|c| if "&<>@#".contains(c) { format!("&#{};", u32::from(c)) } else { c.to_string() })
            .collect();
        assert!(markdown.contains(&format!("<summary>{in_html}: differs</summary>")), "{name} in Markdown");
        assert!(github.contains(&name.replace('%', "%25")), "{name} in annotations: {github}");
        let in_shell = format!("--filter '{}'\n", name.replace('\'', r"'\''"));
        assert!(shown.stdout.contains(&in_shell), "{name} in the terminal: {}", shown.stdout);
    }
}

#[test]
fn what_failed_is_run_again() {
    let project = Project::with(&[("redis.yaml", differing())]);
    let nothing = project.verdikt(&["run", "--failed", "redis.yaml"]);
    assert!(nothing.code == 5 && nothing.stderr.contains("nothing to run again"), "{nothing}");
    assert_eq!(project.verdikt(&["run", "redis.yaml"]).code, 1);
    let listed = project.verdikt(&["run", "--failed", "--list", "redis.yaml"]);
    assert_eq!(listed.stdout, "redis/locked down/tcp database/redis:6379/shop/stock\n", "{listed}");
    fs::write(project.path("redis.yaml"), GOOD).unwrap();
    let again = project.verdikt(&["run", "--failed", "redis.yaml"]);
    assert!(again.code == 0 && again.stdout.contains("1 cell"), "{again}");
    assert_eq!(project.verdikt(&["run", "--failed", "redis.yaml"]).code, 5, "it is as expected by now");
}

#[test]
fn a_saved_file_is_run_again_and_no_other() {
    let other = GOOD.replace("scenario: redis", "scenario: other");
    let project = Project::with(&[("redis.yaml", GOOD), ("other.yaml", &other)]);
    let mut command = project.command(&["run", "--watch", "--quiet", "."]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = |pipe: Box<dyn std::io::Read>| BufReader::new(pipe).lines().map(Result::unwrap);
    let mut output = lines(Box::new(process.stdout.take().unwrap()));
    let mut remarks = lines(Box::new(process.stderr.take().unwrap()));
    assert!(remarks.any(|line| line.starts_with("waiting for a file to be saved")));
    assert!(output.any(|line| line.starts_with("as expected: 2 scenarios")));
    fs::write(project.path("redis.yaml"), differing()).unwrap();
    assert!(output.any(|line| line.starts_with("DIFFERS: 1 scenario,")));
    assert!(remarks.any(|line| line.starts_with("waiting for a file to be saved")));
    assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(4));
}
