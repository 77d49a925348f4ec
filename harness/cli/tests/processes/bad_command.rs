//! Commands that are wrong: exit code 2, nothing on stdout, and what to do.

use std::fmt::Write as _;

use insta::assert_snapshot;

use crate::project::{GOOD, Project};

#[test]
#[expect(clippy::too_many_lines, reason = "there are many wrong commands")]
fn every_wrong_command() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let mut text = String::new();
    for arguments in [
        &["run"][..],
        &["check"],
        &["run", "nowhere.yaml"],
        &["run", "redis.yaml", "--on", "lab:default"],
        &["run", "redis.yaml", "--on", "cluster:"],
        &["run", "redis.yaml", "--on", "kind:default"],
        &["run", "redis.yaml", "--on", "elsewhere"],
        &["run", "redis.yaml", "--borrow", "kube-system"],
        &["run", "redis.yaml", "--borrow", "verdikt-system"],
        &["run", "redis.yaml", "--parallel", "0"],
        &["run", "redis.yaml", "--timeout", "3000"],
        &["run", "redis.yaml", "--cilium", "1.2"],
        &["run", "redis.yaml", "--report", "html=a.html"],
        &["run", "redis.yaml", "--report", "html"],
        &["run", "redis.yaml", "--report", "junit="],
        &["run", "redis.yaml", "--report", "junit=nowhere/a.xml"],
        &["run", "redis.yaml", "--report", "json=."],
        &["run", "redis.yaml", "--events", "nowhere/a.log"],
        &["explain", "redis.yaml", "--step", "locked"],
        &["explain", "redis.yaml", "--from", "shop/card"],
        &["explain", "redis.yaml", "--attempt", "tcp database/redis"],
        &["explain", "redis.yaml", "--attempt", "tcp database/reddis:6379", "--from", "shop/cart"],
        &["explain", "redis.yaml", "--policies", "nowhere.yaml"],
        &["replay", "nowhere.log"],
        &["walk"],
    ] {
        let ran = project.verdikt(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}\n{ran}");
        writeln!(text, "$ verdikt {}\n{}\n", arguments.join(" "), ran.stderr.trim_end()).unwrap();
    }
    assert_snapshot!(text, @r"
    $ verdikt run
    error: no path is given, and there is no folder `scenarios` here

    hint: name scenario files or folders, or go to a folder that has `scenarios`

    $ verdikt check
    error: no path is given, and there is no folder `scenarios` here

    hint: name scenario files or folders, or go to a folder that has `scenarios`

    $ verdikt run nowhere.yaml
    error: there is no file or folder `nowhere.yaml`
    --> nowhere.yaml

    $ verdikt run redis.yaml --on lab:default
    error: invalid value 'lab:default' for '--on <BACKEND>': there is no such backend; there are `lab`, `model`, `kind[:PROFILE]` and `cluster[:CONTEXT]`

    For more information, try '--help'.

    $ verdikt run redis.yaml --on cluster:
    error: invalid value 'cluster:' for '--on <BACKEND>': there is no such backend; there are `lab`, `model`, `kind[:PROFILE]` and `cluster[:CONTEXT]`

    For more information, try '--help'.

    $ verdikt run redis.yaml --on kind:default
    error: invalid value 'kind:default' for '--on <BACKEND>': there is no profile `default`

    For more information, try '--help'.

    $ verdikt run redis.yaml --on elsewhere
    error: invalid value 'elsewhere' for '--on <BACKEND>': there is no such backend; there are `lab`, `model`, `kind[:PROFILE]` and `cluster[:CONTEXT]`

    For more information, try '--help'.

    $ verdikt run redis.yaml --borrow kube-system
    error: invalid value 'kube-system' for '--borrow <NAMESPACE>': it is the cluster's own, and what is in it is nobody's to use

    For more information, try '--help'.

    $ verdikt run redis.yaml --borrow verdikt-system
    error: invalid value 'verdikt-system' for '--borrow <NAMESPACE>': it is verdikt's own

    For more information, try '--help'.

    $ verdikt run redis.yaml --parallel 0
    error: invalid value '0' for '--parallel <NUMBER>': number would be zero for non-zero type

    For more information, try '--help'.

    $ verdikt run redis.yaml --timeout 3000
    error: invalid value '3000' for '--timeout <DURATION>': the unit is missing: a duration is written as `500ms`, `3s` or `2m`

    For more information, try '--help'.

    $ verdikt run redis.yaml --cilium 1.2
    error: invalid value '1.2' for '--cilium <VERSION>': `1.2` is not a Cilium version verdikt knows; it knows 1.16, 1.17, 1.18, 1.19 and 1.20

    For more information, try '--help'.

    $ verdikt run redis.yaml --report html=a.html
    error: invalid value 'html=a.html' for '--report <KIND=FILE>': unknown report `html` (expected junit, json, markdown, github or sarif, as in `junit=FILE`)

    For more information, try '--help'.

    $ verdikt run redis.yaml --report html
    error: invalid value 'html' for '--report <KIND=FILE>': unknown report `html` (expected junit, json, markdown, github or sarif, as in `junit=FILE`)

    For more information, try '--help'.

    $ verdikt run redis.yaml --report junit=
    error: invalid value 'junit=' for '--report <KIND=FILE>': the name of the file is missing

    For more information, try '--help'.

    $ verdikt run redis.yaml --report junit=nowhere/a.xml
    error: cannot write the report `nowhere/a.xml`
      caused by: No such file or directory (os error 2)

    $ verdikt run redis.yaml --report json=.
    error: cannot write the report `.`
      caused by: is a directory

    $ verdikt run redis.yaml --events nowhere/a.log
    error: cannot write the event log `nowhere/a.log`
      caused by: No such file or directory (os error 2)

    $ verdikt explain redis.yaml --step locked
    error: the scenario redis has no step `locked`

    hint: its steps are `open`, `locked down`

    $ verdikt explain redis.yaml --from shop/card
    error: no pod is called `shop/card`

    hint: did you mean `shop/cart`?

    $ verdikt explain redis.yaml --attempt tcp database/redis
    error: the tcp attempt has no port

    hint: write `tcp database/redis:PORT`

    $ verdikt explain redis.yaml --attempt tcp database/reddis:6379 --from shop/cart
    error: no pod or service is called `database/reddis`

    hint: did you mean `database/redis`?

    $ verdikt explain redis.yaml --policies nowhere.yaml
    error: there is no file or folder `nowhere.yaml`
    --> nowhere.yaml

    $ verdikt replay nowhere.log
    error: cannot read the event log `nowhere.log`
      caused by: No such file or directory (os error 2)

    $ verdikt walk
    error: unrecognized subcommand 'walk'

    Usage: verdikt [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

/// Nothing is written where a report cannot be.
#[test]
fn a_report_that_cannot_be_written_ends_the_run_before_it_begins() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--events", "a.log", "--report", "json=nowhere/a.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert!(!project.path("a.log").exists());
}

#[test]
fn help_names_every_command_and_exit_code() {
    let project = Project::with::<&str>(&[]);
    let ran = project.verdikt(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for word in ["run", "check", "explain", "replay", "schema", "Exit codes"] {
        assert!(ran.stdout.contains(word), "{word}: {ran}");
    }
    assert_eq!(project.verdikt(&["-V"]).stdout, format!("verdikt {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn two_outputs_in_one_file() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--report", "junit=out", "--events", "out"]);
    assert_snapshot!(ran, @r"
    exit code 2
    --- stderr
    error: `out` is to be written twice

    hint: give every report and the event log a file of its own
    ");
    assert!(!project.path("out").exists());
}
